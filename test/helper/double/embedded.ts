/** Embedded instances as text: parsed as strictly as a provider does, and written. */
import { CLASSES } from './schema.ts';

export class CimFault extends Error {
  readonly native: string;
  readonly messageId: string | undefined;
  /**
   * @param native CIM error name: InvalidParameter, NotFound, AccessDenied, …
   * @param messageId `HRESULT 0x…` where there is one
   */
  constructor(native: string, message: string, messageId?: string) {
    super(message);
    this.native = native;
    this.messageId = messageId;
  }
}

/** A method's return value that says no. */
export class Refused extends Error {
  readonly code: number;
  constructor(code: number, message: string) {
    super(message);
    this.code = code;
  }
}

export interface Embedded {
  className: string;
  properties: Record<string, unknown>;
}

const ENTITIES: Record<string, string> = { lt: '<', gt: '>', amp: '&', quot: '"', apos: "'" };

const fromXml = (text: string): string =>
  text.replace(/&(?:#(\d+)|(\w+));/g, (whole, code, name) => {
    if (code) return String.fromCodePoint(Number(code));
    if (ENTITIES[name] === undefined) throw new CimFault('InvalidParameter', `unknown entity ${whole}`);
    return ENTITIES[name];
  });

const toXml = (text: string): string =>
  text.replace(
    /[<>&"\r]/g,
    (character) => ({ '<': '&lt;', '>': '&gt;', '&': '&amp;', '"': '&quot;', '\r': '&#13;' })[character]!,
  );

/** @throws CimFault for a wrong class, property, type or syntax */
export function parseEmbedded(text: unknown, expected?: string): Embedded {
  if (typeof text !== 'string') throw new CimFault('InvalidParameter', 'an embedded instance must be text');
  const outer = /^<INSTANCE CLASSNAME="(\w+)">(.*)<\/INSTANCE>$/s.exec(text);
  if (!outer) throw new CimFault('InvalidParameter', 'this is no embedded instance');
  const className = outer[1]!;
  const declared = CLASSES[className];
  if (!declared || (expected && className !== expected))
    throw new CimFault('InvalidParameter', `unexpected class ${className}`);
  const properties: Record<string, unknown> = {};
  const one =
    /<PROPERTY NAME="(\w+)" TYPE="(\w+)"><VALUE>([^<]*)<\/VALUE><\/PROPERTY>|<PROPERTY\.ARRAY NAME="(\w+)" TYPE="(\w+)"><VALUE\.ARRAY>((?:<VALUE>[^<]*<\/VALUE>)*)<\/VALUE\.ARRAY><\/PROPERTY\.ARRAY>/gy;
  for (let at = 0; at < outer[2]!.length; at = one.lastIndex) {
    one.lastIndex = at;
    const match = one.exec(outer[2]!);
    if (!match) throw new CimFault('InvalidParameter', `bad property at ${outer[2]!.slice(at, at + 80)}`);
    const name = (match[1] ?? match[4])!;
    const type = declared.properties[name];
    const given = match[1] ? match[2]! : `${match[5]}array`;
    if (!type) throw new CimFault('InvalidParameter', `${className} has no property ${name}`);
    if (type.toLowerCase() !== given.toLowerCase())
      throw new CimFault('InvalidParameter', `${name} is ${type}, not ${given}`);
    const values = match[1]
      ? [match[3]!]
      : [...match[6]!.matchAll(/<VALUE>([^<]*)<\/VALUE>/g)].map((value) => value[1]!);
    const read = values.map((value) => readValue(type, fromXml(value), name));
    properties[name] = match[1] ? read[0] : read;
  }
  return { className, properties };
}

function readValue(type: string, text: string, name: string): unknown {
  if (type.startsWith('UInt')) {
    if (!/^\d+$/.test(text)) throw new CimFault('InvalidParameter', `${name}: '${text}' is no number`);
    return Number(text);
  }
  if (type.startsWith('Boolean')) {
    if (text !== 'TRUE' && text !== 'FALSE') throw new CimFault('InvalidParameter', `${name}: '${text}' is no boolean`);
    return text === 'TRUE';
  }
  return text;
}

export function renderEmbedded(
  className: string,
  properties: Record<string, string | number | boolean | string[] | undefined>,
  types: Record<string, string>,
): string {
  const body = Object.entries(properties)
    .filter(([, value]) => value !== undefined)
    .map(([name, value]) =>
      Array.isArray(value)
        ? `<PROPERTY.ARRAY NAME="${name}" TYPE="string"><VALUE.ARRAY>${value.map((item) => `<VALUE>${toXml(item)}</VALUE>`).join('')}</VALUE.ARRAY></PROPERTY.ARRAY>`
        : `<PROPERTY NAME="${name}" TYPE="${types[name] ?? 'string'}"><VALUE>${toXml(String(value))}</VALUE></PROPERTY>`,
    );
  return `<INSTANCE CLASSNAME="${className}">${body.join('')}</INSTANCE>`;
}

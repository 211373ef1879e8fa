/** Every name of WMI in the helper's sources stands in the tables of real hosts; a misspelt one would be found. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { root } from '../../../../../build/runtime.mjs';
import { type NameUse, wmiNames } from '../../../../helper/schema/source-names.ts';
import { HOSTS, Schema } from '../../../../helper/schema/tables.ts';

const FOLDER = join(root, 'module', 'Helper', 'wmi');
const scripts = readdirSync(FOLDER).map((name) => ({ name, text: readFileSync(join(FOLDER, name), 'utf8') }));
const schemas = HOSTS.map((host) => new Schema(host));

/** Members of .NET's, CIM's and PowerShell's own types, and of the tables that the helper makes. */
const OTHER = new Set(
  [
    'Advice BaseObject CimClass CimClassProperties CimInstance CimInstanceProperties CimSystemProperties CimType ClassName',
    'Code Count Data Elapsed Exception FullName Infrastructure InnerException InnerText Keys LanguageMode Length Management',
    'Message Namespace PSObject Pattern Principal Properties Qualifiers Result ReturnValue Security ServerName SessionState',
    'StringBuilder Text TotalSeconds Value Values WindowsPrincipal ARRAY',
  ].flatMap((line) => line.split(' ')),
);

function problems(text: string, schema: Schema, uses: NameUse[] = wmiNames(text)): string[] {
  // A job comes out of every method.
  const classes = ['Msvm_ConcreteJob', ...uses.filter(({ kind }) => kind === 'class').map(({ name }) => name)];
  const members = schema.members;
  return uses.flatMap(({ kind, name, of, line }) => {
    const is =
      kind === 'class'
        ? schema.has(name)
        : kind === 'method'
          ? classes.some((one) => schema.method(one, name) !== undefined)
          : kind === 'argument'
            ? takes(schema, classes, of!, name)
            : kind === 'property'
              ? schema.property(of!, name) !== undefined
              : members.has(name) || OTHER.has(name);
    return is ? [] : [`${line}: ${kind} ${of === undefined ? '' : `${of}.`}${name}`];
  });
}

/** Whether one of the classes that a script names has the method, with such a parameter that goes in. */
function takes(schema: Schema, classes: string[], method: string, parameter: string): boolean {
  const all = classes.flatMap((one) => schema.method(one, method) ?? []);
  return all.some(({ parameters }) => parameters.get(parameter)?.direction.includes('in'));
}

describe.each(schemas)('WMI names in the helper, $host', (schema) => {
  it.each(scripts)('$name', ({ text }) => {
    expect(problems(text, schema)).toEqual([]);
  });
});

/** In the adapter: properties that a step of a plan sets are written as WMI has them, those of answers begin small. */
const written = (text: string): string[] =>
  [...text.matchAll(/(?:[{,] |^\s+)([A-Z][a-z]\w*): /gm)].map((key) => key[1]!);
const read = (text: string): string[] =>
  [...text.matchAll(/^ {2}([a-z]\w*): (?:text|texts|number|numbers|flag|z\.string\(\)),$/gm)].map(
    ([, key]) => `${key![0]!.toUpperCase()}${key!.slice(1)}`,
  );
/** What the helper's answers have beside properties. */
const ANSWERS = [
  'ClassName',
  'Path',
  'Paths',
  'Groups',
  'Format',
  'Size',
  'DiskId',
  'DataRoot',
  'File',
  'GuestStateRoot',
  'Elevated',
  'Vss',
];

it.each(schemas)('names of WMI in the adapter, $host', ({ members }) => {
  const folder = join(root, 'backend', 'src', 'hosts', 'hyperv');
  const keys = readdirSync(join(folder, 'restoring')).flatMap((name) =>
    written(readFileSync(join(folder, 'restoring', name), 'utf8')),
  );
  const answers = read(readFileSync(join(folder, 'wmi.ts'), 'utf8')).filter((name) => !ANSWERS.includes(name));
  expect(keys.length).toBeGreaterThan(15);
  expect(answers.length).toBeGreaterThan(25);
  expect([...keys, ...answers].filter((name) => !members.has(name))).toEqual([]);
});

it('a misspelling of any of them is found', () => {
  const [schema] = schemas;
  let names = 0;
  for (const { name: script, text } of scripts)
    for (const { kind, name, at } of wmiNames(text)) {
      if (kind === 'member' && OTHER.has(name)) continue;
      expect(text.slice(at, at + name.length), script).toBe(name);
      const misspelt = `${text.slice(0, at + name.length - 1)}Q${text.slice(at + name.length)}`;
      expect(problems(misspelt, schema!), `${script}: ${kind} ${name}`).not.toEqual([]);
      names += 1;
    }
  expect(names).toBeGreaterThan(250);
});

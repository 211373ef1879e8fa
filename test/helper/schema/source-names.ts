/** What the helper names of WMI: classes, methods with their arguments, properties that it sets and reads. */

/** One name, and what it must be one of. */
export interface NameUse {
  kind: 'class' | 'method' | 'argument' | 'property' | 'member';
  name: string;
  /** Class of a property; method of an argument. */
  of?: string;
  line: number;
  /** Where the name begins in the text. */
  at: number;
}

const CLASS = /\b(?:Msvm|CIM)_[A-Za-z]+/g;

/** @param text of one script. Comments and help are not looked at */
export function wmiNames(text: string): NameUse[] {
  const code = withoutComments(text);
  const uses: NameUse[] = [];
  const add = (kind: NameUse['kind'], name: string, at: number, of?: string): void => {
    uses.push({ kind, name, of, at, line: code.slice(0, at).split('\n').length });
  };
  for (const { 0: name, index } of code.matchAll(CLASS)) if (name !== 'CIM_Error') add('class', name, index);
  for (const call of code.matchAll(/-MethodName '(\w+)'/g)) {
    const method = call[1]!;
    add('method', method, call.index + call[0].length - 1 - method.length);
    for (const { name, at } of argumentsOf(code, call.index)) add('argument', name, at, method);
  }
  for (const made of code.matchAll(/ConvertTo-EmbeddedText -ClassName (?:'(\w+)'|\$script:(\w+)|\$class)/g)) {
    const [all, literal, variable] = made;
    const className = literal ?? (variable ? constant(code, variable) : undefined);
    if (className === undefined) continue;
    for (const { name, at } of hashtableOf(code, made.index + all.length, 'Property'))
      add('property', name, at, className);
  }
  for (const tested of code.matchAll(/Test-HvProperty -ClassName '(\w+)' -Name '(\w+)'/g))
    add('property', tested[2]!, tested.index + tested[0].lastIndexOf(tested[2]!), tested[1]!);
  for (const list of code.matchAll(/^\s*(?:\$script:(\w+)Properties|(Msvm_\w+))\s+= ((?:'\w+'(?:, )?)+)$/gm))
    for (const item of list[3]!.matchAll(/'(\w+)'/g))
      add(
        'property',
        item[1]!,
        list.index + list[0].length - list[3]!.length + item.index + 1,
        list[2] ?? LISTS[list[1]!],
      );
  // Names of types are no members, and what is called is a method of .NET.
  const values = code.replace(/\[[A-Za-z][\w.[\]]*\]/g, (type) => ' '.repeat(type.length));
  for (const read of values.matchAll(/(?<=[\w)\]])\.([A-Z]\w*)\b(?!\()/g)) add('member', read[1]!, read.index + 1);
  return uses;
}

/** Classes of the lists of properties that the helper reads of each instance. */
const LISTS: Record<string, string> = {
  System: 'Msvm_ComputerSystem',
  Setting: 'Msvm_VirtualSystemSettingData',
  ReferencePoint: 'Msvm_VirtualSystemReferencePoint',
};

/** The same text, with spaces for comments, so that places stay. */
function withoutComments(text: string): string {
  const blank = (part: string): string => part.replace(/[^\n]/g, ' ');
  return text.replace(/<#[\s\S]*?#>|(?<=^|\s)#[^\n]*/g, blank);
}

const constant = (code: string, name: string): string | undefined =>
  new RegExp(`\\$script:${name} = '(\\w+)'`).exec(code)?.[1];

interface Key {
  name: string;
  at: number;
}

const argumentsOf = (code: string, from: number): Key[] => hashtableOf(code, from, 'Arguments');

/**
 * Keys of the hashtable that a parameter of the command at `from` gets: written out, or in a variable that the same
 * function fills before.
 */
function hashtableOf(code: string, from: number, parameter: string): Key[] {
  const end = code.indexOf('\nfunction ', from);
  const rest = code.slice(from, end < 0 ? undefined : end);
  const given = new RegExp(`-${parameter} (@\\{|\\$(\\w+))`).exec(rest.slice(0, 400));
  if (given === null) return [];
  if (given[2] === undefined) return keysAt(code, from + given.index + given[0].length);
  const start = Math.max(0, code.lastIndexOf('\nfunction ', from));
  const before = code.slice(start, from);
  const keys: Key[] = [];
  for (const made of before.matchAll(new RegExp(`\\$${given[2]} = @\\{`, 'g')))
    keys.push(...keysAt(code, start + made.index + made[0].length));
  for (const set of before.matchAll(new RegExp(`\\$${given[2]}\\['(\\w+)'\\]`, 'g')))
    keys.push({ name: set[1]!, at: start + set.index + set[0].length - 2 - set[1]!.length });
  return keys;
}

/** Keys of the hashtable whose content begins at `from`. */
function keysAt(code: string, from: number): Key[] {
  const keys: Key[] = [];
  let depth = 1;
  let isKeyNext = true;
  for (let at = from; at < code.length && depth > 0; at++) {
    const char = code[at]!;
    if (char === "'" || char === '"') {
      at = code.indexOf(char, at + 1);
      if (at < 0) return keys;
      isKeyNext = false;
    } else if ('{(['.includes(char)) depth += 1;
    else if ('})]'.includes(char)) depth -= 1;
    else if (depth === 1 && (char === ';' || char === '\n')) isKeyNext = true;
    else if (depth === 1 && isKeyNext && /\w/.test(char)) {
      const [, key] = /^(\w+)\s*=/.exec(code.slice(at, at + 100)) ?? [];
      if (key !== undefined) {
        keys.push({ name: key, at });
        at += key.length - 1;
      }
      isKeyNext = false;
    }
  }
  return keys;
}

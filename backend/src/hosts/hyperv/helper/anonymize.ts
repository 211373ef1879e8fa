/**
 * A trace without names. Whatever is not known to name nothing is replaced: default is to replace, and what stays is
 * listed (anonymize-rules.ts). Placeholders are keyed hashes, so that one name has one placeholder in all processes
 * that write to a trace, and names cannot be tried without the key. Paths and WMI's object paths keep their form, so
 * that what the adapter makes of them stays what it was: a trace still replays.
 */
import { createHmac, randomBytes } from 'node:crypto';
import { hostname, userInfo } from 'node:os';
import * as rules from './anonymize-rules.ts';
import type { TracedExchange } from './trace-format.ts';

/** Shorter than that is no key (`1`, `true`): then each process has its own. */
const LEAST_KEY = 16;

export class Anonymizer {
  readonly #key: string | Buffer;
  /** Names that were met where names stand: to be found in sentences too. Lower case → placeholder. */
  readonly #names = new Map<string, string>();
  #pattern: RegExp | undefined;

  /** @param known names that may turn up in sentences before they were met anywhere else */
  constructor(key: string, known: readonly string[] = []) {
    this.#key = key.length >= LEAST_KEY ? key : randomBytes(32);
    for (const name of [...known, ...machineNames()]) this.#name(name);
  }

  exchange({ time, method, params, answer }: TracedExchange): TracedExchange {
    // First all places of names, then the sentences, in which they may occur.
    this.#value(params, '', false);
    this.#value(answer, '', false);
    return {
      time,
      method,
      params: this.#value(params, '', true) as object,
      answer: this.#value(answer, '', true) as TracedExchange['answer'],
    };
  }

  /** @param sentences false: sentences are left for the second time */
  #value(value: unknown, key: string, sentences: boolean): unknown {
    if (Array.isArray(value)) return value.map((item) => this.#value(item, key, sentences));
    if (value !== null && typeof value === 'object') {
      return Object.fromEntries(
        Object.entries(value).map(([name, item]) => [
          rules.KEY.test(name) ? name : this.#name(name),
          this.#value(item, name, sentences),
        ]),
      );
    }
    if (typeof value !== 'string') return value;
    if (rules.SENTENCES.has(key)) return sentences ? this.sentence(value) : '';
    return this.text(value, key);
  }

  /** A value that is no sentence. */
  text(value: string, key = ''): string {
    if (value === '' || rules.keeps(value, key)) return value;
    if (/^0*$/.test(value)) return value;
    if (rules.MAC.test(value)) return this.#mac(value);
    if (rules.LABEL.test(value)) return value;
    if (rules.OBJECT_PATH.test(value)) return this.#objectPath(value);
    if (rules.INSTANCE_ID.test(value)) return this.#segments(value, '\\', (part) => this.#idPart(part));
    if (rules.PATH.test(value)) return this.#path(value);
    return this.#name(value);
  }

  /** Words that may name something are replaced, the others stay; numbers, codes and ids too. */
  sentence(text: string): string {
    return text
      .split(rules.QUOTED)
      .map((part, index) => {
        if (index % 2 === 0) return this.#words(part);
        const inside = part.slice(1, -1);
        return `${part[0]}${this.text(inside)}${part.at(-1)}`;
      })
      .join('');
  }

  #words(text: string): string {
    this.#pattern ??= pattern([...this.#names.keys()]);
    const known = text.replace(this.#pattern, (name) => this.#names.get(name.toLowerCase())!);
    let start = true;
    return known.replace(rules.WORD, (word) => {
      const first = start;
      start = /[.!?:]$/.test(word);
      const bare = word.replace(/[.,;:!?]+$/, '');
      const tail = word.slice(bare.length);
      if (rules.keepsWord(bare, first)) return word;
      return `${rules.PATH.test(bare) ? this.#path(bare) : this.text(bare)}${tail}`;
    });
  }

  #objectPath(value: string): string {
    const [, server, middle, keys] = rules.OBJECT_PATH.exec(value)!;
    // Values escape backslashes and quotes.
    const replaced = keys!.replace(/="((?:[^"\\]|\\.)*)"/g, (_whole, text: string) => {
      const plain = text.replaceAll(/\\(.)/g, '$1');
      const other = this.text(plain, 'instanceID');
      return `="${other.replaceAll('\\', '\\\\').replaceAll('"', '\\"')}"`;
    });
    return `\\\\${this.server(server!)}${middle}${replaced}`;
  }

  /** Segment by segment: joined and taken apart, paths stay what they were. */
  #path(value: string): string {
    const unc = /^(\\\\)(?![?.]\\)([^\\]+)(\\.*)?$/s.exec(value);
    if (unc) return `\\\\${this.server(unc[2]!)}${this.#path(unc[3] ?? '')}`;
    const separator = value.includes('\\') ? '\\' : '/';
    return this.#segments(value, separator, (part) => this.#segment(part));
  }

  #segments(value: string, separator: string, each: (part: string) => string): string {
    return value.split(separator).map(each).join(separator);
  }

  #segment(part: string): string {
    if (rules.keepsSegment(part)) return part;
    const extension = rules.EXTENSION.exec(part)?.[0] ?? '';
    const stem = part.slice(0, part.length - extension.length);
    return `${rules.keepsSegment(stem) ? stem : this.#name(stem)}${extension}`;
  }

  #idPart(part: string): string {
    return rules.keepsIdPart(part) ? part : this.#name(part);
  }

  /** Names of machines; the adapter compares them with what a host is called. */
  server(name: string): string {
    return rules.keepsSegment(name) ? name : this.#name(name);
  }

  #name(name: string): string {
    const key = name.toLowerCase();
    let placeholder = this.#names.get(key);
    if (placeholder === undefined) {
      placeholder = /^name-[0-9a-f]{12}$/.test(key) ? key : `name-${this.#hash(key).slice(0, 12)}`;
      this.#names.set(key, placeholder);
      this.#pattern = undefined;
    }
    return placeholder;
  }

  #mac(value: string): string {
    // Locally administered; with the separators of the original.
    const digits = `02${this.#hash(value.replaceAll(/[^0-9a-f]/gi, '').toLowerCase()).slice(0, 10)}`.toUpperCase();
    const separator = /[:-]/.exec(value)?.[0] ?? '';
    return separator ? digits.match(/../g)!.join(separator) : digits;
  }

  #hash(text: string): string {
    return createHmac('sha256', this.#key).update(text).digest('hex');
  }
}

/** Any of the names, longest first, as a whole word: a VM called `a` must not take every word apart. */
function pattern(names: string[]): RegExp {
  const escaped = names
    .filter((name) => name.trim() !== '' && !rules.isTerm(name))
    .toSorted((a, b) => b.length - a.length)
    .map((name) => name.replaceAll(/[\\^$.*+?()[\]{}|]/g, '\\$&'));
  return escaped.length === 0
    ? /(?!)/g
    : new RegExp(`(?<![\\p{L}\\p{N}])(?:${escaped.join('|')})(?![\\p{L}\\p{N}])`, 'giu');
}

/** What this process knows of names of its own: its machine, domain and account. */
function machineNames(): string[] {
  const { USERDOMAIN, USERDNSDOMAIN, COMPUTERNAME } = process.env;
  let user = '';
  try {
    user = userInfo().username;
  } catch {
    // An account without a name.
  }
  return [hostname(), hostname().split('.')[0]!, USERDOMAIN, USERDNSDOMAIN, COMPUTERNAME, user].filter(
    (name): name is string => Boolean(name),
  );
}

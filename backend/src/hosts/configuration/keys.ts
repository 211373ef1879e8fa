/** Typed look-ups in a configuration file. What is missing or of another type is undefined; a wrong type is noted. */
import { isHvError } from '../../support/errors.ts';
import type { HvsFile } from './hvs/open.ts';
import type { HvsValue } from './hvs/values.ts';

/** No name, path or note is longer, bytes. */
const LONGEST = 1 << 18;
/** More than a person reads, and no more than a hostile file may cause. */
const MAX_NOTES = 100;

export class Keys {
  readonly #hvs: HvsFile;
  readonly #notes: string[];

  /** @param notes gets a sentence for what had to be ignored */
  constructor(hvs: HvsFile, notes: string[]) {
    this.#hvs = hvs;
    this.#notes = notes;
  }

  async text(path: string): Promise<string | undefined> {
    const value = await this.#get(path);
    return value?.type === 'string' ? value.value : this.#wrong(path, value);
  }

  async boolean(path: string): Promise<boolean | undefined> {
    const value = await this.#get(path);
    return value?.type === 'bool' ? value.value : this.#wrong(path, value);
  }

  /** A non-negative integer that a number can hold. */
  async count(path: string): Promise<number | undefined> {
    const value = await this.#get(path);
    if (value?.type !== 'int' && value?.type !== 'uint') return this.#wrong(path, value);
    if (value.value >= 0n && value.value <= BigInt(Number.MAX_SAFE_INTEGER)) return Number(value.value);
    this.note(`${path} is ${value.value}, which cannot be: it was ignored.`);
    return undefined;
  }

  async bytes(path: string): Promise<Uint8Array | undefined> {
    const value = await this.#get(path);
    return value?.type === 'array' ? value.value : this.#wrong(path, value);
  }

  async #get(path: string): Promise<HvsValue | undefined> {
    try {
      return await this.#hvs.get(path, LONGEST);
    } catch (error) {
      if (!isHvError(error, 'CONFIGURATION_UNSUPPORTED')) throw error;
      this.note(`${path} is too long: it was ignored.`);
      return undefined;
    }
  }

  /** The keys below a node with the paths that find them, siblings of one name included. */
  below(path: string): { name: string; path: string; isNode: boolean }[] {
    const seen = new Map<string, number>();
    return this.#hvs.keys(path).map(({ name, type }) => {
      const count = (seen.get(name) ?? 0) + 1;
      seen.set(name, count);
      return { name, path: `${path}/${name}${count > 1 ? `[${count}]` : ''}`, isNode: type === 'node' };
    });
  }

  note(sentence: string): void {
    if (this.#notes.length < MAX_NOTES) this.#notes.push(sentence);
  }

  #wrong(path: string, value: HvsValue | undefined): undefined {
    if (value) this.note(`${path} is of type ${value.type}, which is not expected: it was ignored.`);
    return undefined;
  }
}

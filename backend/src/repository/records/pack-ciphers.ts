/** What the records of each pack are encrypted with (docs/format.md §7): a key a pack, from the salt in its header. */
import type { RecordCipher } from '../engine/record-cipher.ts';
import { damaged } from '../errors.ts';
import { PACK_HEADER_LENGTH } from '../format/constants.ts';
import { repositoryIdBytes } from '../format/ids.ts';
import { deriveKey, type RepositoryKeys } from '../format/keys.ts';
import { packName } from '../format/names.ts';
import { parsePackHeader } from '../format/pack-format.ts';
import type { Storage } from '../storage/storage.ts';

/** Packs whose keys are kept; a hundred bytes each. */
const MAX_KEPT = 8192;

/** @param salt of the pack's header */
export function packCipher(keys: RepositoryKeys, repositoryId: string, packId: string, salt: Uint8Array): RecordCipher {
  // Copies with memory of their own: a view would take all of what it looks at along to the workers.
  return {
    key: Uint8Array.from(deriveKey(keys, salt, 'pack')),
    place: Uint8Array.from([...repositoryIdBytes(repositoryId), ...Buffer.from(packId, 'hex')]),
  };
}

export class PackCiphers {
  readonly keys: RepositoryKeys | null;
  readonly #storage: Storage;
  readonly #repositoryId: string;
  readonly #kept = new Map<string, Promise<RecordCipher>>();

  /** @param keys of an encrypted repository */
  constructor(storage: Storage, repositoryId: string, keys: RepositoryKeys | null) {
    this.#storage = storage;
    this.#repositoryId = repositoryId;
    this.keys = keys;
  }

  /** @returns undefined in a repository without encryption. @throws REPOSITORY_DAMAGED, FILE_NOT_FOUND, IO_ERROR */
  of(packId: string): Promise<RecordCipher> | undefined {
    if (this.keys === null) return undefined;
    const kept = this.#kept.get(packId);
    if (kept !== undefined) return kept;
    const cipher = this.#load(packId, this.keys);
    this.#kept.set(packId, cipher);
    if (this.#kept.size > MAX_KEPT) this.#kept.delete(this.#kept.keys().next().value!);
    // What failed may succeed another time.
    cipher.catch(() => this.#kept.delete(packId));
    return cipher;
  }

  async #load(packId: string, keys: RepositoryKeys): Promise<RecordCipher> {
    const path = packName(packId);
    const bytes = Buffer.alloc(PACK_HEADER_LENGTH);
    await this.#storage.read(path, 0, bytes);
    const header = parsePackHeader(bytes, path, this.#repositoryId);
    if (!header.encrypted) throw damaged('pack', path, 'it is not encrypted, as all packs here are', { offset: 8 });
    return packCipher(keys, this.#repositoryId, packId, header.salt);
  }
}

/** The different ciphers of a slot's records, each with a number that is passed to the worker. */
export class CipherList {
  readonly ciphers: RecordCipher[] = [];
  readonly #packs: PackCiphers;
  readonly #numbers = new Map<string, Promise<number>>();

  constructor(packs: PackCiphers) {
    this.#packs = packs;
  }

  /** @returns the pack's number in `ciphers`; 0 in a repository without encryption */
  numberOf(packId: string): number | Promise<number> {
    const cipher = this.#packs.of(packId);
    if (cipher === undefined) return 0;
    let number = this.#numbers.get(packId);
    if (number === undefined) {
      number = cipher.then((found) => this.ciphers.push(found) - 1);
      this.#numbers.set(packId, number);
    }
    return number;
  }
}

/** The passphrases of a repository: which must open it, which must not, and which may go either way. */
import type { StoredRepository } from '../../backend/src/repository/repository.ts';
import { isHvError } from '../../backend/src/support/errors.ts';
import { below, pick } from '../fuzz/random.ts';

/** What deriving a key costs here: nothing. What scrypt is worth is no question of faults. */
export const CHEAP = { n: 2, r: 1, p: 1 };

/** `unsure`: adding or removing it was begun, and its success was not reported. */
type State = 'valid' | 'unsure' | 'removed';

export class KeyRing {
  readonly first: string;
  readonly #states = new Map<string, State>();
  readonly #random: () => number;
  /** Those that opened it when it was last looked at. */
  #openers: string[];
  /** What the repository is open with now. */
  #current: string;
  /** How often a passphrase was seen to open, or not to open, as it must. */
  tried = 0;

  constructor(name: string, random: () => number) {
    this.#random = random;
    this.first = `${name} 0`;
    this.#states.set(this.first, 'valid');
    this.#openers = [this.first];
    this.#current = this.first;
  }

  /** Any that opens. */
  choose(): string {
    this.#current = pick(this.#random, this.#openers);
    return this.#current;
  }

  /** Adds a passphrase, or removes one that is not in use. */
  async change(repository: StoredRepository): Promise<void> {
    const ids = new Map<string, string>();
    for (const { id, label, current, problem } of await repository.listKeys()) {
      // Misread, or on a disk that fails.
      if (!current && problem === undefined) ids.set(this.#states.has(label) ? label : this.first, id);
    }
    if (ids.size === 0 || (ids.size < 4 && below(this.#random, 2) === 0)) return this.#add(repository);
    const [passphrase, id] = pick(this.#random, [...ids]);
    this.#states.set(passphrase, 'unsure');
    await repository.removeKey(id);
    this.#states.set(passphrase, 'removed');
    // Whoever removes a key makes sure that his own stays.
    this.#states.set(this.#current, 'valid');
  }

  async #add(repository: StoredRepository): Promise<void> {
    const passphrase = `${this.first.slice(0, -1)}${this.#states.size}`;
    this.#states.set(passphrase, 'unsure');
    await repository.addKey(passphrase, passphrase);
    this.#states.set(passphrase, 'valid');
  }

  /** Tries them all. @param open throws WRONG_PASSPHRASE. @throws when one opens or does not and must not or must */
  async inspect(open: (passphrase: string) => Promise<{ close(): Promise<void> }>): Promise<void> {
    const openers: string[] = [];
    for (const [passphrase, state] of this.#states) {
      const opens = await open(passphrase).then(
        (repository) => repository.close().then(() => true),
        (error) => {
          if (isHvError(error, 'WRONG_PASSPHRASE')) return false;
          throw error;
        },
      );
      if (state !== 'unsure') this.tried += 1;
      if (opens && state === 'removed') throw new Error(`passphrase "${passphrase}" was removed and opens`);
      if (!opens && state === 'valid') throw new Error(`passphrase "${passphrase}" must open and does not`);
      if (opens) openers.push(passphrase);
    }
    if (openers.length === 0) throw new Error('no passphrase opens any more');
    this.#openers = openers;
  }
}

/**
 * Keys that this process has derived from passphrases: deriving takes half a second, and one process may serve many
 * requests to one repository. Forgotten when nothing has used them for a while, or earlier with the process.
 */
import type { WrappedKeys } from '../format/key-object.ts';

/** Keys of a repository, and which key object they came from. */
export interface Unlocked extends WrappedKeys {
  keyId: string;
}

/** How long keys that nothing uses are kept, ms. */
const IDLE_MS = 60_000;

interface Entry {
  unlocked: Unlocked;
  timer: NodeJS.Timeout;
  /** Open repositories that use it. */
  users: number;
}

export class OpenedKeys {
  readonly #entries = new Map<string, Entry>();
  readonly #idleMs: number;

  /** @param idleMs for tests */
  constructor(idleMs = IDLE_MS) {
    this.#idleMs = idleMs;
  }

  /** @param proof digest of everything that the keys follow from: passphrase, key object, configuration */
  get(proof: string): Unlocked | undefined {
    const entry = this.#entries.get(proof);
    entry?.timer.refresh();
    return entry?.unlocked;
  }

  add(proof: string, unlocked: Unlocked): void {
    clearTimeout(this.#entries.get(proof)?.timer);
    // It keeps no process alive.
    const timer = setTimeout(() => this.#expired(proof), this.#idleMs).unref();
    this.#entries.set(proof, { unlocked, timer, users: 0 });
  }

  /**
   * Keeps the keys for as long as a repository is open.
   * @returns to be called when it is closed: the time to forget them begins then
   */
  use(unlocked: Unlocked): () => void {
    const entry = [...this.#entries.values()].find((candidate) => candidate.unlocked === unlocked);
    if (entry === undefined) return () => undefined;
    entry.users += 1;
    let used = true;
    return () => {
      if (!used) return;
      used = false;
      entry.users -= 1;
      entry.timer.refresh();
    };
  }

  get size(): number {
    return this.#entries.size;
  }

  #expired(proof: string): void {
    const entry = this.#entries.get(proof);
    if (entry === undefined) return;
    // Each use starts the time again.
    if (entry.users === 0) this.#entries.delete(proof);
  }
}

/** Of this process. */
export const openedKeys = new OpenedKeys();

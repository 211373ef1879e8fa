/**
 * A session of kind `read`: it stores nothing, and what it names stays in the repository as long as it lives, even when
 * the restore points are removed meanwhile (docs/format.md §5, rule 11).
 */
import { isHvError } from '../../support/errors.ts';
import type { RepositoryCore } from '../core.ts';
import { readPinName } from '../format/names.ts';
import type { PinnablePoint, PinOptions, ReaderPin } from '../port/pins.ts';
import type { Tombstone } from '../port/points.ts';
import { renewing, type SessionHandle } from '../sessions/session-handle.ts';

/** Restore points that one object names: it stays far below the size a document may have. */
const BATCH = 1000;

/** What storage answers that is read-only, full, failing, or of a newer version: reading goes on without a pin. */
const UNWRITABLE = [
  'ACCESS_DENIED',
  'DISK_FULL',
  'IO_ERROR',
  'NOT_SUPPORTED',
  'FILE_TOO_LARGE',
  'REPOSITORY_VERSION',
] as const;

export class RepositoryReaderPin implements ReaderPin {
  readonly #core: RepositoryCore;
  readonly #points: readonly PinnablePoint[];
  readonly #options: PinOptions;
  readonly #rest: () => void;
  readonly #gone = new Set<string>();
  /** Null while nothing protects. */
  #handle: SessionHandle | null = null;
  #warned = false;

  private constructor(core: RepositoryCore, points: readonly PinnablePoint[], options: PinOptions) {
    this.#core = core;
    this.#points = points;
    this.#options = options;
    this.#rest = renewing(() => this.renew());
  }

  static async begin(
    core: RepositoryCore,
    points: readonly PinnablePoint[],
    options: PinOptions,
  ): Promise<RepositoryReaderPin> {
    const pin = new RepositoryReaderPin(core, points, options);
    try {
      await pin.#register();
      return pin;
    } catch (error) {
      await pin.end();
      throw error;
    }
  }

  get gone(): ReadonlySet<string> {
    return this.#gone;
  }

  get protects(): boolean {
    return this.#handle !== null && !this.#handle.isExpired();
  }

  /**
   * The order is what protects: the session durable, what it reads durable, and only then a look whether the restore
   * points are still listed. A removal looks for pins after its tombstone is durable and its manifest is
   * gone.
   */
  async #register(): Promise<void> {
    try {
      this.#handle = await this.#core.sessions.register('read', this.#options.owner);
      for (let at = 0; at < this.#points.length; at += BATCH) {
        const points = this.#points.slice(at, at + BATCH).map(({ id, contents }) => ({ point: id, contents }));
        await this.#handle.put(readPinName(this.#handle.id, at / BATCH), { points });
      }
    } catch (error) {
      if (!isHvError(error, ...UNWRITABLE)) throw error;
      await this.#handle?.end().catch(() => undefined);
      this.#handle = null;
      this.#warnOnce(
        `What is read from ${this.#core.storage.location} cannot be marked as in use (${error.message}): ` +
          'if it is removed and pruned meanwhile, reading ends with an error.',
      );
    }
    const names = this.#points.map(({ group, id }) => this.#core.manifests.nameOf(group, id));
    const listed = new Set(await this.#core.manifests.listed(names));
    for (const [i, { id }] of this.#points.entries()) if (!listed.has(names[i]!)) this.#gone.add(id);
  }

  async renew(): Promise<void> {
    if (this.#handle === null) return;
    try {
      await this.#handle.renew();
    } catch (error) {
      if (isHvError(error, 'REPOSITORY_SESSION_EXPIRED')) return this.#again();
      if (!isHvError(error)) throw error;
      this.#warnOnce(
        `What is read from ${this.#core.storage.location} could not be marked as in use any longer (${error.message}); it is tried again.`,
      );
    }
  }

  /**
   * A reader that slept for longer than the session begins another; what was not removed meanwhile is protected again.
   */
  async #again(): Promise<void> {
    const before = new Set(this.#gone);
    await this.#handle?.end().catch(() => undefined);
    this.#handle = null;
    await this.#register();
    const lost = [...this.#gone].filter((id) => !before.has(id));
    if (lost.length > 0)
      this.#options.warn?.(
        `Restore point ${lost.slice(0, 5).join(', ')}${lost.length > 5 ? ', …' : ''} was removed while this machine was suspended ` +
          'or its clock was set: what is still to be read of it may be gone.',
      );
  }

  async removed(): Promise<Tombstone[]> {
    const { tombstones } = this.#core;
    const ids = new Set(this.#points.map(({ id }) => id));
    const candidates = ids.size <= 16 ? [...ids] : [...(await tombstones.ids())].filter((id) => ids.has(id));
    const found: Tombstone[] = [];
    for (const id of candidates) {
      const tombstone = await tombstones.get(id).catch((error) => {
        if (isHvError(error, 'REPOSITORY_DAMAGED', 'IO_ERROR')) return null;
        throw error;
      });
      if (tombstone !== null) found.push(tombstone);
    }
    return found;
  }

  async end(): Promise<void> {
    this.#rest();
    const handle = this.#handle;
    this.#handle = null;
    await handle?.end().catch(() => undefined);
  }

  #warnOnce(message: string): void {
    if (this.#warned) return;
    this.#warned = true;
    this.#options.warn?.(message);
  }
}

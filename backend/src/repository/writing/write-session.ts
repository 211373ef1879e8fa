/** One writer's work from registration to the end (docs/format.md §5, §6). */
import { HvError, isHvError } from '../../support/errors.ts';
import { listFenced } from '../coordination/fencing.ts';
import type { RepositoryCore } from '../core.ts';
import { ID_LENGTH, RecordKind } from '../format/constants.ts';
import { packName } from '../format/names.ts';
import type { ContentRef } from '../port/contents.ts';
import type { ManifestEnvelope } from '../port/points.ts';
import type { ContentWriter, SessionOptions, WriteSession } from '../port/writing.ts';
import { noteMissingPacks } from '../records/missing-packs.ts';
import type { SessionDocument } from '../sessions/session-document.ts';
import { renewing, type SessionHandle, takenForOver } from '../sessions/session-handle.ts';
import { isUnreadable } from '../storage/judging.ts';
import { walkBlocks } from '../tree/tree-walk.ts';
import { requireRef } from '../tree/visit.ts';
import { SessionContentWriter } from './content-writer.ts';
import { ReliedContents } from './relied-contents.ts';
import { SessionStore } from './session-store.ts';

/** Every round is caused by a prune that began meanwhile; more than a few cannot be right. */
const MAX_PUBLISH_ROUNDS = 8;

export class RepositoryWriteSession implements WriteSession {
  readonly #core: RepositoryCore;
  readonly #handle: SessionHandle;
  readonly #store: SessionStore;
  readonly #options: SessionOptions;
  readonly #writers = new Set<SessionContentWriter>();
  readonly #relied: ReliedContents;
  /** Ends the renewals. */
  readonly #rest: () => void;
  #closed = false;
  /** Dead sessions whose packs this one answers for. */
  #claims = 0;
  /** A restore point that counts. */
  #published = false;

  private constructor(core: RepositoryCore, handle: SessionHandle, options: SessionOptions) {
    this.#core = core;
    this.#handle = handle;
    this.#options = options;
    this.#store = new SessionStore(core, handle, options.compression ?? 'default');
    this.#relied = new ReliedContents(core, this.#store);
    this.#rest = renewing(() => handle.renew());
  }

  /** Registers the session, and only then looks at what is stored. */
  static async begin(core: RepositoryCore, options: SessionOptions): Promise<RepositoryWriteSession> {
    const handle = await core.sessions.register('backup', options.owner ?? core.environment.identity().machine);
    const session = new RepositoryWriteSession(core, handle, options);
    try {
      await core.refresh();
      // Both look at everything there is, the one in the storage, the other in the catalog.
      core.catalog.expectNewIds();
      await noteMissingPacks(core.storage, core.index);
      session.#relied.begin();
      await session.#adoptFromDeadSessions();
      return session;
    } catch (error) {
      await session.close();
      throw error;
    }
  }

  get id(): string {
    return this.#handle.id;
  }

  get maxRun(): number {
    return this.#core.pool.capacity;
  }

  async openContent(size: number, base?: ContentRef): Promise<ContentWriter> {
    this.#requireOpen();
    await this.#handle.renew();
    if (!Number.isSafeInteger(size) || size < 0)
      throw new HvError('INTERNAL', `A content of ${size} bytes is not possible.`);
    const writer = await this.#explained(async () => {
      if (base?.root) await this.#relied.requireListed(base);
      return SessionContentWriter.open(this.#store, size, base, this.#options.signal);
    });
    this.#writers.add(writer);
    return {
      write: (indices, fill) => this.#explained(() => writer.write(indices, fill)),
      patch: (...args) => this.#explained(() => writer.patch(...args)),
      drain: () => writer.drain(),
      zero: (first, count) => this.#explained(() => writer.zero(first, count)),
      finish: () => this.#explained(() => writer.finish()),
    };
  }

  damagedBlocks(base: ContentRef): Promise<number[]> {
    return this.#explained(() => this.#damagedBlocks(base));
  }

  async #damagedBlocks(base: ContentRef): Promise<number[]> {
    const { index, nodes, config } = this.#core;
    if (index.damaged.size + index.missing.size === 0) return [];
    const { blocks } = requireRef(base, config.blockSize);
    const found: number[] = [];
    const load = nodes.load.bind(nodes);
    for await (const run of walkBlocks(base, config.blockSize, load, { from: 0, to: blocks }))
      for (let i = 0; i < run.count; i++)
        if (!this.#store.isStored(RecordKind.block, run.ids.subarray(i * ID_LENGTH, (i + 1) * ID_LENGTH)))
          found.push(run.first + i);
    return found;
  }

  async publish(
    manifest: ManifestEnvelope,
    options: { revive?: boolean } = {},
  ): Promise<{ manifestBytes: number; indexBytes: number }> {
    this.#requireOpen();
    return this.#explained(async () => {
      const wasRemoved = options.revive === true && (await this.#isRemoved(manifest));
      const done = await this.#publish(manifest, wasRemoved);
      // Last of all: as long as the tombstone is there the restore point is not reported missing, whatever becomes of
      // this process.
      if (wasRemoved) await this.#core.tombstones.withdraw(manifest.id);
      return done;
    });
  }

  async keep(): Promise<void> {
    this.#requireOpen();
    await this.#store.flush();
    this.#handle.requireAlive();
  }

  async #isRemoved({ id }: ManifestEnvelope): Promise<boolean> {
    const tombstone = await this.#core.tombstones.get(id).catch((error) => {
      if (isHvError(error, 'REPOSITORY_DAMAGED')) return null;
      throw error;
    });
    return tombstone !== null && tombstone.late === undefined;
  }

  /** What it was built on may be gone because others believed it over, or removed it: then that is what to say. */
  async #explained<T>(action: () => Promise<T>): Promise<T> {
    try {
      return await action();
    } catch (error) {
      if (!isHvError(error, 'REPOSITORY_DAMAGED', 'FILE_NOT_FOUND')) throw error;
      this.#handle.requireAlive();
      if (!(await this.#relied.isBaseGone())) throw error;
      throw new HvError(
        'REPOSITORY_SESSION_EXPIRED',
        'The restore point this backup was built on was removed meanwhile',
        {
          advice: 'Run the backup again.',
          data: { sessionId: this.#handle.id },
          cause: error,
        },
      );
    }
  }

  /** @param again after a removal, which is taken back */
  async #publish(manifest: ManifestEnvelope, again: boolean): Promise<{ manifestBytes: number; indexBytes: number }> {
    await this.#store.flush();
    await this.#handle.announce(manifest);
    for (let round = 0; ; round++) {
      if (round === MAX_PUBLISH_ROUNDS)
        throw new HvError('INTERNAL', 'The repository does not come to rest for publishing.');
      await this.#core.refresh();
      if (!(await this.#relied.storeAgain(manifest.contents))) break;
      await this.#store.flush();
    }
    for (const ref of manifest.contents) await this.#requireRoot(ref);
    this.#handle.requireAlive();
    const hiddenBefore = await this.#lateTombstone(manifest.id);
    const manifestBytes = await this.#core.manifests.publish(manifest);
    await this.#requireCounted(manifest, hiddenBefore);
    if (this.#handle.isExpired() || (await this.#relied.isDoubtful())) await this.#withdrawIfBroken(manifest);
    this.#published = true;
    await this.#note(manifest, again);
    return { manifestBytes, indexBytes: this.#store.sink.indexBytes };
  }

  /**
   * It counts from here on, whatever becomes of its manifest. It is there and complete all the same when this fails.
   */
  async #note(manifest: ManifestEnvelope, again: boolean): Promise<void> {
    try {
      await this.#core.ledger.put(this.#core.manifests.nameOf(manifest.group, manifest.id), manifest, again);
    } catch (error) {
      // It is still hidden by its tombstone, and without this other machines would take it for an older state.
      if (again) throw error;
      if (!isHvError(error, 'DISK_FULL', 'IO_ERROR', 'ACCESS_DENIED')) throw error;
      this.#options.warn?.(
        `Restore point ${manifest.id} is complete, and could not be entered in the ledger (${error.message}): the next prune does so.`,
      );
    }
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    this.#rest();
    for (const writer of this.#writers) await writer.drain();
    await this.#store.close();
    const leaves = this.#store.mayLeavePacks || this.#claims > 0;
    await this.#handle.end(!this.#published && leaves).catch(() => undefined);
  }

  /**
   * Packs that a crashed writer left without an index are named by this session's indexes; then the dead is forgotten.
   */
  async #adoptFromDeadSessions(): Promise<void> {
    const sessions = await listFenced(this.#core, this.#handle.id);
    for (const { doubt, alive } of sessions) if (doubt !== undefined && alive) this.#options.warn?.(doubt);
    for (const state of sessions)
      if (!state.alive && state.document.kind === 'read') await this.#core.sessions.forget(state);
    const dead = sessions.filter((state) => !state.alive && state.document.kind === 'backup');
    if (dead.length === 0) return;
    await this.#core.findUnindexed();
    const wanted = new Set(dead.flatMap((state) => [state.document.id, ...state.claims]));
    this.#claims = wanted.size;
    for (const session of wanted) await this.#handle.claim(session);
    for (const pack of [...this.#core.index.unindexedPacks.values()]) {
      if (!wanted.has(pack.sessionId) || this.#core.index.marked.has(pack.id)) continue;
      await this.#core.storage.settle(packName(pack.id));
      this.#store.adopt(pack);
    }
    await this.#store.flush();
    for (const state of dead) await this.#core.sessions.forget(state);
  }

  async #requireRoot(ref: ContentRef): Promise<void> {
    if (ref.root === null) return;
    const kind = ref.height === 0 ? RecordKind.block : RecordKind.node;
    await this.#core.reader.locate(kind, Buffer.from(ref.root, 'hex'));
  }

  /**
   * A tombstone that was there before stands for an attempt to publish the point that did not count; its name is ours
   * now. One that came since says that others have taken this session for over.
   */
  async #requireCounted(manifest: ManifestEnvelope, before: string | undefined): Promise<void> {
    const late = await this.#lateTombstone(manifest.id);
    if (late === undefined) return;
    if (late === before && late !== this.#handle.id) {
      // Before the tombstone goes: the ledger may still speak of the attempt that it stands for.
      await this.#note(manifest, true);
      return this.#core.tombstones.withdraw(manifest.id);
    }
    // Where nothing can be deleted it stays, and is never listed.
    await this.#core.manifests
      .withdraw(this.#core.manifests.nameOf(manifest.group, manifest.id))
      .catch(() => undefined);
    // The process that put the tombstone may have seen the manifest, and be about to take it back: then one of the two
    // puts it again.
    const error = takenForOver(this.#handle.document, await this.#fence(manifest.id), this.#core.environment.now());
    await this.#core.tombstones
      .put(manifest, 'other writers treated its session as expired', this.#handle.id)
      .catch(() => undefined);
    throw error;
  }

  /** The tombstone says of those who treated this session as expired what a fence would. */
  async #fence(pointId: string): Promise<SessionDocument> {
    const tombstone = await this.#core.tombstones.get(pointId).catch(() => null);
    return { ...this.#handle.document, fencedBy: tombstone?.by, fencedAt: tombstone?.removedAt };
  }

  async #lateTombstone(id: string): Promise<string | undefined> {
    try {
      return (await this.#core.tombstones.get(id))?.late;
    } catch (error) {
      // It hides nothing.
      if (isHvError(error, 'REPOSITORY_DAMAGED') && !isUnreadable(error)) return undefined;
      throw error;
    }
  }

  /**
   * What others deleted meanwhile, believing this session over, must not be missed by anyone (docs/format.md §5, rule
   * 6).
   */
  async #withdrawIfBroken(manifest: ManifestEnvelope): Promise<void> {
    await this.#core.refresh();
    if (!(await this.#relied.isBroken(manifest.contents))) return;
    // With a tombstone: others may have seen it.
    await this.#core.tombstones.put(manifest, 'withdrawn: what it was built on is gone', this.#handle.id);
    await this.#core.manifests.withdraw(this.#core.manifests.nameOf(manifest.group, manifest.id));
    this.#handle.requireAlive();
    throw new HvError('REPOSITORY_SESSION_EXPIRED', `What restore point ${manifest.id} was built on is gone`, {
      advice: 'The restore point it was built on was removed meanwhile. Run the backup again.',
      data: { pointId: manifest.id },
    });
  }

  #requireOpen(): void {
    if (this.#closed) throw new HvError('INTERNAL', 'The session is closed.');
    this.#handle.requireAlive();
  }
}

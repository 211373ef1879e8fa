/** A repository over a storage: the port's operations, each handed to the part that does it. */

import { believedTime, rememberClock } from '../support/clock.ts';
import { HvError, isHvError } from '../support/errors.ts';
import type { OperationContext } from '../support/progress.ts';
import { describeSessions, endSession } from './coordination/ending.ts';
import { RepositoryReaderPin } from './coordination/reader-pin.ts';
import type { RepositoryCore } from './core.ts';
import { DocumentRecordStore } from './documents/record-store.ts';
import { acceptRemoved } from './doubt/accept.ts';
import { Certainty } from './doubt/certainty.ts';
import { asDoubt } from './doubt/doubt.ts';
import { CONFIG_NAME, PackClass } from './format/constants.ts';
import { Folder, parsePackName, pointIdOf } from './format/names.ts';
import { checkRepository } from './integrity/check.ts';
import { findLosses, structuralLoss } from './integrity/losses.ts';
import { repairRepository } from './integrity/repair.ts';
import { verifyContents } from './integrity/verify.ts';
import type { KeyStore } from './keys/key-store.ts';
import { byOrder, PLACE } from './points/point-order.ts';
import { removeManifestFirst, removePoint } from './points/remove-point.ts';
import type { ContentReader, ContentRef } from './port/contents.ts';
import type { Damage, OnLoss } from './port/damage.ts';
import type { Doubt } from './port/doubt.ts';
import type { KeyInfo } from './port/keys.ts';
import type { PruneResult, RepairResult, RepositoryStats, VerifyOptions } from './port/maintenance.ts';
import type { PinnablePoint, PinOptions, ReaderPin } from './port/pins.ts';
import type {
  DigestOptions,
  ManifestDigest,
  ManifestEnvelope,
  PointPlace,
  ReturnedPoint,
  Tombstone,
  UnexpectedPoint,
} from './port/points.ts';
import type { RecordStore } from './port/records.ts';
import type { ClockFacts, Repository } from './port/repository.ts';
import type { SessionInfo } from './port/sessions.ts';
import type { SessionOptions, WriteSession } from './port/writing.ts';
import { noteBeforeRemoval } from './prune/fill-ledger.ts';
import { dropCertainGarbage } from './prune/first-bytes.ts';
import { keepReserve, withRoom } from './prune/full-storage.ts';
import { type PruneOptions, prune } from './prune/prune.ts';
import { noteMissingPacks } from './records/missing-packs.ts';
import { everyForeignName, type ForeignEntry } from './storage/foreign-names.ts';
import { RepositoryContentReader } from './tree/content-reader.ts';
import { differingBlocks } from './tree/tree-diff.ts';
import { RepositoryWriteSession } from './writing/write-session.ts';

/** What this machine remembers of its clock may be so old. Milliseconds. */
const CLOCK_NOTED_MS = 10 * 60_000;
/** Records that another repository of the same id can stand in for. */
const TAKEN = [Folder.chains, Folder.jobs, Folder.holds, Folder.removed];

export class StoredRepository implements Repository {
  readonly records: RecordStore;
  /** For tests and other parts of the repository. */
  readonly core: RepositoryCore;
  /** The indexes are loaded when first needed. */
  #loaded: Promise<unknown> | undefined;

  /** Bytes given back where there was no room to prune, and not reported yet. */
  #dropped = 0;
  readonly #another: () => Repository;
  readonly #first: boolean;
  readonly #release: () => void;
  readonly #keyStore: KeyStore | null;
  #acceptPlace: (() => void) | undefined;

  /**
   * @param keyStore of an encrypted repository, else null
   * @param another opens a further handle on the same storage
   * @param first whether storage and worker threads are this one's to close
   * @param release called when it is closed
   */
  constructor(
    core: RepositoryCore,
    keyStore: KeyStore | null,
    another: () => Repository,
    first: boolean,
    release: () => void = () => undefined,
  ) {
    this.core = core;
    this.#keyStore = keyStore;
    this.#another = another;
    this.#first = first;
    this.#release = release;
    this.records = new DocumentRecordStore(core.storage, core.documents, core.keys);
  }

  get id(): string {
    return this.core.config.id;
  }
  get location(): string {
    return this.core.storage.location;
  }
  get blockSize(): number {
    return this.core.config.blockSize;
  }
  get formatVersion(): number {
    return this.core.config.version;
  }
  get encrypted(): boolean {
    return this.core.config.encryption !== null;
  }
  get createdAt(): string {
    return this.core.config.createdAt;
  }

  get memoryProblem(): string | null {
    return this.core.memory?.problem ?? null;
  }

  async listManifests(
    group?: string,
    options: { onDamage?: (damage: Damage) => void; fresh?: boolean } = {},
  ): Promise<ManifestEnvelope[]> {
    return (await this.core.manifests.list(group, options)).sort(byOrder);
  }

  async listOrder(group: string, options: { onDamage?: (damage: Damage) => void } = {}): Promise<PointPlace[]> {
    return (await this.core.digests.list(PLACE, { group, onDamage: options.onDamage })).sort(byOrder);
  }

  readManifests(
    group: string,
    ids: readonly string[],
    options: { onDamage?: (damage: Damage) => void } = {},
  ): Promise<ManifestEnvelope[]> {
    const { manifests } = this.core;
    return manifests.read(
      ids.map((id) => manifests.nameOf(group, id)),
      options,
    );
  }

  listDigests<T>(digest: ManifestDigest<T>, options: DigestOptions = {}): Promise<T[]> {
    return this.core.digests.list(digest, options);
  }

  async readManifest(id: string): Promise<ManifestEnvelope> {
    return this.core.manifests.get(await this.core.manifests.find(id), { fresh: true });
  }

  async knowsDamage(): Promise<boolean> {
    const { unreadable } = await this.core.refresh();
    await noteMissingPacks(this.core.storage, this.core.index);
    return this.core.index.damaged.size + this.core.index.missing.size + unreadable.length > 0;
  }

  readStored({ group, id }: ManifestEnvelope): Promise<ManifestEnvelope> {
    return this.core.manifests.get(this.core.manifests.nameOf(group, id), { fresh: true });
  }

  async findPoint(id: string): Promise<string> {
    return pointIdOf(await this.core.manifests.find(id));
  }

  beginSession(options: SessionOptions = {}): Promise<WriteSession> {
    return RepositoryWriteSession.begin(this.core, options);
  }

  pin(points: readonly PinnablePoint[], options: PinOptions): Promise<ReaderPin> {
    return RepositoryReaderPin.begin(this.core, points, options);
  }

  async openContent(ref: ContentRef): Promise<ContentReader> {
    this.#loaded ??= this.core.refresh();
    await this.#loaded;
    return new RepositoryContentReader(this.core, ref);
  }

  async *differences(base: ContentRef, content: ContentRef): AsyncGenerator<{ offset: number; length: number }> {
    this.#loaded ??= this.core.refresh();
    await this.#loaded;
    const { blockSize } = this;
    const load = this.core.nodes.load.bind(this.core.nodes);
    for await (const { first, count } of differingBlocks(base, content, blockSize, load)) {
      const offset = first * blockSize;
      yield { offset, length: Math.min(count * blockSize, content.size - offset) };
    }
  }

  async removeManifest(id: string, options: { reason?: string; confirm?: () => Promise<void> } = {}): Promise<void> {
    const name = await this.core.manifests.find(id, { unfinished: true });
    const { reason = 'removed', confirm } = options;
    const removal = { name, reason, confirm };
    await noteBeforeRemoval(this.core, name);
    const remove = () => removePoint(this.core, removal);
    try {
      await withRoom(this.core, {}, remove, () => this.#dropGarbage({}));
    } catch (error) {
      if (!isHvError(error, 'DISK_FULL')) throw error;
      await removeManifestFirst(this.core, removal);
    }
  }

  async finishRemoval(id: string, reason: string): Promise<void> {
    await withRoom(this.core, {}, () => this.core.tombstones.put({ id, group: 'unknown' }, reason));
  }

  async settlePoint(id: string): Promise<void> {
    await this.core.storage.settle(await this.core.manifests.find(id));
  }

  tombstone(id: string): Promise<Tombstone | null> {
    return this.core.tombstones.get(id);
  }

  async prune(options: PruneOptions = {}): Promise<PruneResult> {
    if (options.dryRun) return prune(this.core, options);
    const run = (failures: number) => prune(this.core, { ...options, tight: failures > 0 });
    const result = await withRoom(this.core, options, run, () => this.#dropGarbage(options));
    const freedBytes = result.freedBytes + this.#dropped;
    this.#dropped = 0;
    await this.keepReserve();
    return { ...result, freedBytes };
  }

  async #dropGarbage(context: PruneOptions): Promise<number> {
    const bytes = await dropCertainGarbage(this.core, context);
    this.#dropped += bytes;
    return bytes;
  }

  keepReserve(): Promise<void> {
    return keepReserve(this.core);
  }

  async freeBytes(): Promise<number | null> {
    return (await this.core.storage.room?.free()) ?? null;
  }

  check(options: OperationContext = {}): Promise<{ damages: Damage[]; moreDamages: number; objects: number }> {
    return checkRepository(this.core, options);
  }

  async losses(contents: readonly ContentRef[], options: { signal?: AbortSignal; onLoss: OnLoss }): Promise<void> {
    await this.core.refresh();
    await this.core.findUnindexed();
    await findLosses(this.core, contents, { ...options, isLost: await structuralLoss(this.core) });
  }

  repair(options: OperationContext & { dryRun?: boolean } = {}): Promise<RepairResult> {
    const run = () => repairRepository(this.core, { ...options, keyId: this.#keyStore?.currentId ?? null });
    return withRoom(this.core, options, run);
  }

  async takeRecords(from: Repository, paths: readonly string[]): Promise<string[]> {
    const taken: string[] = [];
    if (!(from instanceof StoredRepository) || from.id !== this.id) return taken;
    for (const path of paths.filter((one) => TAKEN.some((folder) => one.startsWith(folder)))) {
      const value = await from.core.documents.find(path).catch((error) => {
        if (isHvError(error, 'REPOSITORY_DAMAGED')) return null;
        throw error;
      });
      if (value !== null && (await this.core.documents.put(path, value)) > 0) taken.push(path);
    }
    return taken;
  }

  async verify(
    contents: readonly ContentRef[],
    options: VerifyOptions = {},
  ): Promise<{ verifiedBytes: number; readBytes: number }> {
    this.#loaded ??= this.core.refresh();
    await this.#loaded;
    return verifyContents(this.core, contents, options);
  }

  foreignNames(): Promise<ForeignEntry[]> {
    return everyForeignName(this.core.storage);
  }

  async stats(): Promise<RepositoryStats> {
    const { core } = this;
    await core.refresh();
    const bytes = async (prefix: string) =>
      (await core.storage.list(prefix, { sizes: true })).reduce((sum, object) => sum + (object.size ?? 0), 0);
    const packs = await core.storage.list(Folder.packs, { sizes: true });
    const classes = new Map(core.catalog.packs().map(({ id, packClass }) => [id, packClass]));
    const inClass = (packClass: PackClass | undefined) =>
      packs
        .filter(({ name }) => classes.get(parsePackName(name) ?? '') === packClass)
        .reduce((sum, object) => sum + (object.size ?? 0), 0);
    return {
      points: (await core.manifests.names()).length,
      packs: packs.length,
      packBytes: packs.reduce((sum, object) => sum + (object.size ?? 0), 0),
      blockPackBytes: inClass(PackClass.blocks),
      nodePackBytes: inClass(PackClass.nodes),
      unindexedPackBytes: inClass(undefined),
      indexBytes: await bytes(Folder.indexes),
      manifestBytes: await bytes(Folder.manifests),
      ...core.catalog.totals(),
    };
  }

  sideBySide(count: number): Repository[] {
    this.core.pool.shareAmong(count);
    return [this, ...Array.from({ length: Math.max(0, count - 1) }, this.#another)];
  }

  sessions(): Promise<SessionInfo[]> {
    return describeSessions(this.core);
  }

  endSession(id: string): Promise<SessionInfo> {
    return endSession(this.core, id);
  }

  async listKeys(): Promise<KeyInfo[]> {
    return this.#requireKeys().list();
  }

  async addKey(passphrase: string, label: string): Promise<KeyInfo> {
    return this.#requireKeys().add(passphrase, label);
  }

  async removeKey(id: string): Promise<string> {
    return this.#requireKeys().remove(id);
  }

  listingProblems(): Damage[] {
    return [...this.core.problems, ...this.core.manifests.problems()];
  }

  catalogDifferences(): Damage[] {
    return [...this.core.manifests.differences.values()];
  }

  clock(): ClockFacts {
    const { environment, memory, sessions } = this.core;
    const now = environment.now();
    const known = memory?.clock ?? null;
    const before = known?.last ?? null;
    return { now, believed: believedTime(known, now), before, storageAhead: sessions.storageAhead };
  }

  rememberClock(): void {
    const { environment, memory } = this.core;
    const now = environment.now();
    const known = memory?.clock ?? null;
    // A write takes milliseconds: none for what changes nothing.
    if (known === null || Math.abs(now - known.last) > CLOCK_NOTED_MS) memory?.noteClock(rememberClock(known, now));
  }

  unexpectedPoints(): UnexpectedPoint[] {
    return this.core.watch.unexpected();
  }

  returnedPoints(): ReturnedPoint[] {
    return this.core.watch.returned();
  }

  get placeProblem(): string | null {
    return this.core.placeDoubts[0]?.message ?? null;
  }

  async requireCertainty(options: { goOn?: boolean } = {}): Promise<Doubt[]> {
    const certainty = new Certainty(this.core, options);
    try {
      await certainty.require();
    } catch (error) {
      throw asDoubt(error, this.location);
    }
    return certainty.doubts;
  }

  async acceptUnexpectedPoints(): Promise<UnexpectedPoint[]> {
    const accepted = await acceptRemoved(this.core);
    this.#acceptPlace?.();
    this.core.placeDoubts = [];
    return accepted;
  }

  /**
   * @param message that another repository lay here.
   * @param accept to be called when a person says that this is fine
   */
  notePlace(message: string, accept: () => void): void {
    this.core.placeDoubts = [{ kind: 'place', path: CONFIG_NAME, message }];
    this.#acceptPlace = accept;
  }

  #requireKeys(): KeyStore {
    if (this.#keyStore !== null) return this.#keyStore;
    throw new HvError('REPOSITORY_NOT_ENCRYPTED', `The repository ${this.location} is not encrypted: it has no keys`, {
      advice: 'A repository is created encrypted or not, and stays so. Create another one with a passphrase.',
      data: { location: this.location },
    });
  }

  async close(): Promise<void> {
    this.#release();
    this.core.watch.flush();
    this.core.memory?.close();
    if (this.#first) await this.core.pool.close();
    this.core.catalog.close();
    if (this.#first) await this.core.storage.close();
  }
}

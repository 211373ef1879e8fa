/**
 * What operations ask of a repository. Content is addressed by blocks of the repository's block size; what a disk, a VM
 * or a host is, the repository does not know: a manifest carries an opaque, schema-checked body.
 */

import type { BlockDevice } from '../../disk/device.ts';
import type { OperationContext } from '../../support/progress.ts';
import type { ForeignEntry } from '../storage/foreign-names.ts';
import type { Doubt } from './doubt.ts';

/** Names one stored content (a disk, a configuration file): the root of its hash tree. */
export interface ContentRef {
  /** Bytes. */
  size: number;
  /** Levels of the tree: 0 = root is a block id; null root = all zeros. */
  height: number;
  /** 64 hex digits, or null when everything is zero. */
  root: string | null;
}

export type CompressionLevel = 'fast' | 'default' | 'strong';

export interface ContentStats {
  /** Bytes stored for this content: block records and node records, headers included. */
  newBytes: number;
  /** Of these, the tree nodes. */
  nodeBytes: number;
  /** Blocks handed in that were not zero. */
  dataBlocks: number;
  /** Of these, the ones that had to be stored. */
  newBlocks: number;
  zeroBlocks: number;
}

/** Fills `buffer` with the content of the block run it was asked for. */
export type FillBlocks = (buffer: Buffer) => Promise<void>;

/** Parts of a block that changed since the base; everything else of it is as it was. */
export interface BlockPatch {
  index: number;
  /** Of the content, bytes; ascending, within the block. */
  ranges: readonly { offset: number; length: number }[];
}

/** Fills `target` with the content at `offset`, bytes. */
export type ReadContent = (offset: number, target: Buffer) => Promise<void>;

/** Builds one content, over a base when given: only what is handed in changes. */
export interface ContentWriter {
  /**
   * Blocks `indices` (strictly ascending, also from call to call); `fill` gets indices.length × blockSize bytes and
   * fills them in that order (the last block of the content zero-padded). Returns as soon as the buffer is filled and
   * handed on: reading, hashing, compressing and storing overlap. At most `maxRun` blocks a call.
   */
  write(indices: readonly number[], fill: FillBlocks): Promise<void>;
  /**
   * Blocks of which only parts changed, ascending as in write(). What is read of them is what it takes: the changed
   * pages as a rule, the whole block where no delta can be made. Returns when all is handed on.
   * @param read may be called, also several times at once, until finish() or drain() is over
   */
  patch(patches: readonly BlockPatch[], read: ReadContent): Promise<void>;
  /** Blocks [first, first+count) are zeros. */
  zero(first: number, count: number): Promise<void>;
  /** Waits for everything in flight. The content is durable only once the session published something that names it. */
  finish(): Promise<{ ref: ContentRef; stats: ContentStats }>;
  /**
   * Waits until nothing is in flight any more, whatever became of it. Afterwards nothing can be handed in. Idempotent.
   */
  drain(): Promise<void>;
}

export interface SessionOptions extends OperationContext {
  compression?: CompressionLevel;
  /** Shown to other machines: who writes. */
  owner?: string;
}

/** One writer's work: sessions of several machines may run at once and never overwrite each other. */
export interface WriteSession {
  readonly id: string;
  /** Largest number of blocks one write() takes. */
  readonly maxRun: number;
  /**
   * Blocks of `base` that no sound record holds any more, ascending. An incremental that hands them in too, from the
   * disk as it is now, has them whole again. Costs nothing unless damage is known or packs are missing.
   * @throws REPOSITORY_DAMAGED when the block map cannot be read: nothing can be built on it
   */
  damagedBlocks(base: ContentRef): Promise<number[]>;
  /** @param base content to build over; must have the same size rules as the repository (any size is allowed) */
  openContent(size: number, base?: ContentRef): Promise<ContentWriter>;
  /**
   * blocks durable → index durable → manifest published (put-if-absent). Before: renew the session, re-read indexes and
   * deletion marks, store again what is marked or gone. After it returns, the point is listed and restorable. One that
   * lies there and cannot be read is replaced.
   * @param options.revive takes the tombstone of an earlier removal back, once the manifest is durable
   * @returns bytes of the manifest and of the indexes published by this session so far
   * @throws REPOSITORY_SESSION_EXPIRED, DISK_FULL; REPOSITORY_DAMAGED with `storesAnew` in its data when packs that
   *   were relied on turn out to be gone or unreadable: that is recorded, and another session stores anew what was in
   *   them
   */
  publish(
    manifest: ManifestEnvelope,
    options?: { revive?: boolean },
  ): Promise<{ manifestBytes: number; indexBytes: number }>;
  /**
   * Makes durable what was stored, without a restore point: of contents that are listed already and had lost it. It
   * stays while a listed restore point needs it.
   */
  keep(): Promise<void>;
  /** Ends the session. What was stored without a manifest stays and is found by the next backup (not damage). */
  close(): Promise<void>;
}

/** The part of a manifest the repository understands. `body` is the operations' own. */
export interface ManifestEnvelope {
  /** Restore point id: ULID, the time in it is what its writer's clock said. */
  id: string;
  /** Group for listing and retention: the VM id. */
  group: string;
  createdAt: string;
  /** Its place among those of its group (point-order.ts); absent in what older software wrote. */
  sequence?: number;
  /** Every content the restore point needs; prune keeps what is reachable from here. */
  contents: ContentRef[];
  body: unknown;
}

/** What a restore point's place in the order follows from (point-order.ts): parts of its manifest. */
export type PointPlace = Pick<ManifestEnvelope, 'id' | 'createdAt' | 'sequence'>;

/** What is known of this machine's clock without believing it. */
export interface ClockFacts {
  /** What it says, ms since 1970. */
  now: number;
  /** The latest date that is no future one: `now`, unless the clock has jumped and is not believed yet. */
  believed: number;
  /** What it said when this machine last wrote to the repository; null: never, or nothing is remembered. */
  before: number | null;
  /** How far the storage's clock is ahead of it, ms; null until something was written, and where it cannot be asked. */
  storageAhead: number | null;
}

/** Something derived from a manifest; the repository keeps it beside the manifest on this machine. */
export interface ManifestDigest<T> {
  /** Names what is derived, and how: another way needs another name. */
  kind: string;
  /** @returns what JSON can hold */
  make(manifest: ManifestEnvelope): T;
  /** What it can be found by without looking at all the others. */
  key?(value: T): string;
}

export interface DigestOptions {
  group?: string;
  /** Leaves out ids up to this one. */
  after?: string;
  /** At most so many. */
  limit?: number;
  /** Only those of this key, in any group. */
  key?: string;
  /** Goes on without a manifest that cannot be read; without it the first one is thrown. */
  onDamage?: (damage: Damage) => void;
}

export interface Damage {
  /** `config`, `manifest`, `index`, `pack`, `node`, `block`, … */
  object: string;
  /** Path of the object within the repository. */
  path: string;
  /** Byte offset in the object where known. */
  offset?: number;
  /** Block or node id where known. */
  id?: string;
  message: string;
}

/** Content of a restore point as a device, plus the fast sequential way through it. */
export interface ContentReader extends BlockDevice {
  readonly ref: ContentRef;
  /**
   * All non-zero block runs in ascending order, decoded and hash-checked ahead of the consumer by worker threads.
   * Each `data` is valid until the next iteration, or with `keep` until that many more were asked for.
   * @throws REPOSITORY_DAMAGED with object, offset and disk offset in its data; with `onDamage` it goes on instead
   */
  stream(options?: {
    signal?: AbortSignal;
    keep?: number;
    onDamage?: (damage: Damage, offset: number, length: number) => void;
  }): AsyncIterable<{
    offset: number;
    data: Buffer;
  }>;
}

/**
 * A restore point that is not as this machine last saw it: it is gone and nobody entitled to has removed it, or it is
 * back after its removal (docs/format.md §9).
 */
export interface StrayPoint {
  id: string;
  /** Of its manifest, below `manifests/`. */
  folder: string;
  /** Null when its manifest told none. */
  vmName: string | null;
  createdAt: string;
  state: 'gone' | 'back';
  /** There is a tombstone, and it was not written with the key of this repository. */
  forged: boolean;
}

/** A removed restore point that a copy brought back. */
export type ReturnedPoint = Pick<StrayPoint, 'id' | 'vmName' | 'createdAt'>;

/** A passphrase of an encrypted repository. */
export interface KeyInfo {
  /** 32 hex digits. */
  id: string;
  /** Null when its object cannot be read. */
  createdAt: string | null;
  /** For people. */
  label: string;
  /** The repository was opened with it. */
  current: boolean;
  /** What is wrong with its object. */
  problem?: string;
}

/** Somebody at work in the repository. */
export interface SessionInfo {
  id: string;
  kind: 'backup' | 'prune' | 'keys' | 'read';
  owner: string;
  machine: string;
  /** Number of its process there. */
  process: number;
  /** Whether it is of this machine since its last start. */
  local: boolean;
  state: 'active' | 'expired' | 'dead';
  /** Null when its object cannot be read. */
  createdAt: string | null;
  expiresAt: string | null;
  /** Ids of restore points that it reads. */
  points: string[];
}

/** A restore point was removed on purpose. */
export interface Tombstone {
  /** Id of the restore point. */
  point: string;
  group: string;
  removedAt: string;
  /** The machine that removed it. */
  by: string;
  /** For people: `removed by hand`, `retention`, … */
  reason: string;
  /**
   * It was not removed: this session had announced it when it was taken for over, and whatever it publishes late does
   * not count.
   */
  late?: string;
}

/** What a reader names of a restore point so that it stays. */
export type PinnablePoint = Pick<ManifestEnvelope, 'id' | 'group' | 'contents'>;

export interface PinOptions {
  /** For people on other machines: who reads, and what for. */
  owner: string;
  warn?: (message: string) => void;
}

/**
 * Restore points in use by a reader. What their contents need stays in the repository until end(), also when they are
 * removed meanwhile. Renewed in the background; ends with the process.
 */
export interface ReaderPin {
  /** Ids of those that were not listed any more when the others were protected: nothing of them may be relied on. */
  readonly gone: ReadonlySet<string>;
  /** False on storage that cannot be written: nothing keeps others from deleting what is read. */
  readonly protects: boolean;
  /** Extends it when half of its life is over; after a long sleep it begins anew, and `gone` may grow. */
  renew(): Promise<void>;
  /** Who removed which of them by now. */
  removed(): Promise<Tombstone[]>;
  /** Idempotent. */
  end(): Promise<void>;
}

/** A restore point of which it cannot be known what it needs: as long as it is there prune gives no space back. */
export interface BlockedPoint {
  /** Null for one that a running backup builds on. */
  pointId: string | null;
  /** Null when nobody knows. */
  vmName: string | null;
  /** Of its manifest. */
  path: string;
  message: string;
}

export interface PruneResult {
  /** Bytes given back now. */
  freedBytes: number;
  /** Bytes that will be given back by a later prune, because a writer or reader is at work or marks are young. */
  pendingBytes: number;
  packsDeleted: number;
  packsRewritten: number;
  /** What kept it from giving space back; then nothing was deleted. */
  blocked: BlockedPoint[];
}

export interface RepositoryStats {
  points: number;
  packs: number;
  packBytes: number;
  /**
   * Of packBytes: in packs of blocks, in packs of nodes, and in packs that no index names: of a running or dead writer.
   */
  blockPackBytes: number;
  nodePackBytes: number;
  unindexedPackBytes: number;
  indexBytes: number;
  manifestBytes: number;
  /** Unique block records and their decoded size. */
  blocks: number;
  blockBytes: number;
  nodes: number;
}

export interface VerifyOptions extends OperationContext {
  /** Check only this share of the blocks, percent; all nodes are read all the same. */
  samplePercent?: number;
  /**
   * Called once for each damaged record, with places that need it (index into `contents`, bytes), at most 100, and the
   * number of further ones.
   */
  onDamage?: (damage: Damage, places: { content: number; offset: number; length: number }[], more: number) => void;
  /** When damage was found: what each content loses. */
  onLoss?: OnLoss;
}

/** Told of every range that a content loses, coalesced, ascending: index into `contents`, bytes. */
export type OnLoss = (content: number, offset: number, length: number) => void;

export interface RepairResult {
  /** Objects looked at: indexes, packs, damage records, sessions and marks. */
  objects: number;
  /** Indexes published for packs that none named. */
  indexesWritten: number;
  /** Packs that are named by an index again. */
  packsIndexed: number;
  /** Unreadable objects that were put aside, by their old paths; their bytes are kept below `quarantine/`. */
  quarantined: string[];
  /** Objects that were written back from a second copy, or copied to one, by their paths. */
  restored: string[];
  /**
   * Ids of restore points whose manifests were lost or unreadable, and are written back from the ledger or from what
   * this machine knows.
   */
  restoredPoints: string[];
  /** Packs that did not read as packs: what they held is stored anew in others. */
  packsRewritten: number;
  /** Paths of small records that could not be read and were written anew. */
  rewritten: string[];
  /** Records that were called damaged and read fine again. */
  healed: number;
  /** What stays damaged and this could not mend. */
  damages: Damage[];
  /** Further ones that are not in the list. */
  moreDamages: number;
}

/** A small record that is neither content nor manifest: chain records and the crash journal. JSON, put-if-absent. */
export interface RecordStore {
  /** @param path for instance `chains/<vm>/00000001`; @throws FILE_EXISTS when it is there already */
  put(path: string, value: unknown): Promise<void>;
  /** @returns null when absent */
  get(path: string): Promise<unknown>;
  /** Paths below `prefix`, ascending. */
  list(prefix: string): Promise<string[]>;
  /** Makes a record durable that was seen: whoever put it may have died before it was. */
  settle(path: string): Promise<void>;
  /** Best effort: append-only storage may refuse. @returns whether it is gone */
  delete(path: string): Promise<boolean>;
}

export interface Repository {
  readonly id: string;
  readonly location: string;
  /** Bytes, a power of two. */
  readonly blockSize: number;
  readonly formatVersion: number;
  readonly createdAt: string;
  readonly encrypted: boolean;
  readonly records: RecordStore;
  /**
   * Restore points in their order (point-order.ts), the oldest first; all groups when none is given.
   * @param options.fresh reads each from the storage. Without it most come from this machine's catalog: good enough to
   *   list them, not to build on, nor to give their content away
   */
  listManifests(
    group?: string,
    options?: { onDamage?: (damage: Damage) => void; fresh?: boolean },
  ): Promise<ManifestEnvelope[]>;
  /** The order alone, of one group: manifests are read for it only once on a machine. */
  listOrder(group: string, options?: { onDamage?: (damage: Damage) => void }): Promise<PointPlace[]>;
  /** Manifests of a group that were listed; one that is gone since is left out. */
  readManifests(
    group: string,
    ids: readonly string[],
    options?: { onDamage?: (damage: Damage) => void },
  ): Promise<ManifestEnvelope[]>;
  /** What `digest` makes of each restore point, ascending by id; manifests are read for it only once. */
  listDigests<T>(digest: ManifestDigest<T>, options?: DigestOptions): Promise<T[]>;
  /**
   * Reads it from the storage.
   * @param id full id or a unique prefix of at least 4 characters;
   * @throws POINT_NOT_FOUND, POINT_AMBIGUOUS
   */
  readManifest(id: string): Promise<ManifestEnvelope>;
  /**
   * A restore point that was listed, as the storage has it.
   * @throws FILE_NOT_FOUND when it was removed since, REPOSITORY_DAMAGED
   */
  readStored(listed: ManifestEnvelope): Promise<ManifestEnvelope>;
  /**
   * @returns the full id; the manifest need not be readable.
   * @param id as in readManifest().
   * @throws as readManifest()
   */
  findPoint(id: string): Promise<string>;
  /** Whether anything that restore points may need is known to be damaged, or packs are missing: two listings. */
  knowsDamage(): Promise<boolean>;
  beginSession(options?: SessionOptions): Promise<WriteSession>;
  /**
   * Protects what is about to be read against removal and prune. To be called before the first byte is read, with the
   * manifests as they were listed.
   */
  pin(points: readonly PinnablePoint[], options: PinOptions): Promise<ReaderPin>;
  openContent(ref: ContentRef): Promise<ContentReader>;
  /**
   * Ranges (bytes, block-aligned but for the end, ascending, coalesced) in which `content` differs from `base`. Reads
   * only what the two do not share.
   * @throws USAGE when their sizes differ, REPOSITORY_DAMAGED
   */
  differences(base: ContentRef, content: ContentRef): AsyncIterable<{ offset: number; length: number }>;
  /**
   * Unpublishes a restore point: its tombstone is durable before its manifest is deleted. Afterwards it is not listed.
   * Space comes back by prune().
   * @param options.reason for the tombstone
   * @param options.confirm asked between the two: when it throws, the restore point stays
   */
  removeManifest(id: string, options?: { reason?: string; confirm?: () => Promise<void> }): Promise<void>;
  /**
   * Puts the tombstone of a restore point whose manifest was deleted before there was room for it.
   * @param id full id
   */
  finishRemoval(id: string, reason: string): Promise<void>;
  /**
   * Makes a listed restore point durable that somebody else may have named and not flushed, before it is reported as
   * being there. @throws POINT_NOT_FOUND
   */
  settlePoint(id: string): Promise<void>;
  /** Whether, by whom and why a restore point was removed. @param id full id */
  tombstone(id: string): Promise<Tombstone | null>;
  /**
   * Gives back the space of everything no manifest reaches. Safe beside writers; safe to kill.
   * @param options.without with dryRun: ids of restore points to be thought away
   * @param options.finish whether a removal that was cut short, its tombstone there and its manifest too, is to be
   *   finished; where it says no the restore point stays unlisted and its space in use. All are finished when absent
   * @param options.overrideDoubt deletes though something is in doubt: a person has said that nothing is missing
   * @throws REPOSITORY_DOUBTFUL, REPOSITORY_DAMAGED: nothing was deleted then
   */
  prune(
    options?: OperationContext & {
      dryRun?: boolean;
      without?: ReadonlySet<string>;
      finish?: (tombstone: Tombstone) => boolean;
      overrideDoubt?: boolean;
    },
  ): Promise<PruneResult>;
  /**
   * Makes the reserve that is given up when the storage is full, where one is worth it and there is room. Never fails.
   */
  keepReserve(): Promise<void>;
  /** Room on the volume it lies on, bytes; null when that cannot be asked. */
  freeBytes(): Promise<number | null>;
  /**
   * Whether anything keeps restore points and space from being deleted (docs/format.md §6). prune() asks by itself,
   * again and again.
   * @returns what is in doubt, when `goOn` says that this is to be told and not thrown
   * @throws REPOSITORY_DOUBTFUL
   */
  requireCertainty(options?: { goOn?: boolean }): Promise<Doubt[]>;
  /**
   * Reads and hash-checks what `contents` need, each stored record once however many contents share it.
   * @returns verifiedBytes: of the contents, shared ones counted once; readBytes: of the storage
   */
  verify(
    contents: readonly ContentRef[],
    options?: VerifyOptions,
  ): Promise<{ verifiedBytes: number; readBytes: number }>;
  /** Structure: every manifest, index, node and pack header decodes and refers to something that is there. */
  check(options?: OperationContext): Promise<{ damages: Damage[]; moreDamages: number; objects: number }>;
  /**
   * What `contents` lose, as far as structure and known damage tell: reads block maps, no blocks.
   * @throws IO_ERROR when the storage itself fails
   */
  losses(contents: readonly ContentRef[], options: { signal?: AbortSignal; onLoss: OnLoss }): Promise<void>;
  /**
   * Makes whole what can be made from the packs alone: the catalog is loaded anew, packs that no index names are
   * indexed, unreadable indexes, sessions and marks are put aside, damage records of what reads fine again are dropped.
   * Deletes nothing else. Safe beside writers; safe to kill.
   * @throws REPOSITORY_BUSY when a prune or repair is at work
   */
  repair(options?: OperationContext & { dryRun?: boolean }): Promise<RepairResult>;
  /**
   * Takes small records over from a copy of this repository's folder, where they are gone or cannot be read here.
   * @param paths of objects. @returns those that were taken over
   */
  takeRecords(from: Repository, paths: readonly string[]): Promise<string[]>;
  /** What others left in the repository's folders, and what only resembles an object that is not there. */
  foreignNames(): Promise<ForeignEntry[]>;
  stats(): Promise<RepositoryStats>;
  /**
   * Handles for `count` pieces of work at once, this one among them: they share worker threads and the memory that one
   * would use, and know nothing of each other else. The others are to be closed before this one.
   */
  sideBySide(count: number): Repository[];
  /** Who is at work, oldest first; with those that died or expired. */
  sessions(): Promise<SessionInfo[]>;
  /**
   * Ends a session of a process that nobody will hear of again; should it live, it gives up.
   * @param id full id or a unique beginning. @throws SESSION_NOT_FOUND, SESSION_IN_USE of a process at work on this
   *   machine
   */
  endSession(id: string): Promise<SessionInfo>;
  /** Passphrases, oldest first. @throws REPOSITORY_NOT_ENCRYPTED */
  listKeys(): Promise<KeyInfo[]>;
  /**
   * @param label for people: who, where.
   * @throws REPOSITORY_NOT_ENCRYPTED, USAGE, KEY_EXISTS for a passphrase that opens it already
   */
  addKey(passphrase: string, label: string): Promise<KeyInfo>;
  /** @returns the full id. @throws REPOSITORY_NOT_ENCRYPTED, KEY_NOT_FOUND, KEY_IN_USE, REPOSITORY_BUSY */
  removeKey(id: string): Promise<string>;
  /** What listings since the repository was opened had to do without, because it cannot be read. */
  listingProblems(): Damage[];
  /** Manifests of which this machine's catalog was found to say something else than the repository. */
  catalogDifferences(): Damage[];
  clock(): ClockFacts;
  /** Remembers what the clock says, for the commands that follow. */
  rememberClock(): void;
  /** Restore points that are not as this machine knew them, among what was listed since the repository was opened. */
  strayPoints(): StrayPoint[];
  /**
   * Restore points that this machine knew as removed and that were published again since, among what was listed. Said
   * once.
   */
  returnedPoints(): ReturnedPoint[];
  /** That another repository lay here when this machine was here last; null when none did. */
  readonly placeProblem: string | null;
  /**
   * Lists all restore points and takes them from now on as they are: those that are gone get a tombstone, so that it
   * counts for every machine. @returns what was stray
   */
  acceptStrayPoints(): Promise<StrayPoint[]>;
  /** Why this machine cannot tell stray points; null when it can. */
  readonly memoryProblem: string | null;
  close(): Promise<void>;
}

/** Restore points: listed, read, removed, and missed. */
import type { ContentRef } from './contents.ts';
import type { Damage } from './damage.ts';

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

/**
 * A restore point that is not as this machine last saw it: it is missing without a valid removal, or it is
 * back after its removal (docs/format.md §9).
 */
export interface UnexpectedPoint {
  id: string;
  /** Of its manifest, below `manifests/`. */
  folder: string;
  /** Null when its manifest had none. */
  vmName: string | null;
  createdAt: string;
  state: 'gone' | 'back';
  /** There is a tombstone, and it was not written with the key of this repository. */
  forged: boolean;
}

/** A removed restore point that a copy brought back. */
export type ReturnedPoint = Pick<UnexpectedPoint, 'id' | 'vmName' | 'createdAt'>;

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

/** Restore points of a repository. */
export interface Points {
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
   * Makes a listed restore point durable that another process may have named and not flushed, before it is reported as
   * being there. @throws POINT_NOT_FOUND
   */
  settlePoint(id: string): Promise<void>;
  /** Whether, by whom and why a restore point was removed. @param id full id */
  tombstone(id: string): Promise<Tombstone | null>;
  /** What listings since the repository was opened had to do without, because it cannot be read. */
  listingProblems(): Damage[];
  /** Manifests of which this machine's catalog was found to say something else than the repository. */
  catalogDifferences(): Damage[];
  /** Restore points that are not as this machine knew them, among what was listed since the repository was opened. */
  unexpectedPoints(): UnexpectedPoint[];
  /**
   * Restore points that this machine knew as removed and that were published again since, among what was listed. Said
   * once.
   */
  returnedPoints(): ReturnedPoint[];
  /**
   * Lists all restore points and takes them from now on as they are: those that are gone get a tombstone, so that it
   * counts for every machine. @returns what was missing or had reappeared
   */
  acceptUnexpectedPoints(): Promise<UnexpectedPoint[]>;
  /** That another repository lay here when this machine was here last; null when none did. */
  readonly placeProblem: string | null;
  /** Why this machine cannot recognize missing or reappeared points; null when it can. */
  readonly memoryProblem: string | null;
}

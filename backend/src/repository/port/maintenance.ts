/** Space, structure and damage. */
import type { OperationContext } from '../../support/progress.ts';
import type { ForeignEntry } from '../storage/foreign-names.ts';
import type { ContentRef } from './contents.ts';
import type { Damage, OnLoss } from './damage.ts';
import type { Doubt } from './doubt.ts';
import type { Tombstone } from './points.ts';

/** A restore point of which it cannot be known what it needs: as long as it is there prune gives no space back. */
export interface BlockedPoint {
  /** Null for one that a running backup builds on. */
  pointId: string | null;
  /** Null when unknown. */
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

export interface RepairResult {
  /** Objects looked at: indexes, packs, damage records, sessions and marks. */
  objects: number;
  /** Indexes published for packs that none named. */
  indexesWritten: number;
  /** Packs that are named by an index again. */
  packsIndexed: number;
  /** Unreadable objects that were quarantined, by their old paths; their bytes are kept below `quarantine/`. */
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
  /** What stays damaged and could not be repaired. */
  damages: Damage[];
  /** Further ones that are not in the list. */
  moreDamages: number;
}

/** What keeps a repository small and sound. */
export interface Maintenance {
  /**
   * Gives back the space of everything no manifest reaches. Safe beside writers; safe to kill.
   * @param options.without with dryRun: ids of restore points to be excluded
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
   * @returns what is in doubt, when `goOn` asks for it to be returned instead of thrown
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
   * What `contents` lose, as far as structure and known damage show: reads block maps, no blocks.
   * @throws IO_ERROR when the storage itself fails
   */
  losses(contents: readonly ContentRef[], options: { signal?: AbortSignal; onLoss: OnLoss }): Promise<void>;
  /** Whether anything that restore points may need is known to be damaged, or packs are missing: two listings. */
  knowsDamage(): Promise<boolean>;
  /**
   * Makes whole what can be made from the packs alone: the catalog is loaded anew, packs that no index names are
   * indexed, unreadable indexes, sessions and marks are quarantined, damage records of what reads fine again are
   * dropped. Deletes nothing else. Safe beside writers; safe to kill.
   * @throws REPOSITORY_BUSY when a prune or repair is at work
   */
  repair(options?: OperationContext & { dryRun?: boolean }): Promise<RepairResult>;
  /** What others left in the repository's folders, and what only resembles an object that is not there. */
  foreignNames(): Promise<ForeignEntry[]>;
  stats(): Promise<RepositoryStats>;
}

/**
 * What a machine remembers of a repository: unlike the catalog it cannot be loaded again, it is what the repository is
 * held against (docs/format.md §9). Synchronous, like the catalog.
 */
import type { ClockMemory } from '../../support/clock.ts';
import type { ManifestEnvelope } from './points.ts';

/** A restore point whose manifest was read or written here once. */
export interface RememberedPoint {
  id: string;
  /** Folder of its manifest below `manifests/`. */
  folder: string;
  /** Null when its manifest has none. */
  vmName: string | null;
  createdAt: string;
  /** It is known to be gone: validly removed, or accepted by a person. */
  gone: boolean;
  /**
   * Of one that is gone: how often its ledger said by then that it was published; 0 or absent where it was not counted.
   */
  publications?: number;
}

export interface Memory {
  /** What is wrong with the memory itself; null when nothing is. */
  readonly problem: string | null;
  /** Whether the repository was encrypted when it was first opened; null before. */
  readonly encrypted: boolean | null;
  rememberEncryption(encrypted: boolean): void;
  /** Of this machine's own clock, as it was when it last wrote to the repository; null before. */
  readonly clock: ClockMemory | null;
  noteClock(clock: ClockMemory): void;
  /** Another one whenever it had to begin anew. */
  readonly token: string;
  /** All that is remembered of one folder, or of all. */
  points(folder?: string): RememberedPoint[];
  /** How many points are to be there, by folder. */
  folders(): Map<string, number>;
  /** Adds or replaces; durable when it returns. */
  remember(points: readonly RememberedPoint[]): void;
  /** The VM's name, as the writer of the manifest spelled it; null when it has none. */
  vmNameOf(manifest: ManifestEnvelope): string | null;
  close(): void;
}

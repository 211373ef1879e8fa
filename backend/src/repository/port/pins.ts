/** Restore points in use by a reader. */
import type { ManifestEnvelope, Tombstone } from './points.ts';

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

/** What a session says of itself (docs/format.md §6). */

export interface SessionDocument {
  id: string;
  /** `read` only protects what it reads. */
  kind: 'backup' | 'prune' | 'keys' | 'read';
  owner: string;
  machine: string;
  process: { pid: number; start: string };
  createdAt: string;
  expiresAt: string;
  /** The machine that fenced it: its writer can neither renew it nor publish any more. */
  fencedBy?: string;
  /** When, by its clock, and by that of the storage where it has one. */
  fencedAt?: string;
  fencedStorageTime?: string;
  /** A person ended it. */
  fencedByHand?: boolean;
}

/** A restore point that a session was about to publish. */
export interface AnnouncedPoint {
  id: string;
  group: string;
}

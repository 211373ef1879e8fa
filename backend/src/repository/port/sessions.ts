/** Who is at work in a repository, for people. */

/** A process at work in the repository. */
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

/** Sessions, listed and ended by hand. */
export interface Sessions {
  /** Who is at work, oldest first; with those that died or expired. */
  sessions(): Promise<SessionInfo[]>;
  /**
   * Ends a session of a process that is gone for good; should it live, it gives up.
   * @param id full id or a unique beginning. @throws SESSION_NOT_FOUND, SESSION_IN_USE of a process at work on this
   *   machine
   */
  endSession(id: string): Promise<SessionInfo>;
}

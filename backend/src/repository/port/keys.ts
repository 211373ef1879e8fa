/** Passphrases of an encrypted repository. */

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

/** Passphrases, added and removed. */
export interface Keys {
  /** Passphrases, oldest first. @throws REPOSITORY_NOT_ENCRYPTED */
  listKeys(): Promise<KeyInfo[]>;
  /**
   * @param label for people: who, where.
   * @throws REPOSITORY_NOT_ENCRYPTED, USAGE, KEY_EXISTS for a passphrase that opens it already
   */
  addKey(passphrase: string, label: string): Promise<KeyInfo>;
  /** @returns the full id. @throws REPOSITORY_NOT_ENCRYPTED, KEY_NOT_FOUND, KEY_IN_USE, REPOSITORY_BUSY */
  removeKey(id: string): Promise<string>;
}

/** Small records that are neither content nor manifest. */

/** A small record that is neither content nor manifest: chain records and the crash journal. JSON, put-if-absent. */
export interface RecordStore {
  /** @param path for instance `chains/<vm>/00000001`; @throws FILE_EXISTS when it is there already */
  put(path: string, value: unknown): Promise<void>;
  /** @returns null when absent */
  get(path: string): Promise<unknown>;
  /** Paths below `prefix`, ascending. */
  list(prefix: string): Promise<string[]>;
  /** Makes a record durable that was seen: its writer may have died before it was. */
  settle(path: string): Promise<void>;
  /** Best effort: append-only storage may refuse. @returns whether it is gone */
  delete(path: string): Promise<boolean>;
}

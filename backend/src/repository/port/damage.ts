/** What is damaged, and what a content loses by it. */

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

/** Called for every range that a content loses, coalesced, ascending: index into `contents`, bytes. */
export type OnLoss = (content: number, offset: number, length: number) => void;

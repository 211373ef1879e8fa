/**
 * How large a document may be (docs/format.md §2.2). Anyone who can write to a repository must not be able to exhaust
 * the memory of who reads it, so each kind has a limit of its own, and none expands by much more than JSON of ours
 * does.
 */
import { Folder, isMarkBase, isMarkPacks, isReadPin } from './names.ts';

const KIB = 1024;
const MIB = 1024 * KIB;

/** Length of the JSON text at most, bytes, by what the object's name says it is. The first that fits counts. */
const LIMITS: readonly (readonly [isOfKind: (name: string) => boolean, limit: number])[] = [
  [(name) => name.startsWith(Folder.manifests), 16 * MIB],
  // Around the copy of a manifest.
  [(name) => name.startsWith(Folder.ledger), 16 * MIB + 64 * KIB],
  // 35 bytes a pack.
  [isMarkPacks, 64 * MIB],
  // References to contents of restore points: of one, and of all that a reader reads.
  [isMarkBase, 16 * MIB],
  [isReadPin, 64 * MIB],
  // Chain records, crash journals, sessions, holds, tombstones, damage records, …
  [() => true, MIB],
];

/** Bytes: what a document may have however well it is compressed. */
const ALWAYS = 64 * KIB;
/** JSON of ours gets ten to twenty times smaller at the best. */
const EXPANSION = 64;

/** Length of the JSON text of the document `name` at most, bytes. */
export const textLimit = (name: string): number => LIMITS.find(([isOfKind]) => isOfKind(name))![1];

/** Length of the whole object at most, bytes. */
export const objectLimit = (name: string): number => textLimit(name) + 4 * KIB;

/** Whether a payload of `stored` bytes may hold `length` bytes of text. */
export const mayExpand = (stored: number, length: number): boolean => length <= ALWAYS + EXPANSION * stored;

/**
 * How large a document may be (docs/format.md §2.2). Whoever can write to a repository must not be able to exhaust the
 * memory of who reads it, so each kind has a limit of its own, and none expands by much more than JSON of ours does.
 */

const KIB = 1024;
const MIB = 1024 * KIB;

/** Length of the JSON text at most, bytes, by the beginning of the object's name. The first that fits counts. */
const LIMITS: readonly (readonly [kind: RegExp, limit: number])[] = [
  [/^manifests\//, 16 * MIB],
  // Around the copy of a manifest.
  [/^ledger\//, 16 * MIB + 64 * KIB],
  // 35 bytes a pack.
  [/^marks\/[^/]+\/packs$/, 64 * MIB],
  // References to contents of restore points: of one, and of all that a reader reads.
  [/^marks\/[^/]+\/base-/, 16 * MIB],
  [/^sessions\/[^/]+\/read-/, 64 * MIB],
  // Chain records, crash journals, sessions, holds, tombstones, damage records, …
  [/^/, MIB],
];

/** Bytes: what a document may have however well it is compressed. */
const ALWAYS = 64 * KIB;
/** JSON of ours gets ten to twenty times smaller at the best. */
const EXPANSION = 64;

/** Length of the JSON text of the document `name` at most, bytes. */
export const textLimit = (name: string): number => LIMITS.find(([kind]) => kind.test(name))![1];

/** Length of the whole object at most, bytes. */
export const objectLimit = (name: string): number => textLimit(name) + 4 * KIB;

/** Whether a payload of `stored` bytes may hold `length` bytes of text. */
export const mayExpand = (stored: number, length: number): boolean => length <= ALWAYS + EXPANSION * stored;

/** Keys linked to a tree. Every key must hang below the root: circles and orphans are damage. */
import { corrupt, unsupported } from './errors.ts';
import { LIMITS } from './format/constants.ts';
import type { KeyRecord } from './read-keys.ts';

export interface TreeKey {
  record: KeyRecord;
  /** By order of insertion; empty for values. */
  children: TreeKey[];
  /** The children by name, made when first needed. */
  byName?: Map<string, TreeKey[]>;
}

/** The children of `name`; hostile files have many siblings, so no search goes through them all. */
export function childrenNamed(parent: Pick<TreeKey, 'children' | 'byName'>, name: string): TreeKey[] {
  parent.byName ??= Map.groupBy(parent.children, (key) => key.record.name);
  return parent.byName.get(name) ?? [];
}

/** Keys name their parent by table and offset: 16 and 32 bits, together a safe integer. */
const placeOf = (table: number, offset: number): number => table * 2 ** 32 + offset;
const ROOT = placeOf(0, 0);

/** @returns the children of the root. @throws CONFIGURATION_CORRUPT, CONFIGURATION_UNSUPPORTED when it is too deep */
export function linkTree(path: string, records: KeyRecord[]): TreeKey[] {
  const top: TreeKey[] = [];
  const keys = records.map((record): TreeKey => ({ record, children: [] }));
  const nodes = new Map<number, TreeKey[]>([[ROOT, top]]);
  for (const { record, children } of keys) {
    if (record.type === 'node') nodes.set(placeOf(record.table, record.offset), children);
  }
  for (const key of keys) {
    const { parentTable, parentOffset, at } = key.record;
    const siblings = nodes.get(placeOf(parentTable, parentOffset));
    if (!siblings) throw corrupt(path, `the parent of key "${key.record.name}" does not exist`, at);
    siblings.push(key);
  }
  for (const children of nodes.values()) children.sort(byInsertion);
  checkReach(path, top, keys.length);
  return top;
}

/** Sequence numbers first; where a writer gave the same one twice, the place in the file. */
const byInsertion = (a: TreeKey, b: TreeKey): number =>
  a.record.insertion - b.record.insertion || a.record.table - b.record.table || a.record.offset - b.record.offset;

function checkReach(path: string, top: TreeKey[], expected: number): void {
  let reached = 0;
  let level = top;
  for (let depth = 1; level.length > 0; depth++) {
    if (depth > LIMITS.depth) throw unsupported(path, `its keys are nested deeper than ${LIMITS.depth}`);
    reached += level.length;
    level = level.flatMap((key) => key.children);
  }
  if (reached !== expected) throw corrupt(path, `${expected - reached} keys form a circle instead of a tree`);
}

/**
 * From the record of the block that was there before and the pages that changed to the new block's page list, id and
 * delta (docs/format.md §4). The writer lays a patch out in the slot's input as: the old record (of a whole one only
 * header and page list), a bitmap of the changed pages, then room for the delta's payload, with the changed pages, in
 * order, at its end.
 */
import { type BlockScheme, bitmapLength, blockId, pagesOf } from '../format/block-scheme.ts';
import { ID_LENGTH, RecordKind } from '../format/constants.ts';
import type { RecordEntry } from '../format/pack-format.ts';
import { type DecodedDelta, decodeDelta, parseRecord, readList } from './codec.ts';
import { isZeroEntry, writeEntry } from './page-list.ts';
import type { RecordCipher } from './record-cipher.ts';
import { baseIdAt, idAt, listAt, META_FIELDS, Meta, type Slot } from './slot.ts';

/** Bytes of the bitmap of a block's changed pages. */
export const changedBitmapLength = (scheme: BlockScheme): number => bitmapLength(pagesOf(scheme, scheme.blockSize));

/** Bytes of a patch whose delta may have `pages` pages, without the old record. */
export const patchRoom = (scheme: BlockScheme, pages: number): number =>
  2 * changedBitmapLength(scheme) + pages * scheme.pageSize;

/** Pages a delta may have at most. */
export const deltaLimit = (pages: number): number => pages >> 1;

/**
 * Computes list and id of a patched block, and the payload of its delta.
 * @returns a sentence when it takes the whole block instead: nothing is known to be wrong with what was read then, or
 *   it is
 */
export function digestPatch(
  slot: Slot,
  entry: number,
  scheme: BlockScheme,
  cipher: RecordCipher | undefined,
): string | null {
  const meta = slot.meta.subarray(entry * META_FIELDS, (entry + 1) * META_FIELDS);
  const oldEnd = meta[Meta.baseOffset]! + meta[Meta.baseLength]!;
  const bytes = slot.input.subarray(meta[Meta.baseOffset]!, oldEnd);
  const old = readOld(bytes, baseIdAt(slot, entry), scheme, cipher);
  if (typeof old === 'string') return old;
  try {
    return merge(slot, entry, scheme, old, slot.input.subarray(oldEnd, oldEnd + changedBitmapLength(scheme)));
  } finally {
    old.delta?.free();
  }
}

interface OldBlock {
  record: RecordEntry;
  list: Buffer;
  delta?: DecodedDelta;
}

function readOld(bytes: Buffer, id: Buffer, scheme: BlockScheme, cipher: RecordCipher | undefined): OldBlock | string {
  const record = parseRecord(bytes, 0, id);
  if (typeof record === 'string') return record;
  if (record.kind !== RecordKind.delta) {
    const list = readList(record, bytes, scheme, cipher);
    return typeof list === 'string' ? list : { record, list };
  }
  const delta = decodeDelta(record, bytes, { scheme, cipher });
  return typeof delta === 'string' ? delta : { record, list: delta.list, delta };
}

function merge(slot: Slot, entry: number, scheme: BlockScheme, old: OldBlock, changed: Buffer): string | null {
  const { pageSize } = scheme;
  const { input } = slot;
  const meta = slot.meta.subarray(entry * META_FIELDS, (entry + 1) * META_FIELDS);
  const start = meta[Meta.plain]!;
  const end = start + meta[Meta.plainLength]!;
  const list = listAt(slot, entry);
  list.fill(0, old.list.copy(list));
  const most = list.length / ID_LENGTH;
  const isChanged = (page: number): boolean => (changed[page >> 3]! & (1 << (page & 7))) !== 0;
  let changes = 0;
  for (let page = 0; page < most; page++) if (isChanged(page)) changes += 1;
  const first = end - changes * pageSize;
  let fresh = first;
  for (let page = 0; page < most; page++) {
    if (!isChanged(page)) continue;
    writeEntry(list, page * ID_LENGTH, input, fresh, fresh + pageSize);
    fresh += pageSize;
  }
  let count = most;
  while (count > 0 && isZeroEntry(list, count - 1)) count -= 1;
  meta[Meta.rawLength] = count * pageSize;
  if (count === 0) return null;
  blockId(scheme, list.subarray(0, count * ID_LENGTH)).copy(idAt(slot, entry));
  let pages = changes;
  for (let page = 0; page < count; page++) if (!isChanged(page) && keptFrom(old, page) > 0) pages += 1;
  // The payload grows towards the changed pages and never overtakes them: there is room for all that it may have.
  let at = start + bitmapLength(count);
  if (pages > deltaLimit(count) || at + pages * pageSize > end) return 'too much of the block has changed';
  const bitmap = Buffer.alloc(bitmapLength(count));
  fresh = first;
  for (let page = 0; page < count; page++) {
    const here = fresh;
    const kept = keptFrom(old, page);
    if (isChanged(page)) fresh += pageSize;
    else if (kept < 0) continue;
    bitmap[page >> 3]! |= 1 << (page & 7);
    if (isZeroEntry(list, page)) continue;
    if (isChanged(page)) input.copyWithin(at, here, here + pageSize);
    else old.delta!.plain.copy(input, at, kept, kept + pageSize);
    at += pageSize;
  }
  bitmap.copy(input, start);
  meta[Meta.plainLength] = at - start;
  (old.record.base ?? old.record.id).copy(baseIdAt(slot, entry));
  return null;
}

/** Where the old delta has a page, 0 when it says that it is zeros, -1 when the page is the base's. */
function keptFrom(old: OldBlock, page: number): number {
  if (old.delta === undefined) return -1;
  // Beyond the end of the delta all is zero, whatever the base has there.
  return page < old.delta.pages.length ? old.delta.pages[page]! : 0;
}

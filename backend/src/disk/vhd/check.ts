/** Looks at the structure of a VHD and lists all that is wrong with it. Reads no payload, changes nothing. */
import { HvError } from '../../support/errors.ts';
import type { RandomAccessFile } from '../../support/file.ts';
import { type ImageProblem, ProblemList } from '../problem.ts';
import { BlockTable } from './block-table.ts';
import type { FoundFooter } from './footers.ts';
import { UNALLOCATED } from './format/constants.ts';
import { type DynamicLayout, openVhdLayout, type VhdLayout } from './layout.ts';
import { findOverlaps } from './overlaps.ts';

const MAX_OVERLAPS = 1000;

/**
 * Footers, dynamic header and every entry of the block table. Does not look at parents. Takes `file` over and closes
 * it.
 * @returns empty when nothing is wrong
 * @throws IO_ERROR, ACCESS_DENIED, DISK_FORMAT_UNKNOWN when it is no VHD: what is not about this image's structure
 */
export async function checkVhd(file: RandomAccessFile): Promise<ImageProblem[]> {
  let layout: VhdLayout;
  try {
    layout = await openVhdLayout(file);
  } catch (error) {
    if (!(error instanceof HvError) || !['DISK_CORRUPT', 'DISK_UNSUPPORTED'].includes(error.code)) throw error;
    const { offset } = error.data;
    return [{ message: error.message, ...(typeof offset === 'number' ? { offset } : {}) }];
  }
  try {
    const list = new ProblemList();
    checkFooters(layout, list);
    if (layout.dynamic !== null) {
      if (!layout.dynamic.headerChecksumValid) {
        list.add('The checksum of the dynamic header is wrong.', layout.footer.headerOffset!);
      }
      await checkTable(layout, layout.dynamic, list);
    }
    return list.problems;
  } finally {
    await file.close();
  }
}

function checkFooters(layout: VhdLayout, list: ProblemList): void {
  const { trailing, leading } = layout.footers;
  if (trailing === null) list.add('The footer at the end of the file is missing.', layout.fileSize);
  else if (!trailing.checksumValid) list.add('The checksum of the footer is wrong.', trailing.offset);
  if (layout.dynamic === null) return;
  if (leading === null) list.add("The footer's copy at the start of the file is missing.", 0);
  else if (!leading.checksumValid) list.add("The checksum of the footer's copy is wrong.", 0);
  if (trailing !== null && leading !== null && !sameDisk(trailing, leading)) {
    list.add("The footer and its copy at the start of the file differ in the disk's size, kind, id or header.", 0);
  }
}

const sameDisk = ({ footer: one }: FoundFooter, { footer: two }: FoundFooter): boolean =>
  one.currentSize === two.currentSize &&
  one.type === two.type &&
  one.uniqueId === two.uniqueId &&
  one.headerOffset === two.headerOffset;

async function checkTable(layout: VhdLayout, dynamic: DynamicLayout, list: ProblemList): Promise<void> {
  const table = new BlockTable(layout, dynamic);
  for (let block = 0; block < dynamic.blockCount && !list.full; ) {
    const { page, nextBlock } = await table.pageOf(block);
    for (; block < nextBlock && !list.full; block++) {
      const sector = table.sectorIn(page, block);
      if (sector === UNALLOCATED) continue;
      const problem = table.problemOf(block, sector);
      if (problem !== null) list.add(`Damaged block table: ${problem}.`, table.entryOffset(block));
    }
  }
  const overlaps = await findOverlaps(layout, dynamic, table, MAX_OVERLAPS);
  for (const [block, other] of [...overlaps.blocks].sort(([a], [b]) => a - b)) {
    list.add(`Damaged block table: block ${block} overlaps block ${other} in the file.`, table.entryOffset(block));
  }
  if (!overlaps.complete) list.add('There are more overlapping blocks; not all were looked for.', dynamic.tableOffset);
}

/** Looks at the structure of a VHDX and lists all that is wrong with it. Reads no payload, changes nothing. */
import { HvError } from '../../support/errors.ts';
import type { RandomAccessFile } from '../../support/file.ts';
import { type ImageProblem, ProblemList } from '../problem.ts';
import {
  HEADER_OFFSETS,
  HEADER_SIZE,
  PAYLOAD_ZERO,
  REGION_TABLE_OFFSETS,
  REGION_TABLE_SIZE,
} from './format/constants.ts';
import { parseHeader } from './format/header.ts';
import { parseRegionTable } from './format/region-table.ts';
import { VhdxImage } from './image.ts';
import { openLayout } from './layout.ts';
import { findOverlaps } from './overlaps.ts';

/**
 * Headers, region tables, metadata, every BAT entry. A dirty log is applied in memory and is no problem. Does not look
 * at parents. Takes `file` over and closes it.
 * @returns empty when nothing is wrong
 * @throws IO_ERROR, ACCESS_DENIED, DISK_FORMAT_UNKNOWN when it is no VHDX: what is not about this image's structure
 */
export async function checkVhdx(file: RandomAccessFile): Promise<ImageProblem[]> {
  const list = new ProblemList();
  let image: VhdxImage;
  try {
    image = new VhdxImage(await openLayout(file, 'read'));
  } catch (error) {
    addDamage(list, error);
    return list.problems;
  }
  try {
    await checkCopies(image.file, list);
    checkParent(image, list);
    await checkTable(image, list);
    for await (const { what, fileOffset } of findOverlaps(image)) {
      list.add(`In the file, ${what} overlaps another one.`, fileOffset);
      if (list.full) break;
    }
    return list.problems;
  } finally {
    await image.close();
  }
}

/** A finding from what reading would have thrown; anything that is not about the image goes on. */
function addDamage(list: ProblemList, error: unknown): void {
  if (!(error instanceof HvError) || !['DISK_CORRUPT', 'DISK_UNSUPPORTED'].includes(error.code)) throw error;
  const { offset } = error.data;
  list.add(error.message, typeof offset === 'number' ? offset : undefined);
}

async function checkCopies(file: RandomAccessFile, list: ProblemList): Promise<void> {
  for (const offset of HEADER_OFFSETS) {
    const bytes = Buffer.alloc(HEADER_SIZE);
    await file.readUpTo(offset, bytes);
    if (parseHeader(bytes) === null) list.add('One of the two headers is not valid.', offset);
  }
  const tables: Buffer[] = [];
  for (const offset of REGION_TABLE_OFFSETS) {
    const bytes = Buffer.alloc(REGION_TABLE_SIZE);
    await file.readUpTo(offset, bytes);
    if (parseRegionTable(bytes) === null) list.add('One of the two region tables is not valid.', offset);
    else tables.push(bytes);
  }
  if (tables.length === 2 && !tables[0]!.equals(tables[1]!)) {
    list.add('The two region tables differ.', REGION_TABLE_OFFSETS[1]);
  }
}

function checkParent(image: VhdxImage, list: ProblemList): void {
  try {
    void image.info.parent;
  } catch (error) {
    addDamage(list, error);
  }
}

async function checkTable(image: VhdxImage, list: ProblemList): Promise<void> {
  const { table } = image;
  const { blockCount, chunkRatio } = image.layout.geometry;
  for (let block = 0; block < blockCount && !list.full; ) {
    const { page, nextBlock } = await table.pageOf(block);
    const end = Math.min(nextBlock, blockCount);
    for (; !page.zero && block < end && !list.full; block++) {
      try {
        const { content, state, fileOffset, reserved } = table.entryIn(page, block);
        const offset = table.entryOffset(block);
        if (reserved !== 0) list.add(`The BAT entry of block ${block} has reserved bits set.`, offset);
        if (state === PAYLOAD_ZERO && fileOffset !== 0) {
          list.add(`The BAT entry of block ${block} has a place but no content; Hyper-V refuses that.`, offset);
        }
        if (content === 'mixed' && (await table.bitmap(Math.floor(block / chunkRatio))) === null) {
          list.add(`Block ${block} is partially present but has no sector bitmap.`, offset);
        }
      } catch (error) {
        addDamage(list, error);
      }
    }
    block = end;
  }
}

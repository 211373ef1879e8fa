/**
 * A differencing image by itself: what it holds, without what is its parent's. Of a chain that was copied without its
 * base, all the images that are there count as one.
 */
import { promises as fs } from 'node:fs';
import { ChainDevice } from './chain.ts';
import type { ChangedRange } from './device.ts';
import { corrupt, unsupported } from './errors.ts';
import type { DiskInfo } from './info.ts';
import { type Disk, openImage } from './open.ts';
import type { DiskImage } from './range.ts';

/** Images and ranges above these are a mistake or an attack. */
const MAX_CHAIN = 256;
const MAX_RANGES = 8_000_000;

export interface Difference {
  /** What lies outside `present` reads as zeros and means nothing. */
  disk: Disk;
  /**
   * Ascending ranges that the images hold themselves, zeros that hide the parent's content included; null when the last
   * image needs no parent: then the disk is complete.
   */
  present: ChangedRange[] | null;
}

/**
 * @param parentOf path of an image's parent where that is at hand, taken as it is; null ends the chain
 * @throws what openDisk() throws; DISK_CORRUPT for a chain in a circle, DISK_UNSUPPORTED for one that is too long or
 *   too scattered
 */
export async function openDifference(
  path: string,
  parentOf: (child: DiskInfo) => string | null = () => null,
): Promise<Difference> {
  const images: [DiskImage, ...DiskImage[]] = [await openImage(path, 'read')];
  try {
    const seen = new Set([await fs.realpath(path)]);
    for (let last = images[0].info; last.parent !== null; last = images.at(-1)!.info) {
      const next = parentOf(last);
      if (next === null) return { disk: new ChainDevice(images), present: await presentIn(images) };
      const identity = await fs.realpath(next);
      if (seen.has(identity)) throw corrupt(path, `the chain comes back to ${next}`);
      if (images.length >= MAX_CHAIN) throw unsupported(path, `its chain is longer than ${MAX_CHAIN} images`);
      seen.add(identity);
      images.push(await openImage(next, 'read'));
    }
    return { disk: new ChainDevice(images), present: null };
  } catch (error) {
    await Promise.allSettled(images.map((image) => image.close()));
    throw error;
  }
}

/** What any of the images holds, within the size of the first. */
async function presentIn(images: readonly [DiskImage, ...DiskImage[]]): Promise<ChangedRange[]> {
  const { size, path } = images[0].info;
  let present: ChangedRange[] = [];
  for (const image of images) {
    const own: ChangedRange[] = [];
    const end = Math.min(size, image.info.size);
    for (let at = 0; at < end; ) {
      for (const { kind, offset, length } of await image.resolve(at, end - at)) {
        at = offset + length;
        if (kind === 'parent') continue;
        const last = own.at(-1);
        if (last && last.offset + last.length === offset) last.length += length;
        else own.push({ offset, length });
      }
      if (own.length > MAX_RANGES) throw unsupported(path, `it holds more than ${MAX_RANGES} separate ranges`);
    }
    present = united(present, own);
  }
  return present;
}

/** Both lists ascend; what touches becomes one. */
function united(a: readonly ChangedRange[], b: readonly ChangedRange[]): ChangedRange[] {
  if (a.length === 0) return [...b];
  const result: ChangedRange[] = [];
  for (let i = 0, j = 0; i < a.length || j < b.length; ) {
    const next = j >= b.length || (i < a.length && a[i]!.offset <= b[j]!.offset) ? a[i++]! : b[j++]!;
    const last = result.at(-1);
    if (last && next.offset <= last.offset + last.length) {
      last.length = Math.max(last.length, next.offset + next.length - last.offset);
    } else result.push({ ...next });
  }
  return result;
}

/** The first of the ascending, disjoint ranges that ends behind `offset`. */
export function nextRange(ranges: readonly ChangedRange[], offset: number): ChangedRange | undefined {
  let low = 0;
  let high = ranges.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (ranges[middle]!.offset + ranges[middle]!.length <= offset) low = middle + 1;
    else high = middle;
  }
  return ranges[low];
}

/** Whether one of the ascending, disjoint ranges holds all of it. */
export function covers(ranges: readonly ChangedRange[], offset: number, length: number): boolean {
  const range = nextRange(ranges, offset);
  return range !== undefined && range.offset <= offset && offset + length <= range.offset + range.length;
}

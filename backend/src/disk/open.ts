/** Opening any disk image, alone or with its chain of parents. */
import { promises as fs } from 'node:fs';
import { HvError } from '../support/errors.ts';
import { type FileOpener, openFile } from '../support/file.ts';
import { ChainDevice } from './chain.ts';
import { detectFormat } from './detect.ts';
import type { BlockDevice, WritableBlockDevice } from './device.ts';
import { corrupt, unsupported } from './errors.ts';
import type { DiskInfo } from './info.ts';
import { checkLinkage, findParent, type ParentResolver } from './parent.ts';
import type { DiskImage } from './range.ts';
import { RawImage } from './raw/image.ts';
import { WritableRaw } from './raw/writable.ts';
import { openVhdImage } from './vhd/image.ts';
import { VhdxImage } from './vhdx/image.ts';
import type { InPlaceOptions } from './vhdx/in-place.ts';
import { openLayout } from './vhdx/layout.ts';
import { refuseOverlaps } from './vhdx/overlaps.ts';
import { WritableVhdx } from './vhdx/writable.ts';

/** A chain longer than this is a mistake or an attack. */
const MAX_CHAIN = 256;

export interface OpenOptions {
  /**
   * Parents of a differencing disk: a path for its parent, paths from its parent upwards, or a function asked for every
   * differencing image. What is named here is used as it is; what is not named is found by what the image says and
   * its identity is compared. `null`: open without parents, what is theirs reads as zeros.
   */
  parent?: string | readonly string[] | ParentResolver | null;
  /** How files are opened; tests inject faults here. */
  opener?: FileOpener;
}

/** A disk image as a device, with what is known about it. */
export interface Disk extends BlockDevice {
  readonly info: DiskInfo;
  /** Infos of all images of the chain, the opened one first. */
  readonly chain: DiskInfo[];
}

export interface WritableDisk extends Disk, WritableBlockDevice {
  /** Zeros a range; takes no space where the disk reads as zeros already. */
  writeZeros(offset: number, length: number): Promise<void>;
  /** Gives a VHDX's content this identity, durably. @throws NOT_SUPPORTED for other formats */
  setDataWriteGuid(guid: string): Promise<void>;
}

/**
 * Opens a disk image; the format is detected by content: VHDX, VHD, otherwise raw.
 * Reading never changes a file: a dirty VHDX log is replayed in memory. With `writable` it is replayed for real, and a
 * VHDX gets a new FileWriteGuid with the first write, and a new DataWriteGuid unless `keepDataWriteGuid`.
 * @throws FILE_NOT_FOUND, DISK_CORRUPT, DISK_UNSUPPORTED, DISK_PARENT_MISSING, DISK_PARENT_MISMATCH
 */
export function openDisk(path: string, options?: OpenOptions & { writable?: false }): Promise<Disk>;
export function openDisk(
  path: string,
  options: OpenOptions & InPlaceOptions & { writable: true },
): Promise<WritableDisk>;
export async function openDisk(
  path: string,
  options: OpenOptions & InPlaceOptions & { writable?: boolean } = {},
): Promise<Disk | WritableDisk> {
  const top = await openImage(path, options.writable ? 'write' : 'read', options.opener);
  const parents: DiskImage[] = [];
  try {
    await openParents(top, parents, options);
    if (!options.writable) return new ChainDevice([top, ...parents]);
    if (top instanceof VhdxImage) {
      await refuseOverlaps(top);
      return new WritableVhdx(top, parents, options);
    }
    if (top instanceof RawImage) return new WritableRaw(top);
    throw new HvError('NOT_SUPPORTED', `A ${top.info.format.toUpperCase()} file cannot be written in place: ${path}`, {
      advice: 'Convert it to VHDX first.',
      data: { path },
    });
  } catch (error) {
    await Promise.allSettled([top, ...parents].map((image) => image.close()));
    throw error;
  }
}

/** Opens one image file without its parents. */
export async function openImage(
  path: string,
  mode: 'read' | 'write',
  opener: FileOpener = openFile,
): Promise<DiskImage> {
  const file = await opener(path, mode);
  try {
    switch (await detectFormat(file)) {
      case 'vhdx':
        return new VhdxImage(await openLayout(file, mode));
      case 'vhd':
        return await openVhdImage(file);
      case 'raw':
        return new RawImage(file, await file.size());
    }
  } catch (error) {
    await file.close().catch(() => undefined);
    throw error;
  }
}

async function openParents(top: DiskImage, parents: DiskImage[], options: OpenOptions): Promise<void> {
  if (options.parent === null) return;
  const resolver = resolverOf(options.parent);
  const seen = new Set([await identityOf(top.info.path)]);
  let child = top.info;
  while (child.parent !== null) {
    if (parents.length >= MAX_CHAIN) throw unsupported(top.info.path, `its chain is longer than ${MAX_CHAIN} images`);
    const explicit = await resolver(child);
    const parent =
      explicit === null ? await openFound(child, options) : await openImage(explicit, 'read', options.opener);
    parents.push(parent);
    const identity = await identityOf(parent.info.path);
    if (seen.has(identity)) throw corrupt(top.info.path, `the chain comes back to ${parent.info.path}`);
    seen.add(identity);
    child = parent.info;
  }
}

/** Of the places a child names the first whose content fits: a stale copy must not hide the right parent. */
async function openFound(child: DiskInfo, options: OpenOptions): Promise<DiskImage> {
  let failure: unknown;
  for (const candidate of await findParent(child)) {
    let parent: DiskImage | undefined;
    try {
      parent = await openImage(candidate, 'read', options.opener);
      checkLinkage(child, parent.info);
      return parent;
    } catch (error) {
      await parent?.close().catch(() => undefined);
      failure ??= error;
    }
  }
  throw failure;
}

function resolverOf(parent: OpenOptions['parent']): ParentResolver {
  if (typeof parent === 'function') return parent;
  const paths = typeof parent === 'string' ? [parent] : [...(parent ?? [])];
  return () => paths.shift() ?? null;
}

/** The same file under two names is the same file. */
async function identityOf(path: string): Promise<string> {
  return fs.realpath(path).catch(() => path);
}

/**
 * What can be learned about an image without opening its parents: reads a few hundred KiB whatever its size.
 * @param options.allocated also count the allocated bytes, which reads the allocation table
 */
export async function inspectDisk(
  path: string,
  options: { allocated?: boolean; opener?: FileOpener } = {},
): Promise<DiskInfo> {
  const image = await openImage(path, 'read', options.opener);
  try {
    if (!options.allocated) return image.info;
    return { ...image.info, allocatedBytes: await image.allocatedBytes() };
  } finally {
    await image.close();
  }
}

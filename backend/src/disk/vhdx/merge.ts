/** Merging a differencing VHDX into its parent. */
import { alignDown } from '../../support/bytes.ts';
import { HvError, throwIfCancelled } from '../../support/errors.ts';
import { type FileOpener, openFile } from '../../support/file.ts';
import { newGuid } from '../../support/guid.ts';
import { unsupported } from '../errors.ts';
import type { DiskInfo } from '../info.ts';
import { inspectDisk, openDisk, type WritableDisk } from '../open.ts';
import { checkLinkage, findParent } from '../parent.ts';
import { replaceParentOf } from './identity.ts';
import { VhdxImage } from './image.ts';
import { openLayout } from './layout.ts';
import { resizeVhdx } from './resize.ts';

const COPY_SIZE = 4 << 20;
/** A multiple of every block size. */
const ZERO_STEP = 1 << 30;

export interface MergeOptions {
  /** The parent's path; taken as it is. Default: what the child says, its identity compared. */
  parent?: string;
  /**
   * Identity of the parent's content afterwards: `new` (default), a GUID, or `keep` for a caller that plays the
   * hypervisor and knows that nothing else refers to it.
   */
  dataWriteGuid?: 'new' | 'keep' | (string & {});
  signal?: AbortSignal;
  /** Bytes copied so far; called at most once per copy of 4 MiB. */
  progress?: (copiedBytes: number) => void;
  opener?: FileOpener;
}

/**
 * Copies everything a differencing VHDX holds into its parent, which then reads as the child did. The child stays as it
 * is, for the caller to remove. Killed or cancelled at any moment it can be run again, and until then the chain opens
 * and reads as before: what the child has still wins.
 * @returns bytes copied
 * @throws DISK_PARENT_MISSING, DISK_PARENT_MISMATCH, DISK_UNSUPPORTED, DISK_FULL, CANCELLED
 */
export async function mergeIntoParent(childPath: string, options: MergeOptions = {}): Promise<{ copiedBytes: number }> {
  const { opener } = options;
  const child = await inspectDisk(childPath, { opener });
  if (child.parent === null || child.format !== 'vhdx') {
    throw unsupported(childPath, 'only a differencing VHDX can be merged');
  }
  const parent = await locateParent(child, options);
  checkPair(child, parent);
  const identity = await prepareIdentity(child, parent, options);
  if (child.size > parent.size) await resizeVhdx(parent.path, child.size, { keepDataWriteGuid: true, opener });
  // Without its own parents: whole sectors are written, so nothing of theirs is needed.
  const target = await openDisk(parent.path, { writable: true, keepDataWriteGuid: true, parent: null, opener });
  try {
    const copiedBytes = await copyPresent(childPath, target, options);
    await target.flush();
    if (identity !== null && identity !== target.info.dataWriteGuid) await target.setDataWriteGuid(identity);
    return { copiedBytes };
  } finally {
    await target.close();
  }
}

async function locateParent(child: DiskInfo, options: MergeOptions): Promise<DiskInfo> {
  if (options.parent !== undefined) return inspectDisk(options.parent, { opener: options.opener });
  let failure: unknown;
  for (const candidate of await findParent(child)) {
    try {
      const parent = await inspectDisk(candidate, { opener: options.opener });
      checkLinkage(child, parent);
      return parent;
    } catch (error) {
      failure ??= error;
    }
  }
  throw failure;
}

function checkPair(child: DiskInfo, parent: DiskInfo): void {
  if (parent.format !== 'vhdx') throw unsupported(parent.path, 'only a VHDX can take in a differencing VHDX');
  if (parent.logicalSectorSize !== child.logicalSectorSize) {
    throw unsupported(child.path, 'its sectors are not of the same size as its parent’s');
  }
  if (parent.size > child.size) {
    throw new HvError('NOT_SUPPORTED', `The differencing disk is smaller than its parent: ${child.path}`, {
      advice: 'Merge it with Merge-VHD on Hyper-V.',
      data: { path: child.path, size: child.size, parentSize: parent.size },
    });
  }
}

/**
 * The parent's identity changes only after all of its content did. The child accepts both beforehand (parent_linkage2,
 * [MS-VHDX] 2.6.2.6.3), so that the chain opens whenever this is cut short.
 * @returns the identity to give to the parent in the end; null to keep what it has
 */
async function prepareIdentity(child: DiskInfo, parent: DiskInfo, options: MergeOptions): Promise<string | null> {
  const wish = options.dataWriteGuid ?? 'new';
  if (wish === 'keep') return null;
  const recorded = child.parent!.linkage[1];
  const identity = wish !== 'new' ? wish : (recorded ?? newGuid());
  const linkage = [parent.dataWriteGuid!, identity];
  if (recorded !== identity && parent.dataWriteGuid !== identity) {
    await replaceParentOf(child.path, { ...child.parent!, linkage }, options.opener);
  }
  return identity;
}

async function copyPresent(childPath: string, target: WritableDisk, options: MergeOptions): Promise<number> {
  const image = new VhdxImage(await openLayout(await (options.opener ?? openFile)(childPath, 'read'), 'read'));
  try {
    const buffer = Buffer.allocUnsafe(COPY_SIZE);
    const { size } = image.info;
    let copied = 0;
    for (let at = 0; at < size; ) {
      for (const range of await image.resolve(at, size - at)) {
        at = range.offset + range.length;
        if (range.kind === 'parent') continue;
        if (range.kind === 'zero') await zeroInSteps(target, range.offset, range.length, options);
        else {
          for (let done = 0; done < range.length; done += COPY_SIZE) {
            throwIfCancelled(options.signal);
            const part = buffer.subarray(0, Math.min(COPY_SIZE, range.length - done));
            await image.file.readFully(range.fileOffset + done, part);
            await target.write(range.offset + done, part);
            copied += part.length;
            options.progress?.(copied);
          }
        }
      }
    }
    return copied;
  } finally {
    await image.close();
  }
}

/** In steps that end at multiples of ZERO_STEP, so that whole blocks stay whole. */
async function zeroInSteps(target: WritableDisk, offset: number, length: number, options: MergeOptions): Promise<void> {
  for (let at = offset; at < offset + length; ) {
    throwIfCancelled(options.signal);
    const next = Math.min(offset + length, alignDown(at, ZERO_STEP) + ZERO_STEP);
    await target.writeZeros(at, next - at);
    at = next;
  }
}

/** Checking the structure of any disk image: what `hvbackup disk check` reports. */

import { isHvError } from '../support/errors.ts';
import { type FileOpener, openFile } from '../support/file.ts';
import { detectFormat } from './detect.ts';
import type { ImageProblem } from './problem.ts';
import { checkVhd } from './vhd/check.ts';
import { checkVhdx } from './vhdx/check.ts';

/**
 * Looks at every structure of one image file and lists all that is wrong; reads no payload, opens no parent, changes
 * nothing. A raw image has no structure; a file that only has the name of a VHD or VHDX has one problem, that it is
 * none.
 * @returns empty when nothing is wrong
 * @throws FILE_NOT_FOUND, ACCESS_DENIED, IO_ERROR, DISK_UNSUPPORTED for a format that is not read
 */
export async function checkDisk(path: string, options: { opener?: FileOpener } = {}): Promise<ImageProblem[]> {
  const file = await (options.opener ?? openFile)(path, 'read');
  try {
    switch (await detectFormat(file)) {
      case 'vhdx':
        return await checkVhdx(file);
      case 'vhd':
        return await checkVhd(file);
      case 'raw':
        return [];
    }
  } catch (error) {
    if (!isHvError(error, 'DISK_FORMAT_UNKNOWN')) throw error;
    return [{ message: error.message }];
  } finally {
    await file.close();
  }
}

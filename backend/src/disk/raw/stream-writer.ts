/** Streaming writer of a raw image, sparse where the file system allows it. */
import { nonZeroStretches } from '../../support/bytes.ts';
import type { FileOpener } from '../../support/file.ts';
import type { ImageWriter } from '../device.ts';
import { outOfRange } from '../errors.ts';
import { NewFile } from '../new-file.ts';

const HOLE_GRAIN = 65536;

/**
 * @param options.size bytes; the file gets this length at once, so that a file system that cannot hold it says so first
 * @throws FILE_EXISTS, FILE_TOO_LARGE, DISK_FULL, ACCESS_DENIED
 */
export async function createRawWriter(
  path: string,
  options: { size: number; opener?: FileOpener },
): Promise<ImageWriter> {
  const target = await NewFile.create(path, options.opener);
  try {
    await target.file.truncate(options.size);
  } catch (error) {
    await target.abort();
    throw error;
  }
  let next = 0;
  return {
    async write(offset, data) {
      if (offset < next || offset + data.length > options.size) {
        throw outOfRange(path, offset, data.length, options.size);
      }
      next = offset + data.length;
      for (const { start, end } of nonZeroStretches(data, HOLE_GRAIN)) {
        await target.write(offset + start, data.subarray(start, end));
      }
    },
    finish: () => target.publish(),
    abort: () => target.abort(),
  };
}

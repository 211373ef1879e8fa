/** Streaming writer of a raw image, sparse where the file system allows it. */
import type { FileOpener } from '../../support/file.ts';
import type { ImageWriter } from '../device.ts';
import { NewFile } from '../new-file.ts';
import { RunOrder } from '../runs.ts';

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
  const order = new RunOrder(path, options.size);
  return {
    overlapping: true,
    async write(offset, data) {
      order.accept(offset, data.length);
      await target.writeSparse(offset, data);
    },
    finish: () => target.publish(),
    abort: () => target.abort(),
  };
}

/** Whether what a differencing image is made over is there, and unchanged since. */
import { isHvError } from '../support/errors.ts';
import { openDisk } from './open.ts';
import { parentsAmong } from './parents-among.ts';
import type { ImageProblem } from './problem.ts';

/**
 * Opens the whole chain; reads no content.
 * @param parents where they do not lie where the images say
 * @returns the parents' paths, nearest first, and what is wrong with them; both empty for an image without a parent
 * @throws IO_ERROR, ACCESS_DENIED: what is not about the images
 */
export async function checkChain(
  path: string,
  parents: readonly string[] = [],
): Promise<{ chain: string[]; problems: ImageProblem[] }> {
  try {
    const disk = await openDisk(path, { parent: parentsAmong(parents) });
    await disk.close();
    return { chain: disk.chain.slice(1).map((info) => info.path), problems: [] };
  } catch (error) {
    if (!isHvError(error, 'DISK_PARENT_MISSING', 'DISK_PARENT_MISMATCH', 'DISK_CORRUPT', 'DISK_FORMAT_UNKNOWN'))
      throw error;
    return { chain: [], problems: [{ message: error.message }] };
  }
}

/**
 * A frozen disk, read from its file (and parents) while the checkpoint stands. What was read counts only if the
 * checkpoint still stood afterwards: its end lets the host merge into the files that are being read. So closing asks,
 * and fails if not.
 */
import { openDisk, wrapDevice } from '../../../disk/index.ts';
import type { HostDisk, Reading } from '../../port.ts';

/**
 * @param stillThere throws when the checkpoint has ended
 * @returns closing it throws CHECKPOINT_NOT_FOUND when the checkpoint has ended meanwhile: nothing of what was read may
 *   be used
 */
export async function openFrozenFile(
  file: string,
  stillThere: () => Promise<void>,
  reading: Reading,
): Promise<HostDisk> {
  const disk = await openDisk(file);
  let closed = false;
  const close = async (): Promise<void> => {
    if (closed) return;
    closed = true;
    await disk.close();
    await stillThere();
  };
  return { ...wrapDevice(disk, { close }), reading };
}

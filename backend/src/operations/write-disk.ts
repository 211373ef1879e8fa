/** Streams a disk of a restore point into a new disk image. */
import type { ImageWriter } from '../disk/device.ts';
import type { ContentRef, Damage, Repository } from '../repository/port.ts';
import { throwIfCancelled } from '../support/errors.ts';
import type { OperationContext, ProgressEvent } from '../support/progress.ts';

/**
 * Writes the content and completes the image. When anything fails nothing is left under the image's name.
 * @param onHole told of what cannot be read, and stays zeros; without it that is an error
 * @returns bytes written; the rest of the disk is zeros
 */
export async function writeDisk(
  repository: Repository,
  content: ContentRef,
  writer: ImageWriter,
  context: OperationContext,
  about: Pick<ProgressEvent, 'phase' | 'vmName' | 'disk'>,
  onHole?: (offset: number, length: number) => void,
): Promise<number> {
  let writtenBytes = 0;
  const onDamage = onHole && ((_damage: Damage, offset: number, length: number) => onHole(offset, length));
  try {
    const reader = await repository.openContent(content);
    try {
      for await (const { offset, data } of reader.stream({ signal: context.signal, onDamage })) {
        throwIfCancelled(context.signal);
        await writer.write(offset, data);
        writtenBytes += data.length;
        // Zeros are not written, so the position is the better measure of what is left to do.
        context.progress?.({ ...about, doneBytes: offset + data.length, totalBytes: content.size });
      }
    } finally {
      await reader.close();
    }
    throwIfCancelled(context.signal);
    await writer.finish();
  } catch (error) {
    await writer.abort();
    throw error;
  }
  return writtenBytes;
}

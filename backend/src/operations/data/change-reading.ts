/** Reads what changed on a frozen disk and hands it to the repository: whole blocks, or only the changed parts. */
import type { ByteSource } from '../../disk/device.ts';
import type { ContentWriter } from '../../repository/port/writing.ts';
import { throwIfCancelled } from '../../support/errors.ts';
import type { ChangeStep } from './change-steps.ts';
import { type ReadingOptions, readRuns } from './disk-reading.ts';

/**
 * @returns a function that returns the bytes read from the device so far; all that will be, once the writer has
 *   finished
 */
export async function readChanges(
  device: ByteSource,
  steps: Iterable<ChangeStep>,
  writer: ContentWriter,
  options: ReadingOptions,
): Promise<() => number> {
  let bytesRead = 0;
  const read = async (offset: number, target: Buffer): Promise<void> => {
    throwIfCancelled(options.signal);
    await device.read(offset, target);
    bytesRead += target.length;
    options.onRead?.(target.length);
  };
  for (const step of steps) {
    throwIfCancelled(options.signal);
    if ('patches' in step) await writer.patch(step.patches, read);
    else bytesRead += await readRuns(device, [step.run], writer, options);
  }
  return () => bytesRead;
}

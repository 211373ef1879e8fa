/** Streams a disk of a restore point into a new disk image. */
import type { ImageWriter } from '../../disk/device.ts';
import type { ContentReader } from '../../repository/port/contents.ts';
import type { Damage } from '../../repository/port/damage.ts';
import { allDone } from '../../support/concurrency.ts';
import { throwIfCancelled } from '../../support/errors.ts';
import type { OperationContext, ProgressEvent } from '../../support/progress.ts';

/** Writes under way at once: one alone leaves the disk idle while the next is handed in. */
const AT_ONCE = 3;

/**
 * Writes the content and completes the image. When anything fails nothing is left under the image's name.
 * @param source stays open
 * @param onHole called for what cannot be read, and stays zeros; without it that is an error
 * @returns bytes written; the rest of the disk is zeros
 */
export async function writeDisk(
  source: ContentReader,
  writer: ImageWriter,
  context: OperationContext,
  about: Pick<ProgressEvent, 'phase' | 'vmName' | 'disk'>,
  onHole?: (offset: number, length: number) => void,
): Promise<number> {
  let writtenBytes = 0;
  const writes = new Writes(writer.overlapping ? AT_ONCE : 1);
  const onDamage = onHole && ((_damage: Damage, offset: number, length: number) => onHole(offset, length));
  try {
    const { signal } = context;
    for await (const { offset, data } of source.stream({ signal, onDamage, keep: AT_ONCE - 1 })) {
      if (signal?.aborted) await writes.end();
      throwIfCancelled(signal);
      await writes.add(writer.write(offset, data));
      writtenBytes += data.length;
      // Zeros are not written, so the position is the better measure of what is left to do.
      context.progress?.({ ...about, doneBytes: offset + data.length, totalBytes: source.size });
    }
    await writes.end();
    throwIfCancelled(context.signal);
    await writer.finish();
  } catch (error) {
    await writes.end().catch(() => undefined);
    await writer.abort();
    throw error;
  }
  return writtenBytes;
}

/**
 * Writes under way, oldest first. Their memory is free for reuse when they are over, so a failure is reported after the
 * others.
 */
class Writes {
  readonly #most: number;
  readonly #pending: Promise<void>[] = [];

  constructor(most: number) {
    this.#most = most;
  }

  /** Waits until there is room for one more. @throws what a write failed with; nothing is under way any more then */
  async add(write: Promise<void>): Promise<void> {
    // Its failure is met when its turn comes.
    write.catch(() => undefined);
    this.#pending.push(write);
    if (this.#pending.length < this.#most) return;
    try {
      await this.#pending.shift();
    } catch (error) {
      await Promise.allSettled(this.#pending.splice(0));
      throw error;
    }
  }

  /** Waits for all. @throws as add() */
  end(): Promise<void> {
    return allDone(this.#pending.splice(0));
  }
}

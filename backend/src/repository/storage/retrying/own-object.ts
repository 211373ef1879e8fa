/** How a put recognises its own object (docs/storage.md). */
import { HvError, isHvError } from '../../../support/errors.ts';
import type { Storage } from '../storage.ts';

/**
 * Whether a name that is taken was given by an attempt of our own that reported a failure: what is there is what we
 * put. It is durable then when this returns. @throws IO_ERROR when another process has removed it since: it can no
 * longer be determined more
 */
export async function isOwn(storage: Storage, name: string, pieces: readonly Uint8Array[]): Promise<boolean> {
  const length = pieces.reduce((sum, piece) => sum + piece.length, 0);
  try {
    const there = await storage.get(name, length);
    if (there.length !== length) return false;
    let at = 0;
    for (const piece of pieces) {
      if (there.compare(piece, 0, piece.length, at, at + piece.length) !== 0) return false;
      at += piece.length;
    }
  } catch (error) {
    // Longer than ours.
    if (isHvError(error, 'REPOSITORY_DAMAGED')) return false;
    if (!isHvError(error, 'FILE_NOT_FOUND')) throw error;
    throw new HvError(
      'IO_ERROR',
      `The storage failed while it stored ${name}, and the object is gone again: ${storage.location}`,
      {
        advice: 'Run the command again.',
        data: { path: name },
        cause: error,
      },
    );
  }
  await storage.settle(name);
  return true;
}

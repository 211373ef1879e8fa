/** Several things at once that use memory which is free for reuse afterwards: all of them are over before it is. */

/** Resolves when all of `work` is over, also what came after a failure. @throws what the first of them failed with */
export async function allDone(work: readonly Promise<void>[]): Promise<void> {
  if (work.length === 1) return work[0];
  for (const result of await Promise.allSettled(work)) if (result.status === 'rejected') throw result.reason;
}

/**
 * Does `work` for each item, in order, in at most `width` worker slots. One that fails ends its slot; the others go on.
 * @throws as {@link allDone}, when nothing is at work any more
 */
export async function runLimited<T>(
  items: readonly T[],
  width: number,
  work: (item: T) => Promise<void>,
): Promise<void> {
  let next = 0;
  const slot = async (): Promise<void> => {
    while (next < items.length) await work(items[next++]!);
  };
  await allDone(Array.from({ length: Math.min(width, items.length) }, slot));
}

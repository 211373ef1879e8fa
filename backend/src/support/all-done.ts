/** Waiting for several things that use memory which is free for reuse afterwards. */

/** Resolves when all of `work` is over, also what came after a failure. @throws what the first of them failed with */
export async function allDone(work: readonly Promise<void>[]): Promise<void> {
  if (work.length === 1) return work[0];
  for (const result of await Promise.allSettled(work)) if (result.status === 'rejected') throw result.reason;
}

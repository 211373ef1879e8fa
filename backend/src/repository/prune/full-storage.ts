/**
 * Making a repository smaller takes a few writes, and a full one has no room for them: then the reserve is given up,
 * and where there is none, what is certainly not needed is deleted first (docs/format.md §6).
 */
import { isHvError } from '../../support/errors.ts';
import type { OperationContext } from '../../support/progress.ts';
import type { RepositoryCore } from '../core.ts';
import { dropLeftovers } from './first-bytes.ts';

/** Repositories with fewer packs are small, and made anew sooner than pruned. */
const WORTH_A_RESERVE = 8;

/**
 * Runs what makes the repository smaller, or whole, again with more room each time that there was none. It must be fit
 * to be run again wherever it failed.
 * @param action gets how often it has failed for want of room
 * @param certain deletes what is garbage for certain; returns the bytes
 */
export async function withRoom<T>(
  core: RepositoryCore,
  context: OperationContext,
  action: (failures: number) => Promise<T>,
  certain: () => Promise<number> = async () => 0,
): Promise<T> {
  const ways = [async () => (await core.storage.room?.giveUpReserve()) ?? 0, () => dropLeftovers(core), certain];
  for (let failures = 0; ; ) {
    try {
      return await action(failures);
    } catch (error) {
      if (!isHvError(error, 'DISK_FULL')) throw error;
      failures += 1;
      let given = 0;
      while (given === 0) {
        const way = ways.shift();
        if (way === undefined) throw error;
        given = await way().catch((problem) => {
          if (isHvError(problem, 'REPOSITORY_DOUBTFUL')) throw problem;
          context.warn?.(`No room could be made: ${(problem as Error).message}`);
          return 0;
        });
      }
    }
  }
}

/** Makes the reserve where it is worth it. Never fails: it is for later. */
export async function keepReserve(core: RepositoryCore): Promise<void> {
  if (core.catalog.packCount() < WORTH_A_RESERVE) return;
  await core.storage.room?.keepReserve().catch(() => undefined);
}

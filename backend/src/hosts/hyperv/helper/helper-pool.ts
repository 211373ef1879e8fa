/**
 * Helpers that are idle for a moment. Starting PowerShell takes seconds, and a run over many VMs opens the host once
 * for each: the next one takes what the last one left. Two that work at the same time have a helper each.
 */
import type { Helper } from './helper.ts';

/** How long an unused helper waits for its next user, ms: as long as the backend waits for its next request. */
const IDLE_MS = 60_000;

interface Waiting {
  key: string;
  helper: Helper;
  timer: NodeJS.Timeout;
}

const waiting: Waiting[] = [];

/** @param key everything that makes one helper different from another @param make when none is waiting */
export function takeHelper(key: string, make: () => Helper): Helper {
  for (;;) {
    const at = waiting.findLastIndex((entry) => entry.key === key);
    if (at < 0) return make();
    const [{ helper, timer }] = waiting.splice(at, 1) as [Waiting];
    clearTimeout(timer);
    if (helper.running) {
      helper.hold(true);
      return helper;
    }
    void helper.close();
  }
}

/**
 * Keeps the helper for the next user, or ends it when something went wrong with it. Waits for a request that is under
 * way.
 */
export async function giveHelper(key: string, helper: Helper): Promise<void> {
  if (!(await helper.settled())) return await helper.close();
  const timer = setTimeout(() => {
    const at = waiting.findIndex((entry) => entry.helper === helper);
    if (at >= 0) waiting.splice(at, 1);
    void helper.close();
  }, IDLE_MS);
  // It keeps no process alive: when this one ends, the helper reads the end of its input and ends too.
  timer.unref();
  helper.hold(false);
  waiting.push({ key, helper, timer });
}

/** Ends all that are waiting. */
export async function endIdleHelpers(): Promise<void> {
  await Promise.all(
    waiting.splice(0).map(async ({ helper, timer }) => {
      clearTimeout(timer);
      await helper.close();
    }),
  );
}

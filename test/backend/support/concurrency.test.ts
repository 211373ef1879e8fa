import { expect, it } from 'vitest';
import { allDone, runLimited } from '../../../backend/src/support/concurrency.ts';

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

it('what is at work when something fails is over before the failure is reported, and the first one counts', async () => {
  const over: string[] = [];
  const work = async (name: string, ms: number, fails: boolean): Promise<void> => {
    await pause(ms);
    over.push(name);
    if (fails) throw new Error(name);
  };
  await expect(allDone([work('slow', 30, false), work('later', 20, true), work('sooner', 1, true)])).rejects.toThrow(
    'later',
  );
  expect(over).toEqual(['sooner', 'later', 'slow']);
  await expect(allDone([work('alone', 1, true)])).rejects.toThrow('alone');
  await allDone([]);
});

it('never more than so many are at work, every item is taken once and in order', async () => {
  const taken: number[] = [];
  let [now, most] = [0, 0];
  const items = Array.from({ length: 20 }, (_, i) => i);
  await runLimited(items, 3, async (item) => {
    taken.push(item);
    most = Math.max(most, ++now);
    await pause(item % 4);
    now -= 1;
  });
  expect(taken).toEqual(items);
  expect(most).toBe(3);
  await runLimited([], 3, () => Promise.reject(new Error('never called')));
});

it('nothing uses the memory any more when a limited run fails', async () => {
  let now = 0;
  const run = runLimited([5, 1, 9, 7, 3], 2, async (ms) => {
    now += 1;
    await pause(ms);
    now -= 1;
    if (ms === 1) throw new Error('failed');
  });
  await expect(run).rejects.toThrow('failed');
  expect(now).toBe(0);
});

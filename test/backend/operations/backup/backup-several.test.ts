/** The order and side-by-side of several backups, without backing anything up. */
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { type Job, runJobs } from '../../../../backend/src/operations/backup/backup-several.ts';
import { HvError } from '../../../../backend/src/support/errors.ts';
import { randomSource } from '../../repository/support/model.ts';

const job = (name: string): Job => ({ selector: name, vmName: name, vmId: name });

describe('several backups', () => {
  it.each([1, 2, 3, 8])(
    '%i at once: results in order, one VM never twice at a time, failures stop nobody',
    async (width) => {
      const random = randomSource(width);
      const jobs = Array.from({ length: 40 }, () => job(`vm${Math.floor(random() * 12)}`));
      const running = new Set<string>();
      const busy = new Set<number>();
      let most = 0;
      const told: unknown[] = [];
      const work = async ({ selector }: Job, slot: number) => {
        expect(running.has(selector)).toBe(false);
        expect(busy.has(slot)).toBe(false);
        running.add(selector);
        busy.add(slot);
        most = Math.max(most, running.size);
        await sleep(random() * 4);
        running.delete(selector);
        busy.delete(slot);
        if (selector === 'vm3') throw new HvError('VM_NOT_FOUND', 'no such VM');
        return selector;
      };
      const results = await runJobs(jobs, width, work, { partial: (result) => told.push(result) });
      expect(new Set(told)).toEqual(new Set(results));
      expect(told).toHaveLength(results.length);
      expect(most).toBeLessThanOrEqual(width);
      expect(most).toBeGreaterThan(width / 2);
      expect(results.map((result) => (typeof result === 'string' ? result : result.vmName))).toEqual(
        jobs.map(({ selector }) => selector),
      );
      expect(results.filter((result) => typeof result !== 'string').every((result) => result.vmName === 'vm3')).toBe(
        true,
      );
    },
  );

  it('begins none after a cancellation', async () => {
    const controller = new AbortController();
    const run = async ({ selector }: Job) => {
      controller.abort();
      return selector;
    };
    expect(await runJobs([job('a'), job('b'), job('c')], 1, run, controller)).toEqual(['a']);
  });
});

/** Backups, lists and retention on machines whose clock is wrong, through the command line and libfaketime. */
import { createHash } from 'node:crypto';
import { readdir } from 'node:fs/promises';
import { describe, expect, it } from 'vitest';
import { noise } from '../../fixtures/content.ts';
import { cli, ok } from '../support/cli.ts';
import { clockOff, FAKETIME } from '../support/faketime.ts';
import { scratchForEach } from '../support/scratch.ts';

import { World } from './world.ts';

const MIB = 1024 * 1024;
const BLOCK = 65536;
const sha256 = (data: Buffer): string => createHash('sha256').update(data).digest('hex');

describe.skipIf(FAKETIME === null)('a machine whose clock is wrong (skipped without libfaketime)', () => {
  const scratch = scratchForEach('clocks');

  async function machine() {
    const world = await World.create(await scratch(), { blockSize: BLOCK });
    const content = noise(4 * MIB, 1);
    world.vm('web', await world.rawImage(content));
    let writes = 0;
    const write = async (): Promise<void> => {
      const data = noise(BLOCK, 100 + writes);
      await world.write('web', 0, BLOCK * (5 + writes++), data);
      data.copy(content, BLOCK * (4 + writes));
    };
    const list = () => ok(['list', '--repository', world.repository], world);
    const prune = (...options: string[]) => ok(['prune', '--repository', world.repository, ...options], world);
    const backup = async (offset?: string) => {
      await write();
      world.env = offset === undefined ? {} : clockOff(offset);
      const result = world.backup('web');
      world.env = {};
      return { ...result, hash: sha256(content) };
    };
    const ids = (): string[] => list().points.map((point: { id: string }) => point.id);
    return { world, backup, list, prune, ids };
  }

  it.each(['+1d', '+365d', '+3650d'])(
    'ahead (%s) for a backup: it is warned of, and costs no real restore point',
    async (offset) => {
      const { world, backup, list, prune, ids } = await machine();
      const first = await backup();
      expect(first.warnings).toEqual([]);
      const ahead = await backup(offset);
      expect(ahead.warnings.join()).toMatch(/this machine's clock .* ahead of that of the storage/i);
      // Its reference point is the one that the host has: the base is right whatever its date.
      const second = await backup();
      expect(second.disks[0].mode).toBe('incremental');
      expect(second.warnings.join()).toContain(
        `1 restore point is dated in the future (${ahead.createdAt.slice(0, 19)}Z, ${ahead.restorePointId})`,
      );
      expect(second.warnings.join()).toMatch(
        /when it last wrote to this repository: it was ahead then, or is behind now/,
      );
      const third = await backup();
      expect(third.disks[0].mode).toBe('incremental');
      const all = [first, ahead, second, third].map(({ restorePointId }) => restorePointId);
      expect(ids()).toEqual(all);
      expect(list().warnings.join()).toContain('dated in the future (web ');
      for (const point of [first, ahead, second, third])
        expect(await world.hashes(point.restorePointId)).toEqual([point.hash]);

      const rules = ['--keep-last', '1', '--keep-daily', '1'];
      const done = prune(...rules);
      expect(
        done.points.map(({ id, reasons }: { id: string; reasons: string[] }) => [
          id,
          reasons.map((r) => r.split(' ')[0]),
        ]),
      ).toEqual([
        [all[0], []],
        [all[1], ['future']],
        [all[2], []],
        [all[3], ['newest', 'last', 'daily']],
      ]);
      expect(done.warnings.join()).toContain('1 restore point is dated in the future');
      expect(ids()).toEqual([all[1], all[3]]);
      expect(prune(...rules).removed).toBe(0);
      expect(world.verify()).toBe(true);
    },
  );

  it('behind: what was made before stays, what is made is the newest, and a prune by that clock removes nothing', async () => {
    const { world, backup, prune, ids } = await machine();
    const first = await backup();
    const second = await backup();
    world.env = clockOff('-3650d');
    const none = prune('--keep-last', '1');
    expect(none.removed).toBe(0);
    expect(none.points.map(({ reasons }: { reasons: string[] }) => reasons)).toEqual([['future'], ['future']]);
    expect(none.warnings.join()).toMatch(/Every restore point looked at is: this machine's clock .* is behind/);
    const behind = await backup('-3650d');
    expect(behind.disks[0].mode).toBe('incremental');
    const all = [first, second, behind].map(({ restorePointId }) => restorePointId);
    expect(ids()).toEqual(all);
    const next = await backup();
    expect(next.disks[0].mode).toBe('incremental');
    expect(await world.hashes(next.restorePointId)).toEqual([next.hash]);
    expect(ids()).toEqual([...all, next.restorePointId]);
    expect(prune('--keep-last', '2').removed).toBe(2);
    expect(ids()).toEqual([behind.restorePointId, next.restorePointId]);
    expect(world.verify()).toBe(true);
  });

  it('in a year that cannot be: nothing is written, and what is there can be read', async () => {
    const { world, backup, list } = await machine();
    const point = await backup();
    const before = await readdir(world.repository, { recursive: true });
    for (const offset of ['+2920000d', '-10000d']) {
      world.env = clockOff(offset);
      for (const command of [
        ['backup', '--host', world.host, '--vm', 'web'],
        ['prune', '--keep-last', '1'],
        ['remove', '--point', point.restorePointId],
        ['hold', '--point', point.restorePointId],
      ]) {
        const refused = cli([...command, '--repository', world.repository], world);
        expect(refused.status).toBe(1);
        const error = refused.json.error ?? refused.json.results?.[0]?.error;
        expect(error).toMatchObject({ code: 'CLOCK_WRONG', advice: expect.stringContaining('Set the clock') });
      }
      expect(list().warnings.join()).toContain('which is implausible. Set it.');
      const { point: shown } = ok(['show', '--repository', world.repository, '--point', point.restorePointId], world);
      expect(shown.createdAt).toBe(point.createdAt);
      world.env = {};
    }
    expect(await readdir(world.repository, { recursive: true })).toEqual(before);
    expect(await world.hashes(point.restorePointId)).toEqual([point.hash]);
  });

  it('with a TZ that names no zone: prune says what it counts days by', async () => {
    const { world, backup, prune } = await machine();
    await backup();
    world.env = { TZ: 'Europe/Nowhere' };
    expect(prune('--keep-daily', '1', '--dry-run').warnings).toEqual([
      expect.stringMatching(/^TZ=Europe\/Nowhere .* counted in UTC/),
    ]);
    world.env = { TZ: 'Europe/Berlin' };
    expect(prune('--keep-daily', '1', '--dry-run').warnings).toEqual([]);
  });
});

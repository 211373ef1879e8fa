/**
 * Whole backups and restores through the doubles: operations → adapter → node-powershell → helper → WMI and virtdisk
 * doubles.
 */
import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { makeScratch } from '../../support/scratch.ts';
import { missingForDouble } from '../../support/virtdisk-double.ts';
import { changes, content } from '../fixture.ts';
import { openDouble } from './hyperv-double.ts';
import { HyperVWorld, MIB } from './hyperv-world.ts';

const INCREMENTALS = 10;

describe.skipIf(missingForDouble.length > 0)('Hyper-V over its doubles (skipped without Linux, gcc and pwsh)', () => {
  it(`a full, ${INCREMENTALS} incrementals and a restore, content compared, virtdisk through the shipped C#, paths above 260`, async () => {
    // Host, repository and what is restored lie deeper than Windows takes without the prefix for long paths.
    const scratch = await makeScratch('hyperv-operations');
    const deep = join(scratch, "it's [1] $(x)", 'n'.repeat(255));
    await mkdir(deep, { recursive: true });
    const world = await HyperVWorld.create(deep, undefined, { native: true });
    expect(world.directory.length).toBeGreaterThan(260);
    try {
      await world.write(0, 0, Buffer.alloc(3 * MIB, 1));
      const points: { id: string; models: Buffer[] }[] = [];
      for (let run = 0; run <= INCREMENTALS; run++) {
        await world.write(run % 2, (run * 377_000) % (4 * MIB - 5000), Buffer.alloc(5000, run + 2));
        const result = await world.backup();
        expect(result.mode).toBe(run === 0 ? 'full' : 'incremental');
        expect(result.warnings).toEqual([]);
        if (run > 0) expect(result.disks.map((disk) => disk.mode)).toEqual(['incremental', 'incremental']);
        if (run > 0) expect(result.disks[0]!.changedBytes + result.disks[1]!.changedBytes).toBeLessThan(64 * 1024);
        points.push({ id: result.restorePointId, models: world.snapshot() });
        // Ours is one, and it is the new one.
        expect(await world.sim.listReferencePoints(world.vmId)).toHaveLength(1);
        expect(await world.checkpoints()).toEqual([]);
      }
      for (const { id, models } of points) expect(await world.holds(id, models)).toBe(true);
      const [first, last] = [points[3]!, points.at(-1)!];
      const beside = await world.restore(first.id, { newId: true, name: 'beside' });
      expect(beside).toMatchObject({ vmName: 'beside', kind: 'vm' });
      expect(beside.vmId).not.toBe(world.vmId);
      const host = openDouble(world.double);
      try {
        const label = 'compare';
        const checkpoint = await host.createRecoveryCheckpoint(beside.vmId, {
          consistency: 'crash',
          allowCrashConsistent: false,
          label,
        });
        for (const [disk, model] of first.models.entries()) {
          const device = await host.openDisk(checkpoint, disk);
          expect((await content(device)).equals(model)).toBe(true);
          await device.close();
        }
        await host.removeCheckpoint(checkpoint.id);
      } finally {
        await host.close();
      }
      const over = await world.restore(last.id, { replace: true, kind: 'data' });
      expect(over).toMatchObject({ vmId: world.vmId, replaced: true });
      // Its change tracking began anew.
      const again = await world.backup();
      expect(again.disks.map((disk) => disk.mode)).toEqual(['full', 'full']);
      expect(await world.holds(again.restorePointId, last.models)).toBe(true);
    } finally {
      await world.close();
      await rm(scratch, { recursive: true, force: true });
    }
  });

  describe('another host', () => {
    it('is read over its share, its changes asked for over WMI from region to region', async () => {
      const world = await HyperVWorld.create(await makeScratch('hyperv-remote'));
      try {
        const first = await world.backup({}, 'hyperv:NODE7');
        expect(first.mode).toBe('full');
        const ways = [
          {},
          { refusesWholeLength: true },
          { processedMost: 3 * MIB },
          { processedMost: MIB, refusesWholeLength: true },
        ];
        for (const [n, behaviour] of ways.entries()) {
          world.behave(behaviour);
          await world.write(0, n * MIB, Buffer.alloc(3000, n + 1));
          await world.write(0, 8 * MIB - 512, Buffer.alloc(512, n + 1));
          const { mode, restorePointId, disks } = await world.backup({}, 'hyperv:NODE7');
          expect(mode).toBe('incremental');
          expect(disks[0]!.changedBytes).toBeLessThanOrEqual(16 * 1024);
          expect(await world.holds(restorePointId)).toBe(true);
        }
        world.behave({ processesNothing: true });
        const stuck = await world.backup({}, 'hyperv:NODE7');
        expect(stuck.disks[0]).toMatchObject({ mode: 'full', reason: expect.stringMatching(/processed nothing/) });
        expect(await world.holds(stuck.restorePointId)).toBe(true);
      } finally {
        world.behave({});
        await world.close();
      }
    });

    it('is read in full where no id of the freeze can be had', async () => {
      const settings = { WMI_DOUBLE_NO_REMOTE_TRACKING: '1' };
      const world = await HyperVWorld.create(await makeScratch('hyperv-remote'), [4 * MIB], { settings });
      try {
        await world.backup({}, 'hyperv:NODE7');
        const next = await world.backup({}, 'hyperv:NODE7');
        expect(next.disks[0]).toMatchObject({ mode: 'full', reason: expect.stringMatching(/not tracked/) });
      } finally {
        await world.close();
      }
    });

    it('answers WMI queries as virtdisk does', async () => {
      const world = await HyperVWorld.create(await makeScratch('hyperv-remote'), [8 * MIB]);
      const [near, far] = [openDouble(world.double), openDouble(world.double, 'NODE7')];
      try {
        const label = 'x';
        const request = { consistency: 'crash' as const, allowCrashConsistent: false, label };
        const first = await near.createRecoveryCheckpoint(world.vmId, request);
        await near.convertToReferencePoint(first.id);
        for (let n = 0; n < 20; n++) await world.write(0, n * 400_000, Buffer.alloc(700, n));
        const second = await near.createRecoveryCheckpoint(world.vmId, request);
        world.behave({ processedMost: 777 * 512 });
        const ids = first.disks[0]!.rctId!;
        expect(bytesOf(await changes(far, second, 0, ids))).toEqual(bytesOf(await changes(near, second, 0, ids)));
      } finally {
        world.behave({});
        await near.close();
        await far.close();
        await world.close();
      }
    });
  });
});

/** Ranges as the set of 512-byte sectors they cover: how they are cut does not matter. */
function bytesOf(ranges: { offset: number; length: number }[]): number[] {
  return ranges.flatMap(({ offset, length }) => Array.from({ length: length / 512 }, (_, n) => offset / 512 + n));
}

/** Reading through WMI exports, on the doubles: full and differential, content compared with what the guest wrote. */
import { existsSync } from 'node:fs';
import { mkdir, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import * as operations from '../../../../backend/src/operations/index.ts';
import { ShowVmParams } from '../../../../backend/src/schema/host.ts';
import { ownerHere } from '../../../../backend/src/support/owner.ts';
import type { Behaviour } from '../../../helper/double/state.ts';
import { makeScratch } from '../../support/scratch.ts';
import { pwsh } from './hyperv-double.ts';
import { HyperVWorld, MIB } from './hyperv-world.ts';

const FAR = 'hyperv:NODE7';
const DEAD_PID = 2 ** 22 + 12345;

describe.skipIf(!pwsh)('Hyper-V read through exports (skipped without pwsh)', () => {
  let world: HyperVWorld;
  let folder: string;
  let number = 0;
  const start = async (settings?: Record<string, string>): Promise<void> => {
    world = await HyperVWorld.create(await makeScratch('hyperv-export'), [8 * MIB, 4 * MIB], { settings });
    folder = join(world.folder, "staging it's [1] $(x)");
    await world.write(0, 0, Buffer.alloc(2 * MIB, 1));
    await world.write(1, MIB, Buffer.alloc(MIB, 2));
  };
  afterEach(async () => {
    world?.behave({});
    await world?.close();
  });

  /** A write, a backup by exports, that it holds the guest's disks, and that nothing is left of the exports. */
  async function next(more: object = {}, host = 'hyperv:') {
    await world.write(0, 5 * MIB + (number % 8) * 8192, Buffer.alloc(700, ++number));
    const params = { readMethod: 'export', exportFolder: folder, ...more };
    const result = await world.backup(params, host);
    expect(await world.holds(result.restorePointId)).toBe(true);
    if (existsSync(folder)) expect(await readdir(folder)).toEqual([]);
    return result;
  }
  const modes = (result: { disks: { mode: string }[] }): string[] => result.disks.map((disk) => disk.mode);

  describe('as the reference has them', () => {
    beforeEach(() => start());

    it('a full, then differentials over our reference point, a disk an export', async () => {
      const first = await next();
      expect(modes(first)).toEqual(['full', 'full']);
      expect(first.disks[0]).toMatchObject({ method: 'export', methodReason: expect.stringMatching(/asked for/) });
      expect(world.exports).toEqual([
        { directory: expect.stringContaining(folder), base: '', excluded: 1 },
        { directory: expect.stringContaining(folder), base: '', excluded: 1 },
      ]);
      for (let run = 0; run < 3; run++) {
        await world.write(1, run * 4096, Buffer.alloc(4096));
        const result = await next();
        expect(result.warnings).toEqual([]);
        expect(modes(result)).toEqual(['incremental', 'incremental']);
        expect(result.disks[0]!.changedBytes).toBeLessThanOrEqual(64 * 1024);
        expect(await world.sim.listReferencePoints(world.vmId)).toHaveLength(1);
      }
      const bases = world.exports.slice(2).map(({ base }) => base);
      expect(bases).toHaveLength(6);
      expect(bases.every((base) => base.includes(':Msvm_VirtualSystemReferencePoint.InstanceID="'))).toBe(true);
      // Another way goes on from there, and back.
      expect(modes(await next({ readMethod: 'native' }))).toEqual(['incremental', 'incremental']);
      expect(modes(await next())).toEqual(['incremental', 'incremental']);
    });

    it.each<[string, Behaviour]>([
      ['whole chains', { exportLayout: 'chain' }],
      ['copies with names and identities of their own', { exportLayout: 'copies' }],
      ['an answer without a job', { synchronous: ['ExportSystemDefinition'] }],
    ])('exports are %s', async (_name, behaviour) => {
      await world.sim.createRecoveryCheckpoint(world.vmId, {
        consistency: 'crash',
        allowCrashConsistent: false,
        label: 'Other product',
      });
      await world.write(0, MIB, Buffer.alloc(MIB, 9));
      world.behave(behaviour);
      expect(modes(await next())).toEqual(['full', 'full']);
      expect(modes(await next())).toEqual(['incremental', 'incremental']);
    });

    it.each<[string, Behaviour, RegExp]>([
      [
        'is refused',
        { refusesDifferential: 'The base is gone. (0x80041002)' },
        /TRACKING_LOST.*differential.*The base is gone/,
      ],
      ['gives a disk without parent', { differentialGives: 'whole' }, /TRACKING_INCONSISTENT.*not a differencing disk/],
    ])('a differential that %s: full, with the reason', async (_name, behaviour, reason) => {
      await next();
      world.behave(behaviour);
      const result = await next();
      expect(modes(result)).toEqual(['full', 'full']);
      expect(result.disks[0]!.reason).toMatch(reason);
      world.behave({});
      expect(modes(await next())).toEqual(['incremental', 'incremental']);
    });

    it("the reference point's ids are not the frozen disks': nothing written meanwhile is lost", async () => {
      await world.sim.setFault({ name: 'reference-point-rct-id-differs', vmId: world.vmId });
      for (const differentialFromIds of [true, false]) {
        world.behave({ differentialFromIds });
        const { result, before } = await world.backupWithWrite(0, MIB + 512, Buffer.alloc(1024, 5));
        expect(await world.holds(result.restorePointId, before)).toBe(true);
        expect((await next()).disks[0]).toMatchObject({
          mode: 'full',
          reason: expect.stringMatching(/no reference point that was sealed/),
        });
      }
    });

    it('a failed export: the host is quoted, nothing is left, the next one succeeds', async () => {
      await mkdir(folder);
      const cases: [Behaviour, string, RegExp][] = [
        [
          { jobFails: { ExportSystemDefinition: { errorCode: 32768, error: 'It broke.' } } },
          'EXPORT_FAILED',
          /It broke/,
        ],
        [{ exportBreaksOff: 'There is not enough space on the disk. (0x80070070)' }, 'DISK_FULL', /not enough space/],
        [{ exportBreaksOff: 'Access is denied. (0x80070005)' }, 'ACCESS_DENIED', /denied/],
        [{ exportBreaksOff: 'The network path was not found. (0x80070035)' }, 'FILE_NOT_FOUND', /network path/],
        [{ returns: { ExportSystemDefinition: 32775 } }, 'EXPORT_FAILED', /32775, invalid state/],
      ];
      for (const [behaviour, code, message] of cases) {
        world.behave(behaviour);
        await expect(next()).rejects.toMatchObject({ code, message: expect.stringMatching(message) });
        expect(await readdir(folder)).toEqual([]);
        expect(await world.checkpoints()).toEqual([]);
      }
      world.behave({});
      await next();
    });

    it('a folder that cannot be used: said before the host is asked', async () => {
      await writeFile(folder, 'a file');
      await expect(next()).rejects.toMatchObject({ code: 'EXPORT_FAILED', message: expect.stringContaining(folder) });
      await expect(next({ exportFolder: 'staging' })).rejects.toMatchObject({ code: 'USAGE' });
      expect(world.exports).toEqual([]);
      expect(await world.checkpoints()).toEqual([]);
    });

    it('without a folder: one below the host folder for disks, and readiness says so', async () => {
      const result = await next({ exportFolder: undefined });
      expect(result.disks[0]).toMatchObject({ method: 'export' });
      const own = join(`${world.directory}.disks`, 'hvbackup-export');
      expect(world.exports[0]!.directory).toContain(own);
      expect(await readdir(own)).toEqual([]);
      const params = ShowVmParams.parse({ host: 'hyperv:', vm: 'guest', readMethod: 'export' });
      const { readiness } = await operations.showVm(params, {});
      expect(readiness).toMatchObject({ method: 'export', changes: 'export', exportFolder: own });
    });

    it('the host does not resume merging: the result says so', async () => {
      world.behave({ exportStopsMerging: true });
      const result = await next();
      expect(result.warnings.join()).toMatch(/not resumed merging .* disk 0, 1.*vmms/);
      // It is still at it.
      world.behave({});
      expect((await next()).warnings.join()).toMatch(/is merging .* disk 0, 1/);
      await world.sim.clearFaults();
      expect((await next()).warnings).toEqual([]);
    });

    it('the helper dies while the host exports: the next one waits for the job; unheard of, the disk is read in full', async () => {
      await next();
      // And what a backend that died left of its exports goes with the next run.
      const stem = `hvbackup-${'A'.repeat(26)}`;
      const owner = {
        schema: 1,
        owner: { ...ownerHere(), pid: DEAD_PID },
        vmId: 'v',
        checkpointId: 'c',
        startedAt: 'x',
      };
      await mkdir(join(folder, stem, 'Virtual Hard Disks'), { recursive: true });
      await writeFile(join(folder, `${stem}.json`), JSON.stringify(owner));
      world.behave({ kill: 'ExportSystemDefinition:look' });
      const waited = await next();
      expect(modes(waited)).toEqual(['incremental', 'incremental']);
      expect(waited.warnings).toEqual([expect.stringMatching(/export that an interrupted backup .* was removed/)]);
      world.behave({ kill: 'ExportSystemDefinition:after' });
      const unheard = await next();
      expect(modes(unheard)).toEqual(['full', 'incremental']);
      expect(unheard.disks[0]!.reason).toMatch(/HELPER_FAILED/);
      expect(await world.checkpoints()).toEqual([]);
    });
  });

  it('a host before 1709 exports all disks at once; each export serves them all', async () => {
    await start({ WMI_DOUBLE_BEFORE_1709: '1' });
    expect(modes(await next())).toEqual(['full', 'full']);
    expect(modes(await next())).toEqual(['incremental', 'incremental']);
    expect(world.exports.map(({ base, excluded }) => [base !== '', excluded])).toEqual([
      [false, 0],
      [true, 0],
    ]);
  });

  it('another host, of which neither ids nor changes nor files can be had from here', async () => {
    await start({ WMI_DOUBLE_NO_REMOTE_TRACKING: '1' });
    expect(modes(await next({}, FAR))).toEqual(['full', 'full']);
    const second = await next({}, FAR);
    expect(modes(second)).toEqual(['incremental', 'incremental']);
    expect(world.calls).not.toContain('GetVirtualDiskChanges');
    // Without an id of the freeze only an export can go on from an export.
    const native = await next({ readMethod: 'native' }, FAR);
    expect(native.disks[0]).toMatchObject({ mode: 'full', reason: expect.stringMatching(/not tracked/) });
    const { restorePointId } = await next({ kind: 'data' }, FAR);
    const restored = await world.restore(restorePointId, { newId: true, name: 'beside', kind: 'data' });
    expect(restored.disks).toHaveLength(2);
  });

  it('a host without GetVirtualDiskChanges: changes from exports where a folder is named, else in full', async () => {
    await start();
    await world.backup({}, FAR);
    world.behave({ returns: { GetVirtualDiskChanges: 32770 } });
    const named = await next({ readMethod: 'auto' }, FAR);
    expect(modes(named)).toEqual(['incremental', 'incremental']);
    expect(named.disks[0]).toMatchObject({ method: 'export', methodReason: expect.stringMatching(/32770/) });
    const none = await next({ readMethod: 'auto', exportFolder: undefined }, FAR);
    expect(none.disks[0]).toMatchObject({ mode: 'full', method: 'share', reason: expect.stringMatching(/32770/) });
  });
});

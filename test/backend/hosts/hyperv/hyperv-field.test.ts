/**
 * More of what goes wrong in the field (the list is in docs/hyperv.md): what is said before a
 * backup, in its result, and at a restore.
 */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { openDisk } from '../../../../backend/src/disk/index.ts';
import * as operations from '../../../../backend/src/operations/index.ts';
import { ShowVmParams } from '../../../../backend/src/schema/host.ts';
import { noise } from '../../../fixtures/content.ts';
import { makeScratch } from '../../support/scratch.ts';
import { pwsh } from './hyperv-double.ts';
import { HyperVWorld, MIB } from './hyperv-world.ts';

/** Reference points from which on they are said to slow a VM's start. */
const MANY = 30;

describe.skipIf(!pwsh)('Hyper-V in the field (skipped without pwsh)', () => {
  let world: HyperVWorld;
  beforeEach(async () => {
    world = await HyperVWorld.create(await makeScratch('hyperv-field'), [4 * MIB, 2 * MIB]);
    await world.write(0, 0, Buffer.alloc(2 * MIB, 1));
  });
  afterEach(async () => {
    world.behave({});
    await world.close();
  });

  async function next(more: object = {}, host = 'hyperv:') {
    await world.write(0, 3 * MIB, Buffer.from(`${Math.random()}`.padEnd(600)));
    const result = await world.backup(more, host);
    expect(await world.holds(result.restorePointId)).toBe(true);
    return result;
  }

  /** What is said of the VM before a backup. */
  async function findings() {
    const { readiness } = await operations.showVm(ShowVmParams.parse({ host: 'hyperv:', vm: 'guest' }), {});
    return { ready: readiness!.ready, byCode: new Map(readiness!.findings.map((entry) => [entry.code, entry])) };
  }

  it('the file of a disk was changed behind the host: that disk in full, and what was backed up before stays whole', async () => {
    const before = world.snapshot();
    const first = await world.backup();
    const { disks } = await world.sim.getVm(world.vmId);
    const disk = await openDisk(disks[0]!.path, { writable: true });
    await disk.write(MIB, Buffer.alloc(512, 7));
    await disk.close();
    world.models[0]!.fill(7, MIB, MIB + 512);
    const result = await next();
    expect(result.disks.map(({ mode }) => mode)).toEqual(['full', 'incremental']);
    expect(result.disks[0]!.reason).toMatch(/^TRACKING_CHANGED_OFFLINE: /);
    expect((await next()).disks.map(({ mode }) => mode)).toEqual(['incremental', 'incremental']);
    expect(await world.holds(first.restorePointId, before)).toBe(true);
  });

  it('disks came and went: the new one in full, the others go on', async () => {
    const first = await next();
    const before = world.snapshot();
    await world.sim.addDisk(world.vmId, { size: MIB });
    world.models.push(Buffer.alloc(MIB));
    await world.write(2, 4096, Buffer.alloc(600, 5));
    const added = await next();
    expect(added.disks.map(({ mode }) => mode)).toEqual(['incremental', 'incremental', 'full']);
    expect(added.disks[2]!.reason).toMatch(/added/);
    await world.sim.removeDisk(world.vmId, 1);
    world.models.splice(1, 1);
    expect((await next()).disks.map(({ mode }) => mode)).toEqual(['incremental', 'incremental']);
    expect(await world.holds(first.restorePointId, before)).toBe(true);
  });

  it('a backup died, and the VM is reached under another address since: its checkpoint is found there', async () => {
    world.behave({ jobFails: { ConvertToReferencePoint: { errorCode: 32768, error: 'The node went.' } } });
    await next();
    expect(await world.checkpoints()).toHaveLength(1);
    world.behave({});
    const result = await next({}, 'hyperv:NODE7');
    expect(result.warnings.join()).toMatch(/was interrupted: .*became the reference point/);
    expect(await world.checkpoints()).toEqual([]);
    expect(await world.sim.listReferencePoints(world.vmId)).toHaveLength(1);
    expect((await next({}, 'hyperv:NODE7')).mode).toBe('incremental');
  });

  it('a configuration version without change tracking: said before, and when the checkpoint fails', async () => {
    world.behave({ version: '5.0' });
    const { ready, byCode } = await findings();
    expect(ready).toBe(false);
    expect(byCode.get('CONFIGURATION_VERSION')!.advice).toMatch(/Update-VMVersion/);
    for (const more of [{}, { consistency: 'crash' }, { allowCrashConsistent: true }]) {
      await expect(world.backup(more)).rejects.toMatchObject({
        code: 'CHECKPOINT_FAILED',
        message: expect.stringMatching(/32775, invalid state.*configuration version is 5\.0/s),
        advice: expect.stringMatching(/Update-VMVersion/),
      });
    }
    world.behave({});
    await next();
  });

  it('the merge goes on after the job, or fails: said, with where to look; backups go on', async () => {
    await next();
    await world.sim.setFault({ name: 'merge-stuck', vmId: world.vmId });
    await next();
    expect((await findings()).byCode.has('MERGING')).toBe(true);
    // The host is not at it (any more).
    world.behave({ exportStopsMerging: true });
    const { ready, byCode } = await findings();
    expect(ready).toBe(true);
    expect(byCode.get('MERGE_FAILED')).toMatchObject({ advice: expect.stringMatching(/19090 .*never merge by hand/) });
    expect((await next()).mode).toBe('incremental');
    world.behave({});
    await world.sim.clearFaults();
    await next();
    expect((await findings()).byCode.size).toBe(0);
  });

  it(`${MANY} reference points of others: said; ours is one, and theirs stay`, async () => {
    const crash = { consistency: 'crash', allowCrashConsistent: false, label: 'Other product' } as const;
    for (let n = 0; n < MANY; n++) {
      const { id } = await world.sim.createRecoveryCheckpoint(world.vmId, crash);
      await world.sim.convertToReferencePoint(id);
    }
    expect((await findings()).byCode.get('MANY_REFERENCE_POINTS')!.message).toContain(`${MANY} reference points`);
    await next();
    expect((await next()).mode).toBe('incremental');
    expect(await world.sim.listReferencePoints(world.vmId)).toHaveLength(MANY + 1);
  });

  it('a virtual TPM: said before the backup what another host cannot open, and at the restore', async () => {
    await world.sim.configureVm(world.vmId, { tpm: true });
    expect((await findings()).byCode.get('VIRTUAL_TPM')!.advice).toMatch(/guardian certificates/);
    const { restorePointId } = await next();
    const whole = await world.restore(restorePointId, { newId: true, name: 'whole' });
    expect(whole.warnings.join()).toMatch(/TPM's content opens only where the key protector/);
    const data = await world.restore(restorePointId, { newId: true, name: 'data', kind: 'data' });
    expect(data.warnings.join()).toMatch(/has no virtual TPM/);
  });

  it('disks that several VMs were made from: what they share is stored once', async () => {
    await world.write(0, 0, noise(2 * MIB, 6));
    const first = await next();
    const { disks } = await world.sim.getVm(world.vmId);
    const twin = await world.sim.createVm({ name: 'twin', disks: [{ file: disks[0]!.path }] });
    const second = await world.backup({ vm: twin.vm.id });
    expect(await world.holds(second.restorePointId, [world.models[0]!])).toBe(true);
    expect(first.disks[0]!.newBytes).toBeGreaterThan(MIB);
    expect(second.disks[0]!.newBytes).toBeLessThan(first.disks[0]!.newBytes / 10);
  });
});

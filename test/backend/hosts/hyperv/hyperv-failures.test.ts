/**
 * What goes wrong in the field (docs/hyperv.md), made by the doubles: the result says what happened, and no data
 * is wrong.
 */
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { openHyperVHost } from '../../../../backend/src/hosts/hyperv/index.ts';
import type { RecoveryCheckpoint } from '../../../../backend/src/hosts/port.ts';
import { makeScratch } from '../../support/scratch.ts';
import { openDouble, pwsh } from './hyperv-double.ts';
import { HyperVWorld, MIB } from './hyperv-world.ts';

describe.skipIf(!pwsh)('Hyper-V: what goes wrong (skipped without pwsh)', () => {
  let world: HyperVWorld;
  beforeEach(async () => {
    world = await HyperVWorld.create(await makeScratch('hyperv-failures'));
    await world.write(0, 0, Buffer.alloc(2 * MIB, 1));
  });
  afterEach(async () => {
    world.behave({});
    await world.close();
  });

  const someoneElses = (): Promise<RecoveryCheckpoint> =>
    world.sim.createRecoveryCheckpoint(world.vmId, {
      consistency: 'crash',
      allowCrashConsistent: false,
      label: 'Other product',
    });

  /** A write, a backup, and that it holds the guest's disks. */
  async function next(more: object = {}) {
    await world.write(0, 5 * MIB, Buffer.from(`${Math.random()}`.padEnd(600)));
    const result = await world.backup(more);
    expect(await world.holds(result.restorePointId)).toBe(true);
    return result;
  }

  it('our base was deleted by another product: a full, not an error; and theirs stay', async () => {
    const theirs = await world.sim.convertToReferencePoint((await someoneElses()).id);
    await next();
    const points = await world.sim.listReferencePoints(world.vmId);
    await world.sim.removeReferencePoint(points.find((point) => point.id !== theirs.id)!.id);
    const result = await next();
    expect(result.disks[0]).toMatchObject({ mode: 'full', reason: expect.stringMatching(/no reference point/) });
    expect((await next()).mode).toBe('incremental');
    expect((await world.sim.listReferencePoints(world.vmId)).map((point) => point.id)).toContain(theirs.id);
    // Exactly what the chains need.
    expect(await world.sim.listReferencePoints(world.vmId)).toHaveLength(2);
  });

  it('tracking lost, and refused, on one disk: that disk in full', async () => {
    await next();
    await world.sim.setFault({ name: 'tracking-lost', vmId: world.vmId, disk: 0, count: 1 });
    const lost = await next();
    expect(lost.disks.map((disk) => disk.mode)).toEqual(['full', 'incremental']);
    expect(lost.disks[0]!.reason).toMatch(/TRACKING_/);
    await world.sim.setFault({ name: 'query-fails', vmId: world.vmId, disk: 1, count: 1 });
    const refused = await next();
    expect(refused.disks.map((disk) => disk.mode)).toEqual(['incremental', 'full']);
  });

  it('a disk was resized, replaced: in full, with the reason', async () => {
    await next();
    await world.sim.resizeDisk(world.vmId, 1, 6 * MIB);
    world.models[1] = Buffer.concat([world.models[1]!, Buffer.alloc(2 * MIB)]);
    expect((await next()).disks[1]).toMatchObject({ mode: 'full', reason: expect.stringMatching(/resized/) });
    await world.sim.replaceDisk(world.vmId, 1, { size: 6 * MIB });
    world.models[1] = Buffer.alloc(6 * MIB);
    expect((await next()).disks[1]).toMatchObject({ mode: 'full', reason: expect.stringMatching(/replaced/) });
    expect((await next()).mode).toBe('incremental');
  });

  it('a checkpoint was applied: in full', async () => {
    await next();
    await world.sim.configureVm(world.vmId, { lastAppliedCheckpoint: 'aaaaaaaa-0000-4000-8000-000000000001' });
    expect((await next()).disks[0]).toMatchObject({
      mode: 'full',
      reason: expect.stringMatching(/checkpoint was applied/),
    });
  });

  it("the reference point's id is not the frozen disk's: nothing written meanwhile is lost", async () => {
    for (const differs of [true, false]) {
      if (differs) await world.sim.setFault({ name: 'reference-point-rct-id-differs', vmId: world.vmId });
      else await world.sim.clearFaults();
      for (let run = 0; run < 3; run++) {
        const { result, before } = await world.backupWithWrite(0, run * MIB + 512, Buffer.alloc(1024, run + 5));
        expect(await world.holds(result.restorePointId, before)).toBe(true);
      }
      expect((await next()).mode).toBe('incremental');
    }
  });

  it('reference points whose arrays do not fit each other: no ids are taken from them', async () => {
    world.behave({ unequalArrays: true });
    await next();
    expect((await next()).mode).toBe('incremental');
    const host = openDouble(world.double);
    expect((await host.listReferencePoints(world.vmId))[0]!.disks).toEqual([]);
    await host.close();
  });

  it('disks in differencing files, unmerged ones and others checkpoints: the whole chain is read', async () => {
    await someoneElses();
    await world.write(0, MIB, Buffer.alloc(MIB, 9));
    await next();
    await world.sim.setFault({ name: 'merge-stuck', vmId: world.vmId });
    const [theirs] = await world.checkpoints();
    await world.sim.removeCheckpoint(theirs!);
    const host = openDouble(world.double);
    expect((await host.getVm(world.vmId)).disks[0]!.path).toMatch(/\.avhdx$/);
    expect((await host.mergeState(world.vmId)).length).toBeGreaterThan(0);
    await host.close();
    expect((await next()).mode).toBe('incremental');
    await world.sim.clearFaults();
    expect((await next()).mode).toBe('incremental');
  });

  it('a pass-through disk: skipped, and said', async () => {
    world.behave({ passThrough: true });
    const result = await world.backup();
    expect(result.disks).toHaveLength(3);
    expect(result.disks[2]).toMatchObject({ skipped: expect.stringMatching(/pass-through/) });
    expect(result.warnings.join()).toMatch(/Disk 2 .*pass-through/);
  });

  it('the guest cannot be quiesced: an error that says why; crash-consistent where allowed, and said', async () => {
    world.behave({ noVss: true, jobFails: { CreateSnapshot: { errorCode: 32768, error: 'It failed.' } } });
    await expect(world.backup()).rejects.toMatchObject({
      code: 'CONSISTENCY_NOT_POSSIBLE',
      message: expect.stringMatching(/integration service.*It failed/s),
    });
    world.behave({});
    await world.sim.setFault({ name: 'application-consistency-refused', vmId: world.vmId });
    const result = await next({ allowCrashConsistent: true });
    expect(result).toMatchObject({ consistency: 'crash', warnings: [expect.stringMatching(/crash-consistent/)] });
  });

  it('a checkpoint fails for another reason: the host is quoted', async () => {
    world.behave({ jobFails: { CreateSnapshot: { errorCode: 32778, error: 'Not enough storage (0x80070008).' } } });
    await expect(world.backup()).rejects.toMatchObject({
      code: 'CHECKPOINT_FAILED',
      message: expect.stringMatching(/CreateSnapshot.*error 32778.*Not enough storage/),
    });
    world.behave({ returns: { CreateSnapshot: 32775 } });
    await expect(world.backup()).rejects.toMatchObject({
      code: 'CHECKPOINT_FAILED',
      message: expect.stringMatching(/32775, invalid state/),
    });
    world.behave({ returns: { CreateSnapshot: 32769 } });
    await expect(world.backup()).rejects.toMatchObject({ code: 'ACCESS_DENIED' });
    world.behave({ accessDenied: true });
    await expect(world.backup()).rejects.toMatchObject({
      code: 'ACCESS_DENIED',
      advice: expect.stringMatching(/Administrators/),
    });
    expect(await world.checkpoints()).toEqual([]);
    world.behave({});
    await next();
  });

  it('jobs that are gone, not associated, or never were: the same result', async () => {
    const ways = [
      { vanishes: ['CreateSnapshot', 'ConvertToReferencePoint'] },
      { unassociated: true },
      { synchronous: ['CreateSnapshot', 'ConvertToReferencePoint', 'DestroySnapshot', 'DestroyReferencePoint'] },
    ];
    for (const [n, behaviour] of ways.entries()) {
      world.behave(behaviour);
      const result = await next();
      expect(result.mode).toBe(n === 0 ? 'full' : 'incremental');
      expect(result.warnings).toEqual([]);
      expect(await world.sim.listReferencePoints(world.vmId)).toHaveLength(1);
    }
  });

  it('the checkpoint is not converted: the point stands; the next run converts, or removes it where the host never does', async () => {
    const refuses = { jobFails: { ConvertToReferencePoint: { errorCode: 32775, error: 'Merge in progress.' } } };
    world.behave(refuses);
    const first = await next();
    expect(first.warnings.join()).toMatch(/could not be turned into a reference point.*Merge in progress/);
    expect(await world.checkpoints()).toHaveLength(1);
    world.behave({});
    const second = await next();
    expect(second.warnings.join()).toMatch(/became the reference point/);
    expect(second.mode).toBe('incremental');
    world.behave(refuses);
    await next();
    const fourth = await next();
    expect(fourth.warnings.join()).toMatch(/does not turn its checkpoint .*Merge in progress.*removed/);
    // And where it can neither be converted nor removed, the backup goes on nevertheless.
    world.behave({ jobFails: { ...refuses.jobFails, DestroySnapshot: { errorCode: 32775, error: 'In use.' } } });
    const fifth = await next();
    expect(fifth.warnings.join()).toMatch(/does not let its checkpoint .* be cleaned up .*In use/);
    world.behave({});
    const last = await next();
    expect(last.warnings.join()).toMatch(/became the reference point/);
    expect(await world.checkpoints()).toEqual([]);
  });

  it('the checkpoint ends while it is read: what was read is not used', async () => {
    const host = openDouble(world.double);
    const request = { consistency: 'crash' as const, allowCrashConsistent: false, label: 'x' };
    const checkpoint = await host.createRecoveryCheckpoint(world.vmId, request);
    const device = await host.openDisk(checkpoint, 0);
    await device.read(0, Buffer.alloc(4096));
    await world.sim.removeCheckpoint(checkpoint.id);
    await expect(device.close()).rejects.toMatchObject({ code: 'CHECKPOINT_NOT_FOUND' });
    await host.close();
  });

  it('the VM is of generation 1, with the same name as another', async () => {
    const sizes = [2 * MIB, 2 * MIB, 2 * MIB, 2 * MIB, 2 * MIB];
    const { vm } = await world.sim.createVm({ name: 'GUEST', generation: 1, disks: sizes.map((size) => ({ size })) });
    await expect(world.backup()).rejects.toMatchObject({ code: 'VM_AMBIGUOUS' });
    const bootOrder = ['HardDrive', 'Optical', 'Network', 'Floppy'];
    await world.sim.configureVm(vm.id, { bootOrder });
    world.vmId = vm.id;
    world.models = sizes.map((size) => Buffer.alloc(size));
    for (const disk of sizes.keys()) await world.write(disk, disk * 4096, Buffer.alloc(9000, disk + 1));
    const result = await world.backup({ vm: vm.id });
    expect(await world.holds(result.restorePointId)).toBe(true);
    const restored = await world.restore(result.restorePointId, { newId: true, name: 'other' });
    expect(restored.disks).toHaveLength(5);
    const data = await world.restore(result.restorePointId, { newId: true, name: 'third', kind: 'data' });
    const made = await world.sim.getVm(data.vmId);
    expect(made).toMatchObject({ generation: 1, bootOrder });
    expect(
      made.disks.map((disk) => `${disk.controllerType} ${disk.controllerNumber}:${disk.controllerLocation}`),
    ).toEqual(vm.disks.map((disk) => `${disk.controllerType} ${disk.controllerNumber}:${disk.controllerLocation}`));
  });

  describe('restoring', () => {
    let point: string;
    beforeEach(async () => {
      point = (await world.backup()).restorePointId;
    });

    it('on a host that gives its own ids: the VM is made, and its id is said', async () => {
      world.behave({ keepsId: false });
      await world.sim.removeVm(world.vmId);
      const restored = await world.restore(point, { kind: 'data' });
      expect(restored.vmId).not.toBe(world.vmId);
      expect(restored.warnings.join()).toMatch(/gave the VM the id/);
    });

    it('a VM that does not fit: nothing is left', async () => {
      const before = await world.sim.listVms();
      world.behave({ jobFails: { ValidatePlannedSystem: { errorCode: 32768, error: 'Too little memory.' } } });
      await expect(world.restore(point, { newId: true })).rejects.toMatchObject({
        message: expect.stringMatching(/Too little memory/),
      });
      world.behave({});
      const host = openHyperVHost(undefined);
      expect(await host.listVms()).toEqual(before);
      await host.close();
    });

    it('over a VM, and the new one cannot be made: the old one comes back', async () => {
      await world.write(1, 0, Buffer.alloc(512, 77));
      world.behave({ jobFails: { DefinePlannedSystem: { errorCode: 32768, error: 'No.' } } });
      await expect(world.restore(point, { replace: true, kind: 'data' })).rejects.toMatchObject({
        message: expect.stringMatching(/No\..* is as it was/s),
      });
      world.behave({});
      const vm = await world.sim.getVm(world.vmId);
      expect(vm.name).toBe('guest');
      const after = await world.backup();
      expect(await world.holds(after.restorePointId)).toBe(true);
    });
  });
});

describe.skipIf(!pwsh)('Hyper-V: killed helpers (skipped without pwsh)', () => {
  let world: HyperVWorld;
  let foreign: string;
  beforeAll(async () => {
    world = await HyperVWorld.create(await makeScratch('hyperv-killed'), [4 * MIB]);
    const request = { consistency: 'crash' as const, allowCrashConsistent: false, label: 'Other product' };
    foreign = (await world.sim.createRecoveryCheckpoint(world.vmId, request)).id;
    await world.backup();
  });
  afterAll(async () => {
    world?.behave({});
    await world?.close();
  });

  it.each([
    'CreateSnapshot:before',
    'CreateSnapshot:after',
    'ModifySystemSettings:before',
    'ModifySystemSettings:after',
    'GetVirtualHardDiskSettingData:before',
    'ConvertToReferencePoint:before',
    'ConvertToReferencePoint:after',
    'DestroyReferencePoint:before',
    'DestroyReferencePoint:after',
  ])('at %s: the next run cleans up after it, and nobody else', async (kill) => {
    await world.write(0, 0, Buffer.from(`${kill} ${Math.random()}`));
    world.behave({ kill });
    const died = await world.backup().then(
      async (result) => expect(await world.holds(result.restorePointId)).toBe(true),
      (error) => expect(error).toMatchObject({ code: expect.stringMatching(/HELPER_FAILED|CHECKPOINT_/) }),
    );
    void died;
    world.behave({});
    await world.write(0, 4096, Buffer.from(`after ${kill}`));
    const result = await world.backup();
    expect(await world.holds(result.restorePointId)).toBe(true);
    const left = (await world.checkpoints()).filter((id) => id !== foreign);
    expect(await world.checkpoints()).toContain(foreign);
    if (kill.startsWith('CreateSnapshot')) {
      // The host goes on with what it was called for; of that one moment nobody can prove whose it is: it is named, not
      // touched.
      expect(result.warnings.join()).toContain(left[0]);
      await world.sim.removeCheckpoint(left[0]!);
    } else expect(left).toEqual([]);
  });
});

/** The failures of real life, one by one. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { scratchForEach } from '../../support/scratch.ts';
import { codeOf, MIB, SimWorld } from '../support.ts';

describe('simulated host, faults', () => {
  const scratch = scratchForEach('sim-faults');
  let world: SimWorld;
  beforeEach(async () => {
    world = await SimWorld.create(await scratch(), [4 * MIB, 4 * MIB]);
  });
  afterEach(() => world.host.close());

  const application = { consistency: 'application' as const, allowCrashConsistent: false, label: 'test' };

  it('are kept for every process, counted, and cleared', async () => {
    const { host, vmId } = world;
    await host.setFault({ name: 'checkpoint-fails', vmId, count: 2, after: 1 });
    await host.setFault({ name: 'query-fails', disk: 1 });
    await world.reopen();
    expect(await world.host.listFaults()).toEqual([
      { name: 'checkpoint-fails', vmId, count: 2, after: 1 },
      { name: 'query-fails', disk: 1 },
    ]);
    const codes: (string | undefined)[] = [];
    for (let i = 0; i < 4; i++) codes.push(await codeOf(world.checkpoint()));
    expect(codes).toEqual([undefined, 'CHECKPOINT_FAILED', 'CHECKPOINT_FAILED', undefined]);
    await world.host.clearFaults();
    expect(await world.host.listFaults()).toEqual([]);
    await expect(world.host.setFault({ name: 'nonsense' as 'query-fails' })).rejects.toMatchObject({ code: 'USAGE' });
  });

  it('concern one VM only when they are set for it', async () => {
    await world.host.setFault({ name: 'checkpoint-fails', vmId: world.vmId });
    const { vm } = await world.host.createVm({ name: 'other' });
    expect(await codeOf(world.host.createRecoveryCheckpoint(vm.id, application))).toBeUndefined();
    expect(await codeOf(world.checkpoint())).toBe('CHECKPOINT_FAILED');
  });

  it('application consistency refused', async () => {
    await world.host.setFault({ name: 'application-consistency-refused' });
    expect(await codeOf(world.host.createRecoveryCheckpoint(world.vmId, application))).toBe('CONSISTENCY_NOT_POSSIBLE');
    const allowed = { ...application, allowCrashConsistent: true };
    expect((await world.host.createRecoveryCheckpoint(world.vmId, allowed)).consistency).toBe('crash');
  });

  it('tracking lost, of one disk', async () => {
    const ids = await world.backup();
    await world.host.setFault({ name: 'tracking-lost', disk: 0, count: 1 });
    const checkpoint = await world.checkpoint();
    expect(await codeOf(world.changes(checkpoint, ids[0]!, 0))).toBe('TRACKING_LOST');
    expect(await world.changes(checkpoint, ids[1]!, 1)).toEqual([]);
    // It starts anew with the same checkpoint.
    const point = await world.host.convertToReferencePoint(checkpoint.id);
    await world.write(0, { offset: 0, fill: 1, length: 512 });
    const next = await world.checkpoint();
    expect(await world.changes(next, point.disks[0]!.rctId, 0)).toEqual([{ offset: 0, length: 4096 }]);
  });

  it('a reference point whose RCT id is newer than the freeze', async () => {
    await world.host.setFault({ name: 'reference-point-rct-id-differs', disk: 0, count: 1 });
    const checkpoint = await world.checkpoint();
    await world.write(0, { offset: 0, fill: 1, length: 512 });
    const point = await world.host.convertToReferencePoint(checkpoint.id);
    const [frozen, later] = [checkpoint.disks[0]!.rctId!, point.disks[0]!.rctId];
    expect(later).not.toBe(frozen);
    expect(point.disks[1]!.rctId).toBe(checkpoint.disks[1]!.rctId);
    const next = await world.checkpoint();
    // Who trusts the newer id misses what was written while the checkpoint stood.
    expect(await world.changes(next, later, 0)).toEqual([]);
    expect(await world.changes(next, frozen, 0)).toEqual([{ offset: 0, length: 4096 }]);
  });

  it('the query fails', async () => {
    const [id] = await world.backup();
    await world.host.setFault({ name: 'query-fails', count: 1 });
    const checkpoint = await world.checkpoint();
    expect(await codeOf(world.changes(checkpoint, id!))).toBe('TRACKING_INCONSISTENT');
    expect(await world.changes(checkpoint, id!)).toEqual([]);
  });

  it('the conversion fails: the checkpoint stays', async () => {
    await world.host.setFault({ name: 'convert-fails', count: 1 });
    const checkpoint = await world.checkpoint();
    expect(await codeOf(world.host.convertToReferencePoint(checkpoint.id))).toBe('CHECKPOINT_FAILED');
    expect((await world.frozen(checkpoint)).equals(world.models[0]!)).toBe(true);
    expect(await world.host.listReferencePoints(world.vmId)).toEqual([]);
    await world.host.convertToReferencePoint(checkpoint.id);
  });

  it('the host is lost while a disk is read', async () => {
    await world.host.setFault({ name: 'host-lost-during-read', count: 1, after: 2 });
    const checkpoint = await world.checkpoint();
    const device = await world.host.openDisk(checkpoint, 0);
    const codes: (string | undefined)[] = [];
    for (let i = 0; i < 4; i++) codes.push(await codeOf(device.read(i * 4096, Buffer.alloc(4096))));
    expect(codes).toEqual([undefined, undefined, 'HOST_LOST', undefined]);
    await device.close();
  });

  it('a merge that is stuck: everything goes on, and it is made up for', async () => {
    const { host, vmId } = world;
    await world.write(0, { offset: 0, fill: 1, length: 9000 });
    await host.setFault({ name: 'merge-stuck', disk: 0 });
    const [id] = await world.backup();
    expect(await host.mergeState(vmId)).toEqual([{ diskIndex: 0, state: 'merging' }]);
    await world.write(0, { offset: 4096, fill: 2, length: 4096 });
    const checkpoint = await world.checkpoint();
    await world.write(0, { offset: 0, fill: 3, length: 4096 });
    expect(await world.changes(checkpoint, id!)).toEqual([{ offset: 4096, length: 4096 }]);
    expect(checkpoint.disks[0]!.path).toMatch(/\.avhdx$/);
    await host.removeCheckpoint(checkpoint.id);
    expect(await codeOf(host.resizeDisk(vmId, 0, 8 * MIB))).toBe('NOT_SUPPORTED');
    expect((await world.current()).equals(world.models[0]!)).toBe(true);
    await host.clearFaults({ name: 'merge-stuck' });
    expect(await host.mergeState(vmId)).toEqual([]);
    expect((await host.getVm(vmId)).disks[0]!.path).toMatch(/\.vhdx$/);
    expect((await world.current()).equals(world.models[0]!)).toBe(true);
  });
});

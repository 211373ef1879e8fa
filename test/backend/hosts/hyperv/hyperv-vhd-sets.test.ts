/** VHD sets, and VMs in groups: what the documentation says of them, and what is done where a host says less. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { makeScratch } from '../../support/scratch.ts';
import { openDouble, pwsh } from './hyperv-double.ts';
import { HyperVWorld, MIB } from './hyperv-world.ts';

/** The VM's second disk is a VHD set. */
const SET = 1;

describe.skipIf(!pwsh)('Hyper-V: VHD sets and groups of VMs (skipped without pwsh)', () => {
  let world: HyperVWorld;
  beforeEach(async () => {
    world = await HyperVWorld.create(await makeScratch('hyperv-sets'));
    await world.write(0, 0, Buffer.alloc(MIB, 1));
    await world.write(SET, 0, Buffer.alloc(MIB, 2));
    world.behave({ vhdSet: SET });
  });
  afterEach(async () => {
    world.behave({});
    await world.close();
  });

  it('a set is read from the snapshot that the checkpoint has of it: full, incrementals, restore', async () => {
    const points: { id: string; models: Buffer[] }[] = [];
    for (let run = 0; run < 4; run++) {
      await world.write(SET, run * 300_000, Buffer.alloc(5000, run + 3));
      // What the guest writes while the disks are read goes to the next restore point.
      const { result, before } = await world.backupWithWrite(SET, 3 * MIB + run * 4096, Buffer.alloc(512, run + 9));
      expect(result.warnings).toEqual([]);
      expect(result.disks.map((disk) => disk.mode)).toEqual(
        run === 0 ? ['full', 'full'] : ['incremental', 'incremental'],
      );
      if (run > 0) expect(result.disks[SET]!.changedBytes).toBeLessThan(64 * 1024);
      points.push({ id: result.restorePointId, models: before });
    }
    // Changes of the set are asked of WMI, with the snapshot; those of the other disk of virtdisk.dll.
    expect(world.calls.filter((name) => name === 'GetVirtualDiskChanges').length).toBeGreaterThanOrEqual(3);
    for (const { id, models } of points) expect(await world.holds(id, models)).toBe(true);
    const restored = await world.restore(points[1]!.id, { newId: true, name: 'alone' });
    expect(restored.warnings.join()).toMatch(/Disk 1 was a VHD set.* VHDX of this VM alone/);
    world.behave({});
    const again = await world.backup({ vm: restored.vmId });
    expect(await world.holds(again.restorePointId, points[1]!.models)).toBe(true);
    const disk = (await world.sim.getVm(restored.vmId)).disks[SET]!;
    expect(disk).toMatchObject({ format: 'vhdx', path: expect.stringMatching(/\.vhdx$/) });
  });

  it.each<[string, object, RegExp]>([
    ['the checkpoint has no snapshot of it', { vhdSetSnapshots: false }, /has no snapshot of it/],
    ['the host cannot look into it', { vhdSetFails: 32769 }, /cannot be looked into: .*32769, access denied/],
  ])('a set is left out, and said, where %s', async (_why, behaviour, reason) => {
    world.behave({ vhdSet: SET, ...behaviour });
    const result = await world.backup();
    expect(result.disks[SET]).toMatchObject({ skipped: expect.stringMatching(reason) });
    expect(result.warnings.join()).toMatch(/Disk 1 is not in the restore point: it is a VHD set/);
    expect(result.disks[0]!.mode).toBe('full');
    const host = openDouble(world.double);
    const { ready, findings } = await host.readiness(world.vmId);
    await host.close();
    expect(ready).toBe(true);
    const [finding] = findings.filter(({ code }) => code === 'VHD_SET');
    expect(finding).toMatchObject({ severity: 'warning', advice: expect.stringMatching(/within the guest/) });
    if ('vhdSetFails' in behaviour) expect(finding!.message).toMatch(/cannot be looked into \(.*access denied/);
    // The rest of the chain goes on, and the set is in again when it can be.
    world.behave({ vhdSet: SET });
    const next = await world.backup();
    expect(next.disks.map((disk) => disk.mode)).toEqual(['incremental', 'full']);
    expect(await world.holds(next.restorePointId)).toBe(true);
  });

  it('a set without change tracking is read in full each time', async () => {
    world.behave({ vhdSet: SET, vhdSetUntracked: true });
    await world.backup();
    const next = await world.backup();
    expect(next.disks.map((disk) => disk.mode)).toEqual(['incremental', 'full']);
    expect(next.disks[SET]!.reason).toMatch(/not tracked/);
    expect(await world.holds(next.restorePointId)).toBe(true);
  });

  it('a VM in a group is backed up by itself, and that is said; on hosts without groups too', async () => {
    for (const [behaviour, codes] of [
      [{ group: "cluster 'A'" }, ['VM_GROUP']],
      [{ noGroups: true }, []],
      [{}, []],
    ] as const) {
      world.behave(behaviour);
      const host = openDouble(world.double);
      const { findings } = await host.readiness(world.vmId);
      await host.close();
      const found = findings.filter(({ code }) => code === 'VM_GROUP');
      expect(found.map(({ code }) => code)).toEqual(codes);
      if (found[0]) expect(found[0].message).toContain("cluster 'A'");
      expect((await world.backup()).warnings).toEqual([]);
    }
    expect(await world.sim.listReferencePoints(world.vmId)).toHaveLength(1);
  });

  it("checkpoints and reference points of a group are nobody's to end but its own", async () => {
    world.behave({});
    const host = openDouble(world.double);
    try {
      const request = { consistency: 'crash' as const, allowCrashConsistent: false, label: 'Other product' };
      const point = await world.sim.convertToReferencePoint(
        (await world.sim.createRecoveryCheckpoint(world.vmId, request)).id,
      );
      const { id } = await world.sim.createRecoveryCheckpoint(world.vmId, request);
      world.behave({ group: 'cluster', collected: 'all' });
      const refused = { code: 'NOT_SUPPORTED', message: expect.stringMatching(/one of a group of VMs/) };
      await expect(host.removeCheckpoint(id)).rejects.toMatchObject(refused);
      await expect(host.convertToReferencePoint(id)).rejects.toMatchObject(refused);
      await expect(host.removeReferencePoint(point.id)).rejects.toMatchObject(refused);
      expect(await world.checkpoints()).toEqual([id]);
      expect((await world.sim.listReferencePoints(world.vmId)).map((entry) => entry.id)).toEqual([point.id]);
      world.behave({ group: 'cluster', collected: [id, point.id] });
      const result = await world.backup();
      expect(result.warnings).toEqual([]);
      expect(await world.checkpoints()).toEqual([id]);
    } finally {
      await host.close();
    }
  });
});

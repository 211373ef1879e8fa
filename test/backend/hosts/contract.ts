/**
 * What every host adapter must do, whatever hypervisor is behind it: run against `simulated` here, against `hyperv`
 * where there is one. The fixture does what the port cannot: make VMs and write as their guests.
 */
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { createVhdxWriter } from '../../../backend/src/disk/index.ts';
import type { CheckpointRequest, Host } from '../../../backend/src/hosts/port.ts';
import { VmDescription } from '../../../backend/src/schema/vm.ts';
import { switchContract } from './contract-switches.ts';
import { changes, content, frozen, type HostFixture } from './fixture.ts';

const MIB = 2 ** 20;
const SIZES = [8 * MIB, 4 * MIB];
/** Changes are reported at least this finely, bytes. */
const COARSEST = 2 * MIB;

const request = (label: string, more: Partial<CheckpointRequest> = {}): CheckpointRequest => ({
  consistency: 'application',
  allowCrashConsistent: false,
  label,
  ...more,
});

export function hostContract(name: string, open: () => Promise<HostFixture>): void {
  describe(`host contract: ${name}`, () => {
    let fixture: HostFixture;
    let host: Host;
    let vmId: string;
    let models: Buffer[];
    let number = 0;

    beforeAll(async () => {
      fixture = await open();
      host = fixture.host;
    });
    afterAll(() => fixture.close());
    beforeEach(async () => {
      vmId = await fixture.createVm(`contract ${++number}`, SIZES);
      models = SIZES.map((size) => Buffer.alloc(size));
    });

    async function write(disk: number, offset: number, data: Buffer): Promise<void> {
      await fixture.guestWrite(vmId, disk, offset, data);
      data.copy(models[disk]!, offset);
    }
    const snapshot = (): Buffer[] => models.map((model) => Buffer.from(model));

    describe('VMs', () => {
      it('are found by name, whatever its case, and by id', async () => {
        const summary = (await host.listVms()).find((vm) => vm.id === vmId)!;
        expect(summary).toMatchObject({ state: 'Off', generation: 2, disks: 2, size: 12 * MIB });
        for (const key of [vmId, vmId.toUpperCase(), summary.name, summary.name.toUpperCase()]) {
          expect((await host.getVm(key)).id).toBe(vmId);
        }
      });

      it('are described completely', async () => {
        const vm = VmDescription.parse(await host.getVm(vmId));
        expect(vm.disks.map((disk) => disk.size)).toEqual(SIZES);
        expect(vm.disks.map((disk) => disk.index)).toEqual([0, 1]);
        expect(new Set(vm.disks.map((disk) => disk.id)).size).toBe(2);
        expect(new Set(vm.disks.map((disk) => disk.path)).size).toBe(2);
        expect(vm.disks.every((disk) => disk.format === 'vhdx' && disk.logicalSectorSize === 512)).toBe(true);
      });

      it('that are not there are named, with those that are', async () => {
        const known = (await host.listVms()).map((vm) => vm.name);
        await expect(host.getVm('no such VM')).rejects.toMatchObject({ code: 'VM_NOT_FOUND', data: { known } });
      });

      it('of the same name are told apart by id', async () => {
        const twin = await fixture.createVm(`Contract ${number}`, []);
        const error = { code: 'VM_AMBIGUOUS', data: { ids: expect.arrayContaining([twin, vmId]) } };
        await expect(host.getVm(`contract ${number}`)).rejects.toMatchObject(error);
        expect((await host.getVm(twin)).id).toBe(twin);
      });
    });

    describe('recovery checkpoints', () => {
      it('freeze all disks while the guest goes on', async () => {
        await write(0, 4096, Buffer.alloc(10_000, 1));
        await write(1, 0, Buffer.alloc(512, 2));
        const before = snapshot();
        const checkpoint = await host.createRecoveryCheckpoint(vmId, request('freeze'));
        expect(checkpoint).toMatchObject({ vmId, label: 'freeze', consistency: 'application' });
        expect(checkpoint.vm.id).toBe(vmId);
        expect(checkpoint.disks.map((disk) => disk.size)).toEqual(SIZES);
        const device = await host.openDisk(checkpoint, 0);
        await write(0, 5000, Buffer.alloc(5000, 3));
        await write(0, 7 * MIB, Buffer.alloc(5000, 3));
        await write(1, 100, Buffer.alloc(20, 3));
        expect((await content(device)).equals(before[0]!)).toBe(true);
        await device.close();
        expect((await frozen(host, checkpoint, 1)).equals(before[1]!)).toBe(true);
        await host.removeCheckpoint(checkpoint.id);
        const next = await host.createRecoveryCheckpoint(vmId, request('after'));
        expect((await frozen(host, next, 0)).equals(models[0]!)).toBe(true);
        expect((await frozen(host, next, 1)).equals(models[1]!)).toBe(true);
        await host.removeCheckpoint(next.id);
      });

      it('describe the disks as the VM does, and are listed until they end', async () => {
        const vm = await host.getVm(vmId);
        const checkpoint = await host.createRecoveryCheckpoint(vmId, request('mine'));
        expect(checkpoint.disks.map(({ id, size, index }) => ({ id, size, index }))).toEqual(
          vm.disks.map(({ id, size, index }) => ({ id, size, index })),
        );
        expect(checkpoint.disks.every((disk) => disk.rctId !== null)).toBe(true);
        const other = await fixture.reopen();
        expect(await other.listRecoveryCheckpoints(vmId)).toEqual([checkpoint]);
        await other.close();
        await host.removeCheckpoint(checkpoint.id);
        expect(await host.listRecoveryCheckpoints(vmId)).toEqual([]);
        await expect(host.openDisk(checkpoint, 0)).rejects.toMatchObject({ code: 'CHECKPOINT_NOT_FOUND' });
        await host.removeCheckpoint(checkpoint.id);
        await expect(host.convertToReferencePoint(checkpoint.id)).rejects.toMatchObject({
          code: 'CHECKPOINT_NOT_FOUND',
        });
      });

      it('may stand side by side and end in any order', async () => {
        await write(0, 0, Buffer.alloc(MIB, 1));
        const states = [snapshot()];
        const first = await host.createRecoveryCheckpoint(vmId, request('another product'));
        await write(0, 512, Buffer.alloc(MIB, 2));
        states.push(snapshot());
        const second = await host.createRecoveryCheckpoint(vmId, request('mine'));
        await write(0, 1024, Buffer.alloc(MIB, 3));
        const reading = await host.openDisk(second, 0);
        expect((await frozen(host, first, 0)).equals(states[0]![0]!)).toBe(true);
        expect((await content(reading)).equals(states[1]![0]!)).toBe(true);
        await host.removeCheckpoint(first.id);
        expect((await content(reading)).equals(states[1]![0]!)).toBe(true);
        expect((await frozen(host, second, 0)).equals(states[1]![0]!)).toBe(true);
        await reading.close();
        await write(0, 3 * MIB, Buffer.alloc(600, 4));
        await host.removeCheckpoint(second.id);
        const last = await host.createRecoveryCheckpoint(vmId, request('last'));
        expect((await frozen(host, last, 0)).equals(models[0]!)).toBe(true);
        await host.removeCheckpoint(last.id);
      });

      it('carry the configuration files as frozen', async () => {
        const checkpoint = await host.createRecoveryCheckpoint(vmId, request('files'));
        const files = await host.copyConfiguration(checkpoint);
        expect(files.map((file) => file.kind).sort()).toEqual(['vmcx', 'vmgs', 'vmrs']);
        for (const file of files) {
          expect(file.name).toMatch(new RegExp(`^[0-9A-Fa-f-]{36}\\.${file.kind}$`));
          expect((await file.read()).length).toBe(file.size);
        }
        await host.removeCheckpoint(checkpoint.id);
      });

      it('are crash-consistent when asked for', async () => {
        const checkpoint = await host.createRecoveryCheckpoint(vmId, request('crash', { consistency: 'crash' }));
        expect(checkpoint.consistency).toBe('crash');
        await host.removeCheckpoint(checkpoint.id);
      });

      it('fall back to crash consistency only when allowed', async ({ skip }) => {
        if (!fixture.refuseApplicationConsistency) return skip('this host cannot be made to refuse');
        await fixture.refuseApplicationConsistency(vmId);
        await expect(host.createRecoveryCheckpoint(vmId, request('no'))).rejects.toMatchObject({
          code: 'CONSISTENCY_NOT_POSSIBLE',
        });
        expect(await host.listRecoveryCheckpoints(vmId)).toEqual([]);
        await fixture.refuseApplicationConsistency(vmId);
        const fallen = await host.createRecoveryCheckpoint(vmId, request('yes', { allowCrashConsistent: true }));
        expect(fallen.consistency).toBe('crash');
        await host.removeCheckpoint(fallen.id);
      });

      it('have no disks that are not there', async () => {
        const checkpoint = await host.createRecoveryCheckpoint(vmId, request('disks'));
        await expect(host.openDisk(checkpoint, 2)).rejects.toMatchObject({ code: 'VM_DISK_NOT_FOUND' });
        await host.removeCheckpoint(checkpoint.id);
        await expect(host.createRecoveryCheckpoint('no-vm', request('x'))).rejects.toMatchObject({
          code: 'VM_NOT_FOUND',
        });
      });
    });

    describe('change tracking', () => {
      /** Checkpoint, convert. @returns the reference point's RCT ids by disk */
      async function backup(label: string): Promise<{ ids: string[]; pointId: string }> {
        const checkpoint = await host.createRecoveryCheckpoint(vmId, request(label));
        const point = await host.convertToReferencePoint(checkpoint.id);
        const ids = checkpoint.disks.map((disk) => point.disks.find((entry) => entry.diskId === disk.id)!.rctId);
        return { ids, pointId: point.id };
      }

      /** Every byte that differs must be in a range; ranges ascend, do not touch, and stay inside the disk. */
      function expectCovered(before: Buffer, after: Buffer, ranges: { offset: number; length: number }[]): void {
        const patched = Buffer.from(before);
        let end = -1;
        for (const { offset, length } of ranges) {
          expect(length).toBeGreaterThan(0);
          expect(offset).toBeGreaterThan(end);
          end = offset + length;
          expect(end).toBeLessThanOrEqual(after.length);
          after.copy(patched, offset, offset, end);
        }
        expect(patched.equals(after)).toBe(true);
      }

      it('answers with what changed between two freezes', async () => {
        await write(0, 0, Buffer.alloc(4 * MIB, 9));
        const { ids } = await backup('first');
        const before = snapshot();
        await write(0, 5 * MIB + 512, Buffer.alloc(1024, 1));
        await write(0, 4096 * 3 - 100, Buffer.alloc(200, 2));
        const checkpoint = await host.createRecoveryCheckpoint(vmId, request('second'));
        const after = snapshot();
        await write(0, 7 * MIB, Buffer.alloc(4096, 3));
        const ranges = await changes(host, checkpoint, 0, ids[0]!);
        expectCovered(before[0]!, after[0]!, ranges);
        const reported = ranges.reduce((sum, range) => sum + range.length, 0);
        expect(reported).toBeLessThanOrEqual(3 * COARSEST);
        expect(await changes(host, checkpoint, 1, ids[1]!)).toEqual([]);
        const point = await host.convertToReferencePoint(checkpoint.id);
        // What was written while the checkpoint stood belongs to the next.
        const next = await host.createRecoveryCheckpoint(vmId, request('third'));
        const rctId = point.disks.find((entry) => entry.diskId === next.disks[0]!.id)!.rctId;
        expectCovered(after[0]!, models[0]!, await changes(host, next, 0, rctId));
        // And an older id still covers everything since.
        expectCovered(before[0]!, models[0]!, await changes(host, next, 0, ids[0]!));
        await host.removeCheckpoint(next.id);
      });

      it("answers for the id noted while the checkpoint stood, as for the reference point's", async () => {
        const checkpoint = await host.createRecoveryCheckpoint(vmId, request('noted'));
        const noted = checkpoint.disks[0]!.rctId!;
        const before = snapshot();
        await write(0, MIB, Buffer.alloc(512, 1));
        await host.convertToReferencePoint(checkpoint.id);
        const next = await host.createRecoveryCheckpoint(vmId, request('next'));
        expectCovered(before[0]!, models[0]!, await changes(host, next, 0, noted));
        await host.removeCheckpoint(next.id);
      });

      it('keeps the chains of two backup products apart', async () => {
        const { ids: theirs, pointId } = await backup('theirs');
        const start = snapshot();
        await write(0, 0, Buffer.alloc(512, 1));
        const { ids: ours } = await backup('ours');
        const middle = snapshot();
        await write(0, 2 * MIB, Buffer.alloc(512, 2));
        const checkpoint = await host.createRecoveryCheckpoint(vmId, request('theirs again'));
        expectCovered(start[0]!, models[0]!, await changes(host, checkpoint, 0, theirs[0]!));
        expectCovered(middle[0]!, models[0]!, await changes(host, checkpoint, 0, ours[0]!));
        await host.removeReferencePoint(pointId);
        expectCovered(middle[0]!, models[0]!, await changes(host, checkpoint, 0, ours[0]!));
        await host.removeCheckpoint(checkpoint.id);
      });

      it('refuses ids it never gave', async () => {
        const { ids } = await backup('first');
        const checkpoint = await host.createRecoveryCheckpoint(vmId, request('second'));
        const foreign = 'rctX:00000000:0000:0000:0000:000000000000:00000001';
        for (const id of [foreign, 'nonsense', ids[1]!]) {
          await expect(changes(host, checkpoint, 0, id)).rejects.toMatchObject({
            code: expect.stringMatching(/^TRACKING_/),
          });
        }
        await host.removeCheckpoint(checkpoint.id);
      });

      it('lists reference points until they are removed', async () => {
        const one = await backup('one');
        const two = await backup('two');
        expect((await host.listReferencePoints(vmId)).map((point) => point.id)).toEqual([one.pointId, two.pointId]);
        await host.removeReferencePoint(one.pointId);
        await host.removeReferencePoint(one.pointId);
        expect((await host.listReferencePoints(vmId)).map((point) => point.id)).toEqual([two.pointId]);
      });
    });

    describe('restoring', () => {
      async function writeDisk(path: string, data: Buffer): Promise<void> {
        const writer = await createVhdxWriter(path, { size: data.length });
        await writer.write(0, data);
        await writer.finish();
      }
      async function stored() {
        await write(0, 0, Buffer.alloc(70_000, 5));
        const checkpoint = await host.createRecoveryCheckpoint(vmId, request('stored'));
        const files = await host.copyConfiguration(checkpoint);
        const configuration = await Promise.all(
          files.map(async ({ name, kind, read }) => ({ name, kind, data: await read() })),
        );
        const point = await host.convertToReferencePoint(checkpoint.id);
        return { vm: checkpoint.vm, configuration, disks: snapshot(), point, checkpoint };
      }
      async function expectContent(id: string, disks: Buffer[]): Promise<void> {
        const checkpoint = await host.createRecoveryCheckpoint(id, request('compare', { consistency: 'crash' }));
        for (const [i, disk] of disks.entries()) expect((await frozen(host, checkpoint, i)).equals(disk)).toBe(true);
        await host.removeCheckpoint(checkpoint.id);
      }

      it('puts a VM next to the original, with ids of its own', async () => {
        const { vm, configuration, disks } = await stored();
        const plan = await host.planVm({ vm, configuration, name: 'beside', newId: true, replace: false, kind: 'vm' });
        for (const [i, disk] of disks.entries()) await writeDisk(plan.diskPath(i), disk);
        expect((await host.listVms()).map((entry) => entry.id)).not.toContain(plan.id);
        const made = await plan.realise();
        expect(made).toMatchObject({ id: plan.id, name: 'beside', state: 'Off', processorCount: vm.processorCount });
        expect(made.id).not.toBe(vm.id);
        expect(await host.getVm(plan.id)).toEqual(made);
        const oldIds = vm.disks.map((disk) => disk.id);
        expect(made.disks.filter((disk) => oldIds.includes(disk.id))).toEqual([]);
        const macs = made.networkAdapters.map((adapter) => adapter.macAddress);
        expect(vm.networkAdapters.filter((adapter) => macs.includes(adapter.macAddress))).toEqual([]);
        expect(made.networkAdapters.every((adapter) => adapter.switchName === undefined)).toBe(true);
        expect(plan.warnings.join()).toMatch(/not connected/);
        await expectContent(made.id, disks);
        await expectContent(vmId, disks);
        await fixture.removeVm(made.id);
      });

      it('replaces a VM whole, and its old change tracking is no longer valid', async () => {
        const { vm, disks, point } = await stored();
        const old = vm.disks.map((disk) => point.disks.find((entry) => entry.diskId === disk.id)!.rctId);
        await write(0, 0, Buffer.alloc(512, 6));
        const plan = await host.planVm({ vm, newId: false, replace: true, kind: 'data' });
        for (const [i, disk] of disks.entries()) await writeDisk(plan.diskPath(i), disk);
        await expectContent(vmId, models);
        const made = await plan.realise();
        expect(made.id).toBe(vmId);
        expect(made.disks.map((disk) => disk.id)).toEqual(vm.disks.map((disk) => disk.id));
        await expectContent(vmId, disks);
        const checkpoint = await host.createRecoveryCheckpoint(vmId, request('again'));
        await expect(changes(host, checkpoint, 0, old[0]!)).rejects.toMatchObject({
          code: expect.stringMatching(/^TRACKING_/),
        });
        await host.removeCheckpoint(checkpoint.id);
        expect(await host.listReferencePoints(vmId)).toEqual([]);
      });

      it('refuses a VM that exists, and to replace one that runs', async () => {
        const vm = await host.getVm(vmId);
        const plan = { vm, newId: false, kind: 'data' as const };
        await expect(host.planVm({ ...plan, replace: false })).rejects.toMatchObject({ code: 'VM_EXISTS' });
        await fixture.setRunning(vmId, true);
        await expect(host.planVm({ ...plan, replace: true })).rejects.toMatchObject({ code: 'VM_RUNNING' });
        await fixture.setRunning(vmId, false);
        const started = await host.planVm({ ...plan, replace: true });
        for (const disk of vm.disks) await writeDisk(started.diskPath(disk.index), Buffer.alloc(disk.size));
        await fixture.setRunning(vmId, true);
        await expect(started.realise()).rejects.toMatchObject({ code: 'VM_RUNNING' });
        await started.discard();
        await fixture.setRunning(vmId, false);
        await expectContent(vmId, models);
      });

      switchContract({ fixture: () => fixture, vmId: () => vmId, stored });

      it('leaves nothing when the plan is discarded', async () => {
        const { vm, disks } = await stored();
        const before = await host.listVms();
        const plan = await host.planVm({ vm, name: 'never', newId: true, replace: false, kind: 'data' });
        await writeDisk(plan.diskPath(0), disks[0]!);
        await plan.discard();
        await plan.discard();
        expect(await host.listVms()).toEqual(before);
      });

      it('does not make a VM whose disks are not all there', async () => {
        const { vm, disks } = await stored();
        const before = await host.listVms();
        const plan = await host.planVm({ vm, name: 'half', newId: true, replace: false, kind: 'data' });
        await writeDisk(plan.diskPath(0), disks[0]!);
        await expect(plan.realise()).rejects.toMatchObject({ code: 'FILE_NOT_FOUND' });
        expect(await host.listVms()).toEqual(before);
        await plan.discard();
      });
    });
  });
}

/** Disks of restore points as block devices: their sectors are those of the disks that were backed up. */
import { join } from 'node:path';
import { afterEach, expect, it } from 'vitest';
import { createVhdxWriter } from '../../../../backend/src/disk/index.ts';
import { createSimulatedHost } from '../../../../backend/src/hosts/simulated/index.ts';
import { backupOne } from '../../../../backend/src/operations/backup/backup.ts';
import type { Point } from '../../../../backend/src/operations/points/point.ts';
import { openPointDisk } from '../../../../backend/src/operations/points/point-disk.ts';
import { readPoint } from '../../../../backend/src/operations/points/points.ts';
import type { StoredRepository } from '../../../../backend/src/repository/repository.ts';
import { BackupVmParams } from '../../../../backend/src/schema/backup.ts';
import { MemoryStorage } from '../../repository/support/memory-storage.ts';
import { createMemoryRepository, openMemory, sampleBytes } from '../../repository/support/model.ts';
import { scratchForEach } from '../../support/scratch.ts';

const SIZE = 1024 * 1024;
const SIGNATURE = Buffer.from('EFI PART');
/** Logical and physical sector size of each disk. */
const SECTORS = [
  [4096, 4096],
  [512, 512],
  [512, 4096],
] as const;

const scratch = scratchForEach('point-disk');
const closing: { close(): unknown }[] = [];
afterEach(async () => {
  for (const one of closing.splice(0).reverse()) await one.close();
  delete process.env.HVBACKUP_STATE_DIR;
});

/** As a disk with a GPT begins: its header is in the second sector, wherever that is. */
function diskBytes(sector: number): Buffer {
  const bytes = Buffer.concat([sampleBytes(SIZE / 2, sector), Buffer.alloc(SIZE / 2)]);
  SIGNATURE.copy(bytes, sector);
  return bytes;
}

async function backedUp(): Promise<{ repository: StoredRepository; point: Point }> {
  const folder = await scratch();
  process.env.HVBACKUP_STATE_DIR = join(folder, 'state');
  const disks: string[] = [];
  for (const [logicalSectorSize, physicalSectorSize] of SECTORS) {
    const path = join(folder, `${disks.length}.vhdx`);
    const writer = await createVhdxWriter(path, { size: SIZE, logicalSectorSize, physicalSectorSize });
    await writer.write(0, diskBytes(logicalSectorSize).subarray(0, SIZE / 2));
    await writer.finish();
    disks.push(path);
  }
  const host = await createSimulatedHost(join(folder, 'host'));
  closing.push(host);
  const { vm } = await host.createVm({ name: 'sectors', generation: 2, disks });
  const storage = new MemoryStorage();
  await (await createMemoryRepository(storage)).close();
  const repository = await openMemory(storage);
  closing.push(repository);
  const params = BackupVmParams.parse({ host: host.uri, repository: 'memory:', vm: vm.id });
  const { restorePointId } = await backupOne(host, repository, params, {});
  return { repository, point: await readPoint(repository, restorePointId) };
}

it('have the sectors that the disks had, and what lies by sectors is found', async () => {
  const { repository, point } = await backedUp();
  for (const [index, [logicalSectorSize, physicalSectorSize]] of SECTORS.entries()) {
    const device = await openPointDisk(repository, point, point.body.disks[index]!);
    expect(device).toMatchObject({ size: SIZE, logicalSectorSize, physicalSectorSize });
    const header = Buffer.alloc(SIGNATURE.length);
    await device.read(device.logicalSectorSize, header);
    expect(header.toString()).toBe(SIGNATURE.toString());
    const whole = Buffer.alloc(SIZE);
    await device.read(0, whole);
    expect(whole.equals(diskBytes(logicalSectorSize))).toBe(true);
    const kinds: string[] = [];
    for await (const { kind } of device.extents()) kinds.push(kind);
    expect(kinds).toEqual(['data', 'zero']);
    const streamed: Buffer[] = [];
    for await (const { data } of device.stream()) streamed.push(Buffer.from(data));
    expect(Buffer.concat(streamed).equals(whole.subarray(0, SIZE / 2))).toBe(true);
    await device.close();
  }
});

it('have 512 and 4096 bytes where the manifest says nothing, or what no disk has', async () => {
  const { repository, point } = await backedUp();
  const disk = point.body.disks[0]!;
  const vm = point.body.vm;
  const absurd = vm.disks.map((entry) => ({ ...entry, logicalSectorSize: 0, physicalSectorSize: -512 }));
  for (const disks of [[], absurd]) {
    const device = await openPointDisk(repository, { ...point, body: { ...point.body, vm: { ...vm, disks } } }, disk);
    expect(device).toMatchObject({ logicalSectorSize: 512, physicalSectorSize: 4096 });
    await device.close();
  }
});

/** Volumes that run full: a clear error, nothing half-made, and everything works again when there is room. */
import { spawnSync } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { readdir, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { copyContent, createVhdWriter, createVhdxWriter, openDisk } from '../../../backend/src/disk/index.ts';
import { noise } from '../../fixtures/content.ts';
import { cli, ok, start } from '../support/cli.ts';
import { scratchForSuite } from '../support/scratch.ts';
import { World } from './world.ts';

const MIB = 1024 * 1024;

/** A file system of 24 MiB, where this machine lets us have one. */
function mountSmall(folder: string): boolean {
  mkdirSync(folder, { recursive: true });
  return spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=24m', 'tmpfs', folder]).status === 0;
}

const probe = join(tmpdir(), `hvb-mount-${process.pid}`);
const canMount = process.platform === 'linux' && mountSmall(probe);
if (canMount) spawnSync('umount', [probe]);

describe.skipIf(!canMount)('a full volume (needs the right to mount a tmpfs)', async () => {
  const folder = await scratchForSuite('full');
  const small = join(folder, 'small');
  let world: World;

  beforeAll(async () => {
    expect(mountSmall(small)).toBe(true);
    world = await World.create(join(folder, 'world'));
    world.vm('guest', await world.rawImage(noise(48 * MIB, 1)));
  });
  afterAll(() => {
    spawnSync('umount', [small]);
  });

  it('of the repository', async () => {
    const repository = join(small, 'repository');
    ok(['repository', 'create', repository], world);
    const args = ['backup', '--host', world.host, '--vm', 'guest', '--repository', repository];
    const answer = cli(args, world);
    expect(answer.status).toBe(1);
    expect(answer.json.error.code).toBe('DISK_FULL');
    expect(answer.stderr).toMatch(/no space left.*small/i);
    expect(ok(['list', '--repository', repository], world).points).toEqual([]);
    // The checkpoint is gone at once: a backup elsewhere finds nothing to clean up.
    expect(world.backup('guest').warnings).toEqual([]);
    expect(cli(['check', '--repository', repository], world).status).toBe(0);
    await rm(repository, { recursive: true });
  });

  it('that a disk is exported or restored to', async () => {
    const { restorePointId } = world.backup('guest');
    const to = join(small, 'out');
    for (const format of ['raw', 'vhdx', 'vhd', 'qcow2']) {
      const args = ['--repository', world.repository, '--point', restorePointId];
      const answer = cli(['export', ...args, '--to', to, '--format', format], world);
      expect([format, answer.status, answer.json.error?.code]).toEqual([format, 1, 'DISK_FULL']);
      // Refused before anything was written, with the figures.
      expect(answer.json.error.data.needed).toBe(48 * MIB);
      expect(answer.stderr).toMatch(/50331648 bytes are needed, \d+ are free/);
      expect(await readdir(to)).toEqual([]);
    }
    const host = join(small, 'host');
    ok(['host', 'create', host]);
    const restore = ['restore', '--repository', world.repository, '--point', restorePointId, '--host', `sim:${host}`];
    const answer = cli(restore, world);
    expect([answer.status, answer.json.error?.code]).toEqual([1, 'DISK_FULL']);
    expect(answer.json.error.data).toMatchObject({ needed: 48 * MIB, path: join(host, 'Planned Virtual Machines') });
    expect(answer.json.error.data.missing).toBe(48 * MIB - answer.json.error.data.free);
    expect(ok(['vm', 'list', '--host', `sim:${host}`]).vms).toEqual([]);
    expect(await leftIn(host)).toEqual([]);
    await rm(host, { recursive: true });
  });

  it('that what is large, but all but empty, is restored and exported to', async () => {
    // A terabyte in name; half a block of 256 KiB here and there: all blocks together would not fit.
    const image = join(folder, 'large.vhdx');
    const writer = await createVhdxWriter(image, { size: 2 ** 40 });
    for (let i = 0; i < 120; i++) await writer.write(i * 4 * MIB, noise(65536, 50 + i));
    await writer.finish();
    world.vm('large', image);
    const { restorePointId } = world.backup('large');
    const host = join(small, 'host');
    ok(['host', 'create', host]);
    const point = ['--repository', world.repository, '--point', restorePointId];
    ok(['restore', ...point, '--host', `sim:${host}`], world);
    await rm(host, { recursive: true });
    ok(['export', ...point, '--to', join(small, 'out'), '--format', 'vhdx'], world);
    await rm(join(small, 'out'), { recursive: true });
  });

  it('that a VM is replaced on: the old one keeps its room, and stays', async () => {
    const host = join(small, 'host');
    ok(['host', 'create', host]);
    const image = join(folder, 'fourteen.raw');
    await writeFile(image, noise(14 * MIB, 5));
    ok(['vm', 'create', '--host', `sim:${host}`, '--name', 'twice', '--disk', image]);
    const of = ['--host', `sim:${host}`, '--repository', world.repository];
    const { restorePointId } = ok(['backup', ...of, '--vm', 'twice'], world).results[0];
    const answer = cli(['restore', ...of, '--point', restorePointId, '--replace'], world);
    expect([answer.status, answer.json.error?.code]).toEqual([1, 'DISK_FULL']);
    expect(answer.json.error.advice).toMatch(/keeps its room/);
    expect(ok(['vm', 'list', '--host', `sim:${host}`]).vms).toMatchObject([{ name: 'twice', size: 14 * MIB }]);
    expect(await readdir(join(host, 'Planned Virtual Machines'))).toEqual([]);
    await rm(host, { recursive: true });
  });

  it('that a VM is made on', async () => {
    const host = join(small, 'host');
    ok(['host', 'create', host]);
    const create = ['vm', 'create', '--host', `sim:${host}`, '--name', 'much', '--disk'];
    // A dynamic VHDX is copied as it is, everything else is converted.
    const images = { raw: join(folder, 'much.raw'), vhdx: join(folder, 'much.vhdx'), vhd: join(folder, 'much.vhd') };
    await writeFile(images.raw, noise(30 * MIB, 6));
    for (const [format, to] of Object.entries(images).slice(1)) await convert(images.raw, to, format);
    for (const image of Object.values(images)) {
      const answer = cli([...create, image], world);
      expect([image, answer.status, answer.json.error?.code]).toEqual([image, 1, 'DISK_FULL']);
      expect(answer.json.error.data.missing).toBeGreaterThan(5 * MIB);
      expect([ok(['vm', 'list', '--host', `sim:${host}`]).vms, await leftIn(host)]).toEqual([[], []]);
    }
    await rm(host, { recursive: true });
  });

  it('that fills up while a VM is made, also when that is killed', { timeout: 120_000 }, async () => {
    const host = join(small, 'host');
    ok(['host', 'create', host]);
    const image = join(folder, 'fifteen.vhdx');
    await writeFile(join(folder, 'fifteen.raw'), noise(15 * MIB, 7));
    await convert(join(folder, 'fifteen.raw'), image, 'vhdx');
    const create = ['vm', 'create', '--host', `sim:${host}`, '--name', 'tight', '--disk', image];
    for (const killed of [false, true]) {
      const making = start(create, world);
      await until(async () => (await sizeOf(join(host, 'Planned Virtual Machines'))) > 0 || making.exitCode !== null);
      if (killed) making.kill('SIGKILL');
      fill(small);
      const answer = await making.done;
      // It may have been too fast for us; then the VM is whole.
      if (!killed && answer.status !== 0) expect(answer.json.error.code).toBe('DISK_FULL');
      await rm(join(small, 'filler'));
      for (const name of ['host.sqlite-shm', 'host.sqlite-wal'])
        if (killed) await rm(join(host, name), { force: true });
      fill(small);
      // Listable, and the half-made one has gone.
      const { vms } = ok(['vm', 'list', '--host', `sim:${host}`]);
      expect(vms.length).toBe(!killed && answer.status === 0 ? 1 : 0);
      if (vms.length === 0) expect(await leftIn(host)).toEqual([]);
      // Not a byte is free, nor is there anything that could be given back: it can still be looked at.
      fill(small);
      expect(ok(['vm', 'list', '--host', `sim:${host}`]).vms).toEqual(vms);
      await rm(join(small, 'filler'));
      for (const { id } of vms) ok(['vm', 'remove', '--host', `sim:${host}`, '--vm', id]);
    }
    expect(ok([...create.slice(0, -1), image], world).vm.name).toBe('tight');
    await rm(host, { recursive: true });
  });

  it('of the host, while the guest writes during a backup', async () => {
    const host = join(small, 'host2');
    ok(['host', 'create', host]);
    const image = join(folder, 'eight.raw');
    await writeFile(image, noise(8 * MIB, 2));
    ok(['vm', 'create', '--host', `sim:${host}`, '--name', 'tight', '--disk', image]);
    await writeFile(join(small, 'filler'), noise(12 * MIB, 3)).catch(() => undefined);
    const answer = cli(['backup', '--host', `sim:${host}`, '--vm', 'tight', '--repository', world.repository], world);
    await rm(join(small, 'filler'));
    // Whether there was room for the checkpoint or not: afterwards the VM is whole and a backup works.
    expect([0, 1]).toContain(answer.status);
    const again = ['backup', '--host', `sim:${host}`, '--vm', 'tight', '--repository', world.repository];
    expect(ok(again, world).results[0].vmName).toBe('tight');
    expect(world.verify()).toBe(true);
  });
});

/** What lies in a host's folders. */
async function leftIn(host: string): Promise<string[]> {
  const folders = ['Planned Virtual Machines', 'Virtual Hard Disks', 'Virtual Machines', 'Snapshots'];
  return (await Promise.all(folders.map((name) => readdir(join(host, name))))).flat();
}

async function convert(raw: string, to: string, format: string): Promise<void> {
  const disk = await openDisk(raw);
  const { size } = disk;
  const writer = await (format === 'vhd'
    ? createVhdWriter(to, { size, type: 'dynamic' })
    : createVhdxWriter(to, { size }));
  await copyContent(disk, writer);
  await writer.finish();
  await disk.close();
}

function fill(folder: string): void {
  for (const size of ['64K', '4K', '512'])
    spawnSync('sh', ['-c', `dd if=/dev/zero bs=${size} >> "$0" 2>/dev/null`, join(folder, 'filler')]);
}

/** Bytes of what lies below a folder. */
async function sizeOf(folder: string): Promise<number> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true }).catch(() => []);
  const sizes = entries.map((entry) =>
    stat(join(entry.parentPath, entry.name)).then(
      (info) => (info.isFile() ? info.size : 0),
      () => 0,
    ),
  );
  return (await Promise.all(sizes)).reduce((sum, size) => sum + size, 0);
}

async function until(condition: () => Promise<boolean>): Promise<void> {
  while (!(await condition())) await delay(1);
}

/** Getting a VM back: beside the original, over it, as data only; and what must not happen on the way. */
import { createHash } from 'node:crypto';
import { beforeEach, describe, expect, it } from 'vitest';
import { openDisk } from '../../../backend/src/disk/index.ts';
import { openSimulatedHost } from '../../../backend/src/hosts/simulated/index.ts';
import { hashDevice } from '../../../build/demo/hash.ts';
import { noise } from '../../fixtures/content.ts';
import { cli, ok, start } from '../support/cli.ts';
import { scratchForEach } from '../support/scratch.ts';
import { World } from './world.ts';

const MIB = 1024 * 1024;
const sha256 = (data: Buffer) => createHash('sha256').update(data).digest('hex');

describe('restore', () => {
  const scratch = scratchForEach('restore');
  const disks = [noise(6 * MIB, 1), noise(4 * MIB, 2)];
  let world: World;
  let point: string;
  let original: { id: string; disks: { id: string; path: string }[] };

  beforeEach(async () => {
    world = await World.create(await scratch());
    original = world.vm('guest', await world.rawImage(disks[0]!), await world.rawImage(disks[1]!));
    point = world.backup('guest').restorePointId;
    await world.write('guest', 0, 0, noise(MIB, 3));
  });

  const command = (...more: string[]) => [
    'restore',
    '--repository',
    world.repository,
    '--point',
    point,
    '--host',
    world.host,
    ...more,
  ];
  const show = (vm: string) => ok(['vm', 'show', '--host', world.host, '--vm', vm]).vm;

  async function contentOf(vm: { disks: { path: string }[] }): Promise<string[]> {
    const hashes: string[] = [];
    for (const { path } of vm.disks) {
      const disk = await openDisk(path);
      hashes.push(await hashDevice(disk));
      await disk.close();
    }
    return hashes;
  }

  it('beside the original: a new id, new disk ids, the content of the point', async () => {
    const result = ok(command('--new-id', '--name', 'guest, yesterday'), world);
    expect(result).toMatchObject({ kind: 'vm', replaced: false, vmName: 'guest, yesterday' });
    expect(result.vmId).not.toBe(original.id);
    const vm = show(result.vmId);
    expect(await contentOf(vm)).toEqual(disks.map(sha256));
    const ids = new Set([...vm.disks, ...original.disks].map((disk: { id: string }) => disk.id));
    expect(ids.size).toBe(4);
    // The original went on as if nothing had happened.
    const next = world.backup(original.id);
    expect(next.disks.map((disk: { mode: string }) => disk.mode)).toEqual(['incremental', 'incremental']);
  });

  it('over the original: only when told to, never while it runs; the next backup is a full, and right', async () => {
    expect(cli(command(), world).json.error.code).toBe('VM_EXISTS');
    ok(['vm', 'start', '--host', world.host, '--vm', 'guest']);
    const running = cli(command('--replace'), world);
    expect([running.status, running.json.error.code]).toEqual([1, 'VM_RUNNING']);
    ok(['vm', 'stop', '--host', world.host, '--vm', 'guest']);
    expect(ok(command('--replace'), world)).toMatchObject({ vmId: original.id, replaced: true });
    expect(await contentOf(show('guest'))).toEqual(disks.map(sha256));
    const next = world.backup('guest');
    expect(next.mode).toBe('full');
    expect(await world.hashes(next.restorePointId)).toEqual(disks.map(sha256));
    expect(world.backup('guest').mode).toBe('incremental');
  });

  it('over the original: names the network adapters that it unplugs, and how they are connected', async () => {
    const connect = async (switchName?: string) => {
      const host = await openSimulatedHost(world.host.slice('sim:'.length));
      const adapter = { name: 'Front', macAddress: '00155D0A0001', dynamicMacAddress: false };
      await host.configureVm(original.id, { networkAdapters: [{ ...adapter, ...(switchName ? { switchName } : {}) }] });
      await host.close();
    };
    const { status, json, stderr } = cli(command('--replace'), world);
    expect([status, json.warnings]).toEqual([0, []]);
    // Connected since the backup was made, which knows of no switch.
    await connect('LAN');
    const replaced = cli(command('--replace'), world);
    expect(replaced.json.warnings).toEqual([
      expect.stringMatching(/replaced VM .* not any more: .*\(was on "LAN"\)\. .*--switch/),
    ]);
    expect(replaced.stderr).toContain('(was on "LAN")');
    expect(stderr).not.toContain('switch');
    // Connected when it was made.
    await connect('LAN');
    point = world.backup('guest').restorePointId;
    const connected = ok(command('--replace'), world);
    expect(connected.warnings).toEqual([
      expect.stringMatching(/not connected to a virtual switch: "Front" \(was on "LAN"\)\. .*--switch/),
    ]);
    // As a new VM too, and not where they are mapped.
    expect(ok(command('--new-id', '--name', 'beside'), world).warnings).toContainEqual(
      expect.stringContaining('"Front" (was on "LAN")'),
    );
    await connect('LAN');
    const mapped = ok(command('--replace', '--switch', 'LAN=LAN'), world);
    expect([mapped.warnings, mapped.networkAdapters[0].switchName]).toEqual([[], 'LAN']);
  });

  it('as data only, and single disks', async () => {
    const result = ok(command('--new-id', '--kind', 'data', '--disk', '1', '--name', 'one disk'), world);
    expect(result.kind).toBe('data');
    expect(await contentOf(show(result.vmId))).toEqual([sha256(disks[1]!)]);
    expect(result.warnings.join()).toMatch(/Disk 0 is not attached/);
    expect(cli(command('--new-id', '--disk', '7'), world).json.error.code).toBe('VM_DISK_NOT_FOUND');
  });

  it('of a data-only backup defines the VM anew, and says no when its configuration is asked for', async () => {
    const data = world.backup('guest', '--kind', 'data', '--exclude-disk', '1');
    expect(data.disks[1].skipped).toMatch(/excluded/);
    point = data.restorePointId;
    expect(cli(command('--new-id', '--kind', 'vm'), world).json.error.code).toBe('POINT_INCOMPLETE');
    const result = ok(command('--new-id', '--name', 'data'), world);
    expect(result.kind).toBe('data');
    expect(show(result.vmId).disks).toHaveLength(1);
    // A disk that was left out has no content to build on: full, with the reason.
    const next = world.backup(original.id);
    expect(next.disks.map((disk: { mode: string }) => disk.mode)).toEqual(['incremental', 'full']);
    expect(next.disks[1].reason).toMatch(/left out/);
  });

  it('that is killed leaves the host as it was', async () => {
    const before = show('guest');
    for (const delay of [150, 300, 450]) {
      const victim = start(command('--replace'), world);
      await new Promise((resolve) => setTimeout(resolve, delay));
      victim.kill('SIGKILL');
      await victim.done;
      const vms = ok(['vm', 'list', '--host', world.host]).vms;
      expect(vms).toHaveLength(1);
      const content = await contentOf(show('guest'));
      // The old VM whole, or the new one whole.
      const now = show('guest');
      if (now.disks[0].path === before.disks[0].path) expect(content[1]).toBe(sha256(disks[1]!));
      else expect(content).toEqual(disks.map(sha256));
    }
    expect(ok(command('--replace'), world).replaced).toBe(true);
    expect(await contentOf(show('guest'))).toEqual(disks.map(sha256));
  });
});

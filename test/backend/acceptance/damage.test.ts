/** Damaged repositories through the command line: named, restored with holes, healed, repaired. */
import { readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeEach, describe, expect, it } from 'vitest';
import { openDisk } from '../../../backend/src/disk/index.ts';
import { noise } from '../../fixtures/content.ts';
import { cli, ok } from '../support/cli.ts';
import { scratchForEach } from '../support/scratch.ts';
import { World } from './world.ts';

const MIB = 1024 * 1024;
const BLOCK = 65536;

/** All objects below a folder of the repository, by size, largest first. */
function objects(repository: string, folder: string): string[] {
  const found = readdirSync(join(repository, folder), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name));
  return found.sort((a, b) => statSync(b).size - statSync(a).size);
}

function flip(file: string, at: number): void {
  const bytes = readFileSync(file);
  bytes[at]! ^= 0x10;
  writeFileSync(file, bytes);
}

/** Record headers of a pack (docs/format.md §2.3). */
function records(pack: Buffer): { at: number; kind: number; rawLength: number }[] {
  const found: { at: number; kind: number; rawLength: number }[] = [];
  for (let at = 96; at < pack.length - 96; ) {
    if (pack.toString('latin1', at, at + 4) !== 'HVBR') break;
    found.push({ at, kind: pack[at + 4]!, rawLength: pack.readUInt32LE(at + 12) });
    at += 96 + pack.readUInt32LE(at + 16);
  }
  return found;
}

async function contentOf(path: string): Promise<Buffer> {
  if (path.endsWith('.raw')) return readFileSync(path);
  const disk = await openDisk(path);
  const content = Buffer.alloc(disk.size);
  await disk.read(0, content);
  await disk.close();
  return content;
}

describe('a damaged repository', () => {
  const scratch = scratchForEach('damage');
  const disks = [noise(3 * MIB, 1), noise(2 * MIB, 2)];
  let world: World;
  let first: string;
  let second: string;

  beforeEach(async () => {
    world = await World.create(await scratch(), { blockSize: BLOCK });
    world.vm('web01', await world.rawImage(disks[0]!), await world.rawImage(disks[1]!));
    first = world.backup('web01').restorePointId;
    await world.write('web01', 1, 0, noise(BLOCK, 3));
    second = world.backup('web01').restorePointId;
  });

  const command = (name: string, ...more: string[]) => cli([name, '--repository', world.repository, ...more], world);

  /** Damages two neighbouring blocks of a disk, and one apart. */
  function damageBlocks(): void {
    const [pack] = objects(world.repository, 'packs');
    const blocks = records(readFileSync(pack!)).filter(({ kind, rawLength }) => kind === 1 && rawLength > BLOCK / 2);
    for (const number of [4, 5, 9]) flip(pack!, blocks[number]!.at + 96 + 1000);
  }

  it('is named down to VM, restore point, disk and range; nothing is replaced; what can be read is restored', async () => {
    damageBlocks();
    const verified = command('verify');
    expect(verified.status).toBe(4);
    expect(verified.json.damages).toHaveLength(3);
    const { losses } = verified.json;
    expect(losses.map((loss: { pointId: string }) => loss.pointId)).toEqual([first, second]);
    const [loss] = losses;
    expect(loss).toMatchObject({ vmName: 'web01', lostBytes: 3 * BLOCK, moreRanges: 0 });
    expect(loss.ranges.map((range: { length: number }) => range.length)).toEqual([2 * BLOCK, BLOCK]);
    // What verify found is known now, so looking at the structure is enough.
    const checked = command('check');
    expect([checked.status, checked.json.losses]).toEqual([4, losses]);

    const restore = ['--point', first, '--host', world.host];
    const refused = command('restore', ...restore, '--replace');
    expect([refused.status, refused.json.error.code]).toEqual([4, 'REPOSITORY_DAMAGED']);
    expect(refused.json.error.message).toContain(`${first} of web01 is damaged: disk ${loss.disk} from 0x`);
    expect(refused.json.error.advice).toContain('--skip-unreadable');
    const { vm } = ok(['vm', 'show', '--host', world.host, '--vm', 'web01']);
    expect((await contentOf(vm.disks[1].path)).subarray(0, BLOCK).equals(noise(BLOCK, 3))).toBe(true);
    const elsewhere = join(world.folder, 'out');
    const unexported = command('export', '--point', first, '--to', elsewhere, '--format', 'vhdx');
    expect([unexported.status, unexported.json.error.code]).toEqual([4, 'REPOSITORY_DAMAGED']);

    const expected = disks.map((disk) => Buffer.from(disk));
    for (const { offset, length } of loss.ranges) expected[loss.disk]!.fill(0, offset, offset + length);
    const holes = loss.ranges.map((range: object) => ({ disk: loss.disk, ...range }));
    const restored = command('restore', ...restore, '--new-id', '--name', 'rest', '--skip-unreadable');
    expect(restored.status).toBe(4);
    expect(restored.json).toMatchObject({ holes, moreHoles: 0, holeBytes: 3 * BLOCK, kind: 'vm' });
    for (const disk of restored.json.disks)
      expect((await contentOf(disk.path)).equals(expected[disk.index]!)).toBe(true);
    for (const format of ['raw', 'vhdx']) {
      const to = join(world.folder, `holes-${format}`);
      const exported = command('export', '--point', first, '--to', to, '--format', format, '--allow-holes');
      expect([exported.status, exported.json.holes]).toEqual([4, holes]);
      for (const { disk, path } of exported.json.files)
        expect((await contentOf(path)).equals(expected[disk]!)).toBe(true);
    }
    // A point without damage is no different with the switch.
    const whole = command('restore', ...restore, '--new-id', '--disk', String(1 - loss.disk), '--skip-unreadable');
    expect([whole.status, whole.json.holes]).toEqual([0, []]);
  });

  it('heals when the next backup sees the content again, and the older restore points with it', async () => {
    damageBlocks();
    expect(command('verify').status).toBe(4);
    const next = world.backup('web01');
    expect(next.mode).toBe('incremental');
    expect(next.disks.reduce((sum: number, disk: { newBytes: number }) => sum + disk.newBytes, 0)).toBeGreaterThan(
      3 * BLOCK,
    );
    expect(world.verify()).toBe(true);
    expect(await world.hashes(first)).toHaveLength(2);
    const repaired = command('repair');
    expect([repaired.status, repaired.json.ok, repaired.json.healed]).toEqual([0, true, 0]);
  });

  it('whose damage was a bad cable is whole again after a repair', async () => {
    const [pack] = objects(world.repository, 'packs');
    const good = readFileSync(pack!);
    damageBlocks();
    expect(command('verify').status).toBe(4);
    writeFileSync(pack!, good);
    // What has passed raises no alarm, and is not hidden either.
    const checked = command('check');
    expect(checked.status).toBe(0);
    expect(checked.stderr).toContain('3 records that were found damaged read well now');
    const planned = command('repair', '--dry-run');
    expect(planned.json).toMatchObject({ ok: true, healed: 3, dryRun: true });
    const repaired = command('repair');
    expect([repaired.status, repaired.json]).toMatchObject([0, { ok: true, healed: 3, damages: [], losses: [] }]);
    expect(world.verify()).toBe(true);
  });

  it('without indexes and catalog still lists, restores and backs up, says what to do, and is made whole', async () => {
    const hashes = [await world.hashes(first), await world.hashes(second)];
    rmSync(join(world.repository, 'indexes'), { recursive: true });
    rmSync(world.state, { recursive: true, force: true });
    const checked = command('check');
    expect(checked.status).toBe(4);
    expect(checked.json).toMatchObject({ damages: [{ object: 'index' }], losses: [] });
    expect(checked.json.damages[0].message).toContain('hvbackup repair');
    expect(world.points().map(({ id }) => id)).toEqual([first, second]);
    expect(await world.hashes(first)).toEqual(hashes[0]);
    const third = world.backup('web01');
    expect(third.mode).toBe('incremental');
    rmSync(join(world.repository, 'indexes'), { recursive: true });
    rmSync(world.state, { recursive: true, force: true });
    const repaired = command('repair');
    expect([repaired.status, repaired.json]).toMatchObject([0, { ok: true, indexesWritten: 1, damages: [] }]);
    expect(repaired.json.packsIndexed).toBeGreaterThan(3);
    expect(world.verify()).toBe(true);
    expect([await world.hashes(first), await world.hashes(second)]).toEqual(hashes);
    expect(command('repair').json).toMatchObject({ ok: true, indexesWritten: 0, packsIndexed: 0 });
    // And what is stored is known again: nothing is stored twice.
    const full = world.backup('web01', '--mode', 'full');
    expect(full.disks.map((disk: { newBytes: number }) => disk.newBytes)).toEqual([0, 0]);
  });

  it('keeps unreadable indexes aside when it is repaired', async () => {
    for (const index of objects(world.repository, 'indexes')) flip(index, 100);
    rmSync(world.state, { recursive: true, force: true });
    const hashes = await world.hashes(second);
    expect(command('check').status).toBe(4);
    const before = objects(world.repository, 'indexes').length;
    const repaired = command('repair');
    expect([repaired.status, repaired.json.ok, repaired.json.quarantined.length]).toEqual([0, true, before]);
    expect(objects(world.repository, 'quarantine')).toHaveLength(before);
    expect(world.verify()).toBe(true);
    expect(await world.hashes(second)).toEqual(hashes);
    // Prune leaves what was put aside alone.
    expect(command('prune').status).toBe(0);
    expect(objects(world.repository, 'quarantine')).toHaveLength(before);
  });

  it('in its chain records goes on backing up', () => {
    for (const record of objects(world.repository, 'chains')) flip(record, 60);
    expect(command('check').status).toBe(4);
    expect(world.backup('web01').restorePointId).not.toBe(second);
  });

  it('with unreadable configuration files is restored from its description', () => {
    for (const pack of objects(world.repository, 'packs')) {
      const bytes = readFileSync(pack);
      // Of the disks no block is that short.
      for (const { at, kind, rawLength } of records(bytes))
        if (kind === 1 && rawLength < BLOCK / 2) bytes[at + 100]! ^= 1;
      writeFileSync(pack, bytes);
    }
    const args = ['--point', second, '--host', world.host, '--new-id', '--name', 'rest'];
    const refused = command('restore', ...args);
    expect([refused.status, refused.json.error.code]).toEqual([4, 'REPOSITORY_DAMAGED']);
    expect(refused.json.error.message).toContain('its configuration cannot be read');
    const restored = command('restore', ...args, '--allow-holes');
    expect([restored.status, restored.json.kind, restored.json.damaged]).toEqual([4, 'data', true]);
    expect(restored.json.warnings.join()).toContain('configuration files cannot be read');
    expect(restored.json.holes).toEqual([]);
    const { losses } = command('verify', '--point', second).json;
    expect(losses[0]).toMatchObject({ pointId: second, configuration: expect.any(String) });
  });
});

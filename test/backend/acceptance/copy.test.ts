/** Copying restore points to another repository, through the command line. */
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { noise } from '../../fixtures/content.ts';
import { cli, ok, start } from '../support/cli.ts';
import { scratchForEach } from '../support/scratch.ts';
import { World } from './world.ts';

const MIB = 1024 * 1024;
const sha256 = (data: Buffer) => createHash('sha256').update(data).digest('hex');

describe('copying to another repository', () => {
  const scratch = scratchForEach('copy');

  /** Two VMs; the first has three restore points that differ by a megabyte each. */
  async function prepared(blockSize: number, targetBlockSize: number) {
    const world = await World.create(await scratch(), { blockSize });
    const vault = join(world.folder, 'vault');
    ok(['repository', 'create', vault, '--block-size', String(targetBlockSize)], world);
    const model = noise(24 * MIB + 512 * 1024, 1);
    model.fill(0, 8 * MIB, 12 * MIB);
    world.vm('web', await world.rawImage(model));
    world.vm('db', await world.rawImage(noise(6 * MIB, 2)));
    const points = new Map<string, string>();
    for (let round = 0; round < 3; round++) {
      points.set(world.backup('web').restorePointId, sha256(model));
      const data = noise(MIB, 10 + round);
      await world.write('web', 0, (6 + round * 3) * MIB, data);
      data.copy(model, (6 + round * 3) * MIB);
    }
    points.set(world.backup('db').restorePointId, sha256(noise(6 * MIB, 2)));
    const there = world.with(vault);
    const copy = (...more: string[]) => ok(['copy', '--repository', world.repository, '--to', vault, ...more], world);
    return { world, there, vault, points, copy };
  }

  const complete = async (there: World, points: Map<string, string>): Promise<void> => {
    expect(there.points().map((point) => point.id)).toEqual([...points.keys()].sort());
    expect(there.verify()).toBe(true);
    for (const [id, hash] of points) expect(await there.hashes(id)).toEqual([hash]);
  };

  it.each([
    [65536, 65536],
    [65536, 1048576],
    [262144, 65536],
  ])('with blocks of %i and %i', async (blockSize, targetBlockSize) => {
    const { world, there, points, copy } = await prepared(blockSize, targetBlockSize);
    const result = copy();
    expect(result).toMatchObject({ copied: 4, skipped: 0, failed: 0 });
    const [first, second] = result.points;
    expect(first.readBytes).toBeGreaterThan(20 * MIB);
    // Only what changed is read: a megabyte, rounded out to blocks, and the configuration files.
    expect(second.basePointId).toBe(first.id);
    expect(second.readBytes).toBeLessThan(3.5 * MIB);
    expect(second.newBytes).toBeLessThan(3.5 * MIB);
    await complete(there, points);
    const again = copy();
    expect(again).toMatchObject({ copied: 0, skipped: 4, newBytes: 0 });
    const { point } = ok(['show', '--repository', there.repository, '--point', first.id], world);
    expect(point.copiedFrom.location).toBe(world.repository);
    expect(point.createdAt).toBe(first.createdAt);
  });

  it('names a restore point that cannot be read, here or there, and copies the others; a list does so too', async () => {
    const { world, there, vault, points } = await prepared(65536, 65536);
    const [one, two, three, db] = [...points.keys()];
    const flip = (repository: string, id: string): void => {
      const found = readdirSync(join(repository, 'manifests'), { recursive: true, encoding: 'utf8' });
      const path = join(repository, 'manifests', found.find((name) => name.endsWith(id))!);
      const bytes = readFileSync(path);
      bytes[80]! ^= 1;
      writeFileSync(path, bytes);
      // What a catalog holds would stand in for it.
      rmSync(world.state, { recursive: true, force: true });
    };
    flip(world.repository, two!);
    const listed = ok(['list', '--repository', world.repository], world);
    expect(listed.points.map((point: { id: string }) => point.id)).toEqual([one, three, db]);
    expect(listed.warnings.join()).toContain(two);
    const args = ['copy', '--repository', world.repository, '--to', vault];
    const first = cli(args, world);
    expect([first.status, first.json]).toMatchObject([3, { copied: 3, failed: 1 }]);
    expect(first.json.points[0]).toMatchObject({ id: two, action: 'failed', error: { code: 'REPOSITORY_DAMAGED' } });
    points.delete(two!);
    await complete(there, points);
    flip(vault, three!);
    const second = cli(args, world);
    expect([second.status, second.json]).toMatchObject([3, { copied: 0, healed: 1, skipped: 2, failed: 1 }]);
    expect(second.json.points.find((point: { id: string }) => point.id === three)).toMatchObject({
      action: 'healed',
      reason: expect.stringContaining('could not be read'),
    });
    await complete(there, points);
  });

  it('one point, one VM, and not what was removed there', async () => {
    const { world, there, vault, points, copy } = await prepared(65536, 65536);
    const [one, two, three, db] = [...points.keys()];
    expect(copy('--point', two!).points).toMatchObject([{ id: two, action: 'copied' }]);
    // An older one is built on what is there just as well.
    expect(copy('--vm', 'WEB').points).toMatchObject([
      { id: one, action: 'copied', basePointId: two },
      { id: two, action: 'skipped' },
      { id: three, action: 'copied', basePointId: two },
    ]);
    ok(['remove', '--repository', vault, '--point', one!], world);
    const rest = copy();
    expect(rest.points.map((point: { action: string }) => point.action)).toEqual([
      'skipped',
      'skipped',
      'skipped',
      'copied',
    ]);
    expect(rest.points[0].reason).toContain('removed there');
    points.delete(one!);
    await complete(there, points);
    expect(rest.points[3].id).toBe(db);
    const self = cli(['copy', '--repository', vault, '--to', vault], world);
    expect(self.json.error.code).toBe('USAGE');
    const none = cli(['copy', '--repository', vault, '--to', world.repository, '--vm', 'x'], world);
    expect(none.json.error.code).toBe('VM_NOT_FOUND');
  });

  it('a removed one that is named comes back; other machines say so once, and it is no damage and no doubt to any', async () => {
    const { world, vault, points, copy } = await prepared(65536, 65536);
    const [one] = [...points.keys()];
    copy();
    const at = ['--repository', vault];
    const on = (machine: string, ...args: string[]) => cli([...args, ...at], { state: join(world.folder, machine) });
    // One knows it as there, one as removed; a third has seen nothing.
    for (const machine of ['sleepy', 'watchful']) expect(on(machine, 'list').json.points).toHaveLength(4);
    ok(['remove', ...at, '--point', one!], world);
    expect(on('watchful', 'list').json.points).toHaveLength(3);
    expect(copy('--point', one!).points).toMatchObject([{ id: one, action: 'copied' }]);
    const told = on('watchful', 'list');
    expect([told.status, told.json.points.length]).toEqual([0, 4]);
    expect(told.json.warnings).toEqual([
      expect.stringMatching(
        new RegExp(`^Restore point web .*\\(${one}\\) was removed from .* and copied back since: it counts again\\.$`),
      ),
    ]);
    for (const machine of ['watchful', 'sleepy', 'fresh']) {
      for (const command of [['check'], ['list'], ['prune', '--dry-run'], ['prune'], ['verify']]) {
        const answer = on(machine, ...command);
        expect([machine, command[0], answer.status, answer.json.damages ?? [], answer.json.warnings ?? []]).toEqual([
          machine,
          command[0],
          0,
          [],
          [],
        ]);
        expect(answer.stderr).toBe('');
      }
    }
  });

  it('a prune first of all on a machine whose catalog holds it as it was before its removal', async () => {
    const { world, vault, points, copy } = await prepared(65536, 65536);
    const [one] = [...points.keys()];
    copy();
    const at = ['--repository', vault];
    const other = { state: join(world.folder, 'other') };
    ok(['list', ...at], other);
    ok(['remove', ...at, '--point', one!], world);
    copy('--point', one!);
    const pruned = cli(['prune', ...at], other);
    expect([pruned.status, pruned.json.warnings, pruned.stderr]).toEqual([0, [], '']);
  });

  it('restores and backs up there: a copied point is no base of the host', async () => {
    const { world, there, copy } = await prepared(65536, 65536);
    copy('--vm', 'db');
    const result = there.backup('db');
    expect(result.mode).toBe('full');
    expect(result.disks[0].newBytes).toBeLessThan(MIB);
    expect(there.backup('db').mode).toBe('incremental');
    expect(world.backup('db').mode).toBe('incremental');
    expect(there.verify()).toBe(true);
  });

  it('killed at many moments, goes on where it stopped', async () => {
    const { world, there, vault, points } = await prepared(65536, 262144);
    const command = ['copy', '--repository', world.repository, '--to', vault];
    for (let round = 0; round < 6; round++) {
      const victim = start(command, world);
      await sleep(350 + round * 150);
      victim.kill('SIGKILL');
      await victim.done;
      for (const { id } of there.points()) expect(await there.hashes(id)).toEqual([points.get(id)]);
    }
    ok(command, world);
    await complete(there, points);
  });

  it('goes past a damaged restore point and says which', async () => {
    const { world, there, points, copy } = await prepared(65536, 65536);
    const db = [...points.keys()].at(-1)!;
    // The newest pack of blocks is the last VM's.
    const packs = readdirSync(join(world.repository, 'packs'), { recursive: true, encoding: 'utf8' })
      .map((name) => join(world.repository, 'packs', name))
      .filter((path) => statSync(path).isFile() && statSync(path).size > 5 * MIB)
      .sort((a, b) => statSync(b).mtimeMs - statSync(a).mtimeMs);
    truncateSync(packs[0]!, 2 * MIB);
    const answer = cli(['copy', '--repository', world.repository, '--to', there.repository], world);
    expect(answer.status).toBe(3);
    expect(answer.json).toMatchObject({ copied: 3, failed: 1 });
    expect(answer.json.points[3]).toMatchObject({ id: db, action: 'failed', error: { code: 'REPOSITORY_DAMAGED' } });
    points.delete(db);
    await complete(there, points);
    expect(copy('--vm', 'web')).toMatchObject({ skipped: 3 });
  });
});

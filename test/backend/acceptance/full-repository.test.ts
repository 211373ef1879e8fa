/**
 * A repository on a volume without a byte left is made smaller, with a reserve and without; then backups work again.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, rmSync, statfsSync, statSync, writeFileSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { noise } from '../../fixtures/content.ts';
import { cli, ok } from '../support/cli.ts';
import { makeScratch } from '../support/scratch.ts';
import { World } from './world.ts';

const MIB = 1024 * 1024;
const DISK = 6 * MIB;

function mountTmpfs(folder: string): boolean {
  mkdirSync(folder, { recursive: true });
  return spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=96m', 'tmpfs', folder]).status === 0;
}

/** With blocks for folders, as tmpfs has none. */
function mountExt4(folder: string): boolean {
  mkdirSync(folder, { recursive: true });
  const image = `${folder}.img`;
  writeFileSync(image, '');
  if (spawnSync('truncate', ['-s', '96M', image]).status !== 0) return false;
  if (spawnSync('mkfs.ext4', ['-q', '-m', '0', image]).status !== 0) return false;
  return spawnSync('mount', ['-o', 'loop', image, folder]).status === 0;
}

const probe = join(tmpdir(), `hvb-full-probe-${process.pid}`);
function can(mount: (folder: string) => boolean): boolean {
  const done = process.platform === 'linux' && mount(probe);
  if (done) spawnSync('umount', [probe]);
  rmSync(probe, { recursive: true, force: true });
  rmSync(`${probe}.img`, { force: true });
  return done;
}

const kinds = [
  { name: 'tmpfs', mount: mountTmpfs, there: can(mountTmpfs) },
  { name: 'ext4', mount: mountExt4, there: can(mountExt4) },
];

for (const { name, mount, there } of kinds) {
  describe.skipIf(!there)(`a repository on a full volume (needs the right to mount ${name})`, () => {
    const mounted: string[] = [];
    afterEach(() => {
      for (const folder of mounted.splice(0)) {
        spawnSync('umount', [join(folder, 'small')]);
        rmSync(folder, { recursive: true, force: true });
      }
    });

    /** Four restore points with nothing in common, and not a byte left beside them. */
    async function fullWorld(options: { reserve: boolean; passphrase?: string }) {
      const folder = await makeScratch(`full-${name}`);
      mounted.push(folder);
      const small = join(folder, 'small');
      expect(mount(small)).toBe(true);
      const outer = await World.create(join(folder, 'world'), { passphrase: options.passphrase });
      const world = outer.with(join(small, 'repository'));
      ok(['repository', 'create', world.repository, ...world.secret], world);
      world.vm('guest', await world.rawImage(noise(DISK, 1)));
      const points: string[] = [];
      for (let i = 0; i < 4; i++) {
        if (i > 0) await world.write('guest', 0, 0, noise(DISK, 100 + i));
        points.push(world.backup('guest').restorePointId);
      }
      const reserve = join(world.repository, 'hvbackup-reserve');
      expect(statSync(reserve).size).toBe(8 * MIB);
      if (!options.reserve) rmSync(reserve);
      const hashes = await world.hashes(points[3]!);
      fill(small);
      return { world, small, points, reserve, lastHashes: hashes };
    }

    it.each([true, false])(
      'gives space back by prune --keep-last (reserve: %s)',
      { timeout: 600_000 },
      async (reserve) => {
        const { world, small, points, lastHashes, ...of } = await fullWorld({ reserve });
        const args = ['--repository', world.repository, ...world.secret];
        // A backup fails, and says what to do.
        await world.write('guest', 0, 0, noise(DISK, 777));
        const failed = world.tryBackup('guest');
        expect([failed.status, failed.json.error.code]).toEqual([1, 'DISK_FULL']);
        expect(failed.stderr).toMatch(/hvbackup prune --repository \S+small/);
        expect(world.points().map(({ id }) => id)).toEqual(points);

        const pruned = ok(['prune', ...args, '--keep-last', '1'], world);
        expect(pruned.removed).toBe(3);
        expect(pruned.freedBytes).toBeGreaterThan(3 * DISK * 0.9);
        expect(world.points().map(({ id }) => id)).toEqual([points[3]]);
        expect(freeBytes(small)).toBeGreaterThan(2 * DISK);
        expect(await world.hashes(points[3]!)).toEqual(lastHashes);
        world.backup('guest');
        expect(world.verify()).toBe(true);
        rmSync(join(small, 'filler'));
        for (let i = 0; i < 4 && !existsSync(of.reserve); i++) {
          await world.write('guest', 0, 0, noise(65536, 900 + i));
          world.backup('guest');
        }
        // Made again when there is room, and the repository is worth it.
        expect(existsSync(of.reserve)).toBe(true);
        expect(await readdir(join(world.repository, 'tmp'))).toEqual([]);
      },
    );

    it.each([true, false])(
      'gives space back by remove --point (reserve: %s)',
      { timeout: 600_000 },
      async (reserve) => {
        const { world, small, points, lastHashes } = await fullWorld({
          reserve,
          passphrase: reserve ? undefined : 'full',
        });
        const removed = world.remove(points[1]!);
        expect(removed.freedBytes).toBeGreaterThan(DISK * 0.9);
        expect(world.points().map(({ id }) => id)).toEqual([points[0], points[2], points[3]]);
        expect(freeBytes(small)).toBeGreaterThan(DISK * 0.9);
        expect(await world.hashes(points[3]!)).toEqual(lastHashes);
        expect(world.verify()).toBe(true);
      },
    );

    it('that is copied to: nothing is half-made, and all is there when there is room', {
      timeout: 600_000,
    }, async () => {
      const folder = await makeScratch(`full-copy-${name}`);
      mounted.push(folder);
      const small = join(folder, 'small');
      expect(mount(small)).toBe(true);
      const world = await World.create(join(folder, 'world'));
      world.vm('guest', await world.rawImage(noise(DISK, 1)));
      const hashes = new Map<string, string[]>();
      for (let i = 0; i < 4; i++) {
        if (i > 0) await world.write('guest', 0, 0, noise(DISK, 200 + i));
        const { restorePointId } = world.backup('guest');
        hashes.set(restorePointId, await world.hashes(restorePointId));
      }
      const there = world.with(join(small, 'copies'));
      ok(['repository', 'create', there.repository], world);
      // Room for two of four, and a part of the third.
      const filler = join(small, 'filler');
      writeFileSync(filler, noise(freeBytes(small) - Math.round(2.5 * DISK), 9));
      const copy = ['copy', '--repository', world.repository, '--to', there.repository];
      const failed = cli(copy, world);
      expect([failed.status, failed.json.error?.code]).toEqual([1, 'DISK_FULL']);
      expect(failed.stderr).toMatch(/hvbackup prune --repository \S+small\/copies/);
      expect(failed.json.error.data.repository).toBe(there.repository);
      const some = there.points().map(({ id }) => id);
      expect(some.length).toBeGreaterThan(0);
      expect(some.length).toBeLessThan(4);
      expect(some).toEqual([...hashes.keys()].slice(0, some.length));
      expect(await readdir(join(there.repository, 'tmp'))).toEqual([]);
      expect(there.verify()).toBe(true);
      // Again without room: what is there stays as it is, and so does what is copied from.
      fill(small);
      expect(cli(copy, world).json.error.code).toBe('DISK_FULL');
      expect(there.points().map(({ id }) => id)).toEqual(some);
      rmSync(filler);
      expect(ok(copy, world)).toMatchObject({ copied: 4 - some.length, skipped: some.length, failed: 0 });
      expect(there.points().map(({ id }) => id)).toEqual([...hashes.keys()]);
      for (const [id, expected] of hashes) expect(await there.hashes(id)).toEqual(expected);
      expect([there.verify(), world.verify()]).toEqual([true, true]);
    });

    it('deletes nothing while a session may be at work, and says what was removed', { timeout: 600_000 }, async () => {
      const { world, small, points } = await fullWorld({ reserve: false });
      // Somebody of another machine is in the middle of a backup.
      rmSync(join(small, 'filler'));
      const session = join(world.repository, 'sessions', 'aa'.repeat(16));
      mkdirSync(session, { recursive: true });
      writeFileSync(join(session, '00000001'), 'cannot be read, so it may be alive');
      fill(small);
      const packs = await readdir(join(world.repository, 'packs'), { recursive: true });
      const answer = cli(['prune', '--repository', world.repository, '--keep-last', '1'], world);
      expect(answer.status).toBe(1);
      expect(answer.json.error.code).toBe('DISK_FULL');
      expect(await readdir(join(world.repository, 'packs'), { recursive: true })).toEqual(packs);
      // What has left the list is what the error names.
      const left = world.points().map(({ id }) => id);
      expect(answer.json.error.data.removed ?? []).toEqual(points.filter((id) => !left.includes(id)));
    });
  });
}

function fill(folder: string): void {
  const file = join(folder, 'filler');
  for (const size of ['1M', '64K', '4K', '512', '1'])
    spawnSync('sh', ['-c', `dd if=/dev/zero bs=${size} >> "$0" 2>/dev/null`, file]);
  expect(freeBytes(folder)).toBe(0);
}

function freeBytes(folder: string): number {
  const { bavail, bsize } = statfsSync(folder);
  return bavail * bsize;
}

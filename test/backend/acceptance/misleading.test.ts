/** Errors that sent people the wrong way: what they say now, and that what they advise can be done. */
import { spawnSync } from 'node:child_process';
import { chmod, readFile, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { toHvError } from '../../../backend/src/support/errors.ts';
import { noise } from '../../fixtures/content.ts';
import { cli, ok } from '../support/cli.ts';
import { scratchForEach } from '../support/scratch.ts';
import { World } from './world.ts';

const MIB = 1024 * 1024;
const failed = (code: string, syscall = 'open') =>
  toHvError(Object.assign(new Error(code), { code, syscall, path: '/x' }));

describe('what an error advises', () => {
  const scratch = scratchForEach('misleading');

  it('a file system that is read-only is no matter of permissions', () => {
    const error = failed('EROFS', 'mkdir');
    expect(error.code).toBe('ACCESS_DENIED');
    expect(error.message).toMatch(/cannot be written to: \/x \(mkdir: EROFS/);
    expect(error.advice).toMatch(/Mount it for writing/);
    expect(failed('EACCES').advice).toContain('permissions');
  });

  it('a path that is too long: in a repository, an export, a host', async () => {
    const folder = await scratch();
    const long = join(folder, 'x'.repeat(300));
    for (const args of [
      ['repository', 'create', long],
      ['list', '--repository', long],
      ['host', 'create', long],
    ]) {
      const { status, json } = cli(args);
      expect([args[0], status, json.error.code]).toEqual([args[0], 1, 'PATH_TOO_LONG']);
      expect(json.error.advice).toContain('255 bytes');
    }
  });

  it.skipIf(process.platform === 'win32')('a link to nowhere: what it leads to, not "create one"', async () => {
    const folder = await scratch();
    await symlink('/mnt/backup-disk/not-mounted', join(folder, 'link'));
    for (const args of [
      ['list', '--repository'],
      ['repository', 'create'],
    ]) {
      const { status, json } = cli([...args, join(folder, 'link')]);
      expect([status, json.error.code]).toEqual([1, 'REPOSITORY_NOT_FOUND']);
      expect(json.error.message).toContain('is a link to /mnt/backup-disk/not-mounted, which is not there');
      expect(json.error.advice).not.toContain('create');
    }
  });

  it('a configuration that is damaged with its second copy: no command can open it, so none is advised', async () => {
    const folder = await scratch();
    const [repository, state] = [join(folder, 'repository'), join(folder, 'state')];
    ok(['repository', 'create', repository], { state });
    const file = join(repository, 'hvbackup-repository.json');
    const old = await readFile(file);
    const copies = spawnSync('grep', ['-rl', 'hypervbackup-repository', repository], { encoding: 'utf8' })
      .stdout.trim()
      .split('\n');
    expect(copies).toContain(file);
    for (const copy of copies) {
      await chmod(copy, 0o600);
      await writeFile(copy, (await readFile(copy, 'latin1')).replace('"version"', '"vers1on"'), 'latin1');
    }
    for (const command of ['list', 'check', 'repair']) {
      const { status, json } = cli([command, '--repository', repository], { state });
      expect([command, status, json.error?.code]).toEqual([command, 4, 'REPOSITORY_DAMAGED']);
      expect(json.error.advice).toMatch(/Bring hvbackup-repository\.json back/);
      expect(json.error.advice).not.toContain('hvbackup check');
    }
    await writeFile(file, old);
    expect(ok(['list', '--repository', repository], { state }).points).toEqual([]);
  });

  it('damage names its place once', async () => {
    const world = await World.create(await scratch());
    world.vm('a', await world.rawImage(noise(4 * MIB, 1)));
    world.backup('a');
    const pack = spawnSync('sh', ['-c', `find '${world.repository}/packs' -type f -size +1M`], {
      encoding: 'utf8',
    }).stdout.trim();
    const bytes = await readFile(pack.split('\n')[0]!);
    bytes.fill(0xee, 2 * MIB, 2 * MIB + 64);
    spawnSync('chmod', ['600', pack]);
    await writeFile(pack.split('\n')[0]!, bytes);
    const { json } = cli(['verify', '--repository', world.repository], world);
    expect(json.damages.length).toBeGreaterThan(0);
    for (const { path, message } of json.damages) expect(message).not.toContain(path);
    expect(ok(['list', '--repository', world.repository], world).points).toHaveLength(1);
  });
});

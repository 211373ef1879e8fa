/** An encrypted repository through the command line: what a thief sees, keys, and removals behind our back. */
import { readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { noise } from '../../fixtures/content.ts';
import { cli, ok } from '../support/cli.ts';
import { scratchForEach } from '../support/scratch.ts';
import { World } from './world.ts';

const SECRET = 'A line that stands on the disk of the guest and nowhere else.';

describe('an encrypted repository', () => {
  const scratch = scratchForEach('encryption');

  async function prepared() {
    const world = await World.create(await scratch());
    const repository = join(world.folder, 'encrypted');
    const files = (name: string, text: string): string => {
      writeFileSync(join(world.folder, name), text);
      return join(world.folder, name);
    };
    const secret = ['--passphrase-file', files('one.txt', 'first passphrase\n')];
    ok(['repository', 'create', repository, ...secret], world);
    const disk = noise(3 * 1024 * 1024, 1);
    disk.write(SECRET, 600_000);
    const vm = world.vm('accounting-vm', await world.rawImage(disk));
    const at = ['--repository', repository];
    const backup = () => ok(['backup', '--host', world.host, ...at, ...secret], world).results[0];
    return { world, repository, files, secret, at, vm, disk, backup };
  }

  const objectsOf = (folder: string): string[] =>
    readdirSync(folder, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => join(entry.parentPath, entry.name));

  it('shows a thief nothing but sizes', async () => {
    const { world, repository, vm, backup, secret, at } = await prepared();
    backup();
    await world.write('accounting-vm', 0, 4096, noise(4096, 3));
    backup();
    const path = world.host.slice('sim:'.length);
    const needles = [
      SECRET,
      'accounting-vm',
      vm.id,
      vm.disks[0].id,
      vm.disks[0].path,
      path,
      hostname(),
      'first passphrase',
    ];
    const forms = needles.flatMap((needle) => {
      const raw = Buffer.from(needle);
      const guid = /^[0-9a-f-]{36}$/.test(needle) ? [Buffer.from(needle.replaceAll('-', ''), 'hex')] : [];
      return [
        raw,
        Buffer.from(needle, 'utf16le'),
        Buffer.from(raw.toString('hex')),
        // A base64 text shows it at one of three shifts.
        ...[0, 1, 2].map((shift) =>
          Buffer.from(raw.subarray(shift, raw.length - ((raw.length - shift) % 3)).toString('base64')),
        ),
        ...guid,
      ].filter((form) => form.length >= 6);
    });
    for (const file of objectsOf(repository)) {
      const bytes = readFileSync(file);
      expect(
        forms.filter((form) => bytes.includes(form) || file.slice(repository.length).includes(form.toString())),
      ).toEqual([]);
    }
    expect(ok(['verify', ...at, ...secret], world).ok).toBe(true);
    for (const name of process.platform === 'win32' ? [] : ['catalogs', 'seen'])
      expect(statSync(join(world.state, name)).mode & 0o077).toBe(0);
    // What this machine keeps has names of VMs: for the account that backs up, and without content or keys.
    const state = objectsOf(world.state);
    expect(state.length).toBeGreaterThan(0);
    for (const file of state) {
      const bytes = readFileSync(file);
      for (const form of [SECRET, 'first passphrase']) expect(bytes.includes(form)).toBe(false);
    }
  });

  it('is opened by any of its passphrases, by no other, and says what is wrong', async () => {
    const { world, files, secret, at, backup } = await prepared();
    const { restorePointId } = backup();
    const code = (...args: string[]): string => cli(args, world).json.error.code;
    expect(code('list', ...at)).toBe('PASSPHRASE_REQUIRED');
    expect(code('list', ...at, '--passphrase-file', files('wrong.txt', 'First passphrase'))).toBe('WRONG_PASSPHRASE');
    expect(code('list', '--repository', world.repository, ...secret)).toBe('REPOSITORY_NOT_ENCRYPTED');
    const second = files('two.txt', 'second passphrase');
    const added = ok(
      ['repository', 'key', 'add', ...at, ...secret, '--new-passphrase-file', second, '--label', 'safe'],
      world,
    );
    for (const [by, again] of [
      [secret[1]!, second],
      [second, secret[1]!],
      [second, second],
    ] as const) {
      const twice = cli(
        ['repository', 'key', 'add', ...at, '--passphrase-file', by, '--new-passphrase-file', again],
        world,
      );
      expect([twice.status, twice.json.error.code]).toEqual([2, 'KEY_EXISTS']);
      expect(twice.stderr).toContain('opens');
      expect(twice.stderr).toContain('Nothing was added.');
    }
    const { keys } = ok(['repository', 'key', 'list', ...at, '--passphrase-file', second], world);
    expect(keys).toHaveLength(2);
    expect(keys.find((key: { id: string }) => key.id === added.key.id)).toMatchObject({ label: 'safe', current: true });
    const [first] = keys.filter((key: { current: boolean }) => !key.current);
    expect(code('repository', 'key', 'remove', ...at, ...secret, '--key', first.id)).toBe('KEY_IN_USE');
    ok(['repository', 'key', 'remove', ...at, '--passphrase-file', second, '--key', first.id.slice(0, 6)], world);
    expect(code('list', ...at, ...secret)).toBe('WRONG_PASSPHRASE');
    expect(ok(['list', ...at, '--passphrase-file', second], world).points[0].id).toBe(restorePointId);
  });

  it.each([true, false])('a restore point that somebody deletes is missed (encrypted: %s)', async (encrypted) => {
    const { world, repository, secret: given, vm } = await prepared();
    const location = encrypted ? repository : world.repository;
    const secret = encrypted ? given : [];
    const at = ['--repository', location, ...secret];
    const backup = () => ok(['backup', '--host', world.host, '--vm', vm.name, ...at], world).results[0];
    const { restorePointId } = backup();
    expect(backup().warnings).toEqual([]);
    rmSync(objectsOf(join(location, 'manifests')).find((file) => file.endsWith(restorePointId))!);

    const listed = ok(['list', ...at], world);
    expect(listed.points).toHaveLength(1);
    expect(listed.warnings[0]).toContain(`accounting-vm`);
    expect(listed.warnings[0]).toContain(restorePointId);
    expect(backup().warnings[0]).toContain(restorePointId);
    const checked = cli(['check', ...at], world);
    expect(checked.status).toBe(4);
    expect(checked.json.damages).toMatchObject([
      { object: 'removed', affects: [{ pointId: restorePointId, vmName: vm.name }] },
    ]);
    // Another machine cannot know.
    expect(ok(['list', ...at], { state: join(world.folder, 'elsewhere') }).warnings).toBeUndefined();

    expect(ok(['repository', 'accept-removed', ...at], world).points).toMatchObject([
      { id: restorePointId, state: 'gone' },
    ]);
    expect(ok(['list', ...at], world).warnings).toBeUndefined();
    expect(cli(['check', ...at], world).status).toBe(0);
    ok(['remove', ...at, '--point', listed.points[0].id], world);
    expect(ok(['list', ...at], world).warnings).toBeUndefined();
  });
});

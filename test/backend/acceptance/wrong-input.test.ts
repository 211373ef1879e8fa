/** Wrong input: a clear sentence on stderr, the documented exit code, nothing lost. */
import { chmod, mkdir, open, readdir, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeEach, describe, expect, it } from 'vitest';
import { noise } from '../../fixtures/content.ts';
import { type CliAnswer, cli, ok, start } from '../support/cli.ts';
import { scratchForEach } from '../support/scratch.ts';
import { World } from './world.ts';

const MIB = 1024 * 1024;

function expectError(answer: CliAnswer, status: number, code: string, text: RegExp) {
  expect(answer.status).toBe(status);
  expect(answer.json.error?.code ?? answer.json.results?.[0]?.error?.code).toBe(code);
  expect(answer.stderr).toMatch(text);
  expect(answer.stderr).not.toMatch(/\n\s+at /); // no stack traces for people
}

describe('wrong input', () => {
  const scratch = scratchForEach('wrong');
  let world: World;

  beforeEach(async () => {
    world = await World.create(await scratch());
    world.vm('guest', await world.rawImage(noise(8 * MIB, 1)));
  });

  it('usage errors have exit code 2', () => {
    expect(cli(['frobnicate']).status).toBe(2);
    expect(cli(['backup', '--host', world.host]).status).toBe(2);
    expect(cli(['backup', '--host', 'ftp:x', '--repository', world.repository]).status).toBe(2);
    expect(cli(['backup', '--host', world.host, '--repository', world.repository, '--mode', 'sideways']).status).toBe(
      2,
    );
  });

  it('an unknown VM', () => expectError(world.tryBackup('gast'), 1, 'VM_NOT_FOUND', /gast/));

  it('a VM without restore points: list, copy and prune name what there is, and say what was meant', () => {
    const nothing = cli(['list', '--repository', world.repository, '--vm', 'guest'], world);
    expectError(nothing, 1, 'VM_NOT_FOUND', /no restore points at all/);
    world.backup('guest');
    const from = ['--repository', world.repository];
    for (const command of [['list'], ['copy', '--to', join(world.folder, 'other')], ['prune', '--keep-last', '1']]) {
      if (command[0] === 'copy') ok(['repository', 'create', command[2]!], world);
      const answer = cli([...command, ...from, '--vm', 'gust'], world);
      expectError(answer, 1, 'VM_NOT_FOUND', /Did you mean "guest"\?/);
      expect(answer.json.error.data).toEqual({ vm: 'gust', known: ['guest'] });
    }
    expect(ok(['list', ...from, '--vm', 'GUEST'], world).points).toHaveLength(1);
    expect(world.tryBackup('gues').stderr).toContain('Did you mean "guest"?');
  });

  it('a missing repository, and a folder that is none', async () => {
    const args = ['backup', '--host', world.host, '--vm', 'guest', '--repository'];
    expectError(cli([...args, join(world.folder, 'none')], world), 1, 'REPOSITORY_NOT_FOUND', /none/);
    expectError(cli([...args, world.folder], world), 1, 'REPOSITORY_NOT_FOUND', /./);
    expect(await readdir(world.folder)).not.toContain('none');
  });

  it('a repository on a storage that is not known', () => {
    const location = 's3://bucket/backups';
    const args = ['backup', '--host', world.host, '--vm', 'guest', '--repository', location];
    for (const command of [['repository', 'create', location], ['list', '--repository', location], args])
      expectError(cli(command, world), 2, 'USAGE', /scheme "s3:" \(s3:\/\/bucket\/backups\).*a folder/s);
  });

  it('a missing host', () =>
    expectError(cli(['vm', 'list', '--host', `sim:${world.folder}/none`]), 1, 'HOST_NOT_FOUND', /none/));

  it('an unknown restore point', () => {
    const args = [
      'export',
      '--repository',
      world.repository,
      '--point',
      '01JXXXXXXX',
      '--to',
      world.folder,
      '--format',
      'raw',
    ];
    expectError(cli(args, world), 1, 'POINT_NOT_FOUND', /01JXXXXXXX/);
  });

  it.skipIf(process.getuid?.() === 0)('an unreadable file (not as root)', async () => {
    const image = await world.rawImage(noise(MIB, 2));
    await chmod(image, 0);
    expectError(
      cli(['vm', 'create', '--host', world.host, '--name', 'x', '--disk', image]),
      1,
      'ACCESS_DENIED',
      /source/,
    );
  });

  it('a corrupt VHDX', async () => {
    const { vm } = ok(['vm', 'show', '--host', world.host, '--vm', 'guest']);
    const file = await open(vm.disks[0].path, 'r+');
    await file.write(Buffer.alloc(1024, 0xee), 0, 1024, 192 * 1024);
    await file.write(Buffer.alloc(1024, 0xee), 0, 1024, 256 * 1024);
    await file.close();
    expectError(world.tryBackup('guest'), 1, 'DISK_CORRUPT', /0x/);
    expect(world.points()).toEqual([]);
    expectError(
      cli(['vm', 'create', '--host', world.host, '--name', 'y', '--disk', vm.disks[0].path]),
      1,
      'DISK_CORRUPT',
      /./,
    );
    expect(ok(['vm', 'list', '--host', world.host]).vms).toHaveLength(1);
  });

  it('a corrupt pack: verify ends with 4 and names it, restore refuses, the next backup heals it', async () => {
    const { restorePointId } = world.backup('guest');
    const packs: string[] = [];
    for (const folder of await readdir(join(world.repository, 'packs'))) {
      for (const name of await readdir(join(world.repository, 'packs', folder)))
        packs.push(join(world.repository, 'packs', folder, name));
    }
    const sizes = await Promise.all(packs.map(async (path) => ({ path, size: (await stat(path)).size })));
    const { path } = sizes.sort((a, b) => b.size - a.size)[0]!;
    await chmod(path, 0o600);
    const file = await open(path, 'r+');
    await file.write(Buffer.alloc(64, 0xee), 0, 64, 3 * MIB);
    await file.close();
    const verified = cli(['verify', '--repository', world.repository], world);
    expect(verified.status).toBe(4);
    expect(verified.json.ok).toBe(false);
    expect(verified.json.damages[0].path).toContain('packs/');
    expect(verified.json.damages[0].affects).toMatchObject([{ pointId: restorePointId, vmName: 'guest', disk: 0 }]);
    const to = join(world.folder, 'out');
    const exported = cli(
      ['export', '--repository', world.repository, '--point', restorePointId, '--to', to, '--format', 'raw'],
      world,
    );
    expectError(exported, 4, 'REPOSITORY_DAMAGED', /0x/);
    expect(await readdir(to)).toEqual([]);
    // An incremental reads again what is known to be damaged, however little the guest changed.
    const healed = world.backup('guest');
    expect(healed.mode).toBe('incremental');
    expect(healed.disks[0].readBytes).toBeGreaterThan(0);
    expect(cli(['verify', '--repository', world.repository], world).status).toBe(0);
  });

  it('two backups of one VM at once: the second is refused, the first goes on', async () => {
    world.vm('big', await world.rawImage(noise(256 * MIB, 3)));
    const args = ['backup', '--host', world.host, '--vm', 'big', '--repository', world.repository];
    const answers = await Promise.all([start(args, world).done, start(args, world).done]);
    expect(answers.map((answer) => answer.status).sort()).toEqual([0, 1]);
    const refused = answers.find((answer) => answer.status === 1)!;
    expectError(refused, 1, 'BACKUP_IN_PROGRESS', /running already/);
  });

  it('never overwrites: an export target, a VM, a repository, a host', async () => {
    const { restorePointId } = world.backup('guest');
    const to = join(world.folder, 'out');
    const args = ['export', '--repository', world.repository, '--point', restorePointId, '--to', to, '--format', 'raw'];
    ok(args, world);
    expectError(cli(args, world), 1, 'FILE_EXISTS', /out/);
    const restore = ['restore', '--repository', world.repository, '--point', restorePointId, '--host', world.host];
    expectError(cli(restore, world), 1, 'VM_EXISTS', /guest/);
    expectError(cli(['repository', 'create', world.repository], world), 1, 'REPOSITORY_EXISTS', /./);
    expectError(cli(['host', 'create', world.host.slice(4)]), 1, 'HOST_EXISTS', /./);
    const foreign = join(world.folder, 'foreign');
    await mkdir(foreign);
    await writeFile(join(foreign, 'letter.txt'), 'mine');
    expect(cli(['repository', 'create', foreign], world).status).toBe(1);
    expect(await readdir(foreign)).toEqual(['letter.txt']);
    await rm(foreign, { recursive: true });
  });
});

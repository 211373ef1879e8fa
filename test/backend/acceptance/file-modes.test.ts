/**
 * What is written holds the content of disks: other accounts of the machine cannot read it, whatever the umask allows.
 */
import { chmodSync, mkdirSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ok } from '../support/cli.ts';
import { scratchForEach } from '../support/scratch.ts';
import { World } from './world.ts';

const scratch = scratchForEach('file-modes');
const mode = (path: string) => (statSync(path).mode & 0o777).toString(8);

describe.skipIf(process.platform === 'win32')('modes', () => {
  let before: number;
  beforeEach(() => {
    before = process.umask(0);
  });
  afterEach(() => {
    process.umask(before);
  });

  it('of a repository, a restored VM and exported images are for the account alone; an existing folder keeps its own', async () => {
    const folder = await scratch();
    const world = await World.create(join(folder, 'world'));
    expect([mode(world.repository), mode(world.host.slice('sim:'.length))]).toEqual(['700', '700']);
    world.vm('guest', await world.rawImage(Buffer.alloc(1 << 20, 7)));
    const point = world.backup('guest').restorePointId;

    const args = ['--repository', world.repository, '--point', point];
    const restored = ok(['restore', ...args, '--host', world.host, '--new-id', '--name', 'second'], world);
    const shown = ok(['vm', 'show', '--host', world.host, '--vm', restored.result?.vmId ?? restored.vmId], world);
    expect(shown.vm.disks.map((disk: { path: string }) => mode(disk.path))).toEqual(['600']);

    const fresh = join(folder, 'fresh');
    const open = join(folder, 'open');
    mkdirSync(open);
    chmodSync(open, 0o755);
    for (const to of [fresh, open]) {
      for (const format of ['raw', 'vhdx', 'vhd', 'qcow2'])
        ok(['export', ...args, '--to', to, '--format', format], world);
      expect(readdirSync(to).map((name) => mode(join(to, name)))).toEqual(['600', '600', '600', '600']);
    }
    expect([mode(fresh), mode(open)]).toEqual(['700', '755']);
  });

  it('of a repository that several accounts share are what its folder and the umask allow', async () => {
    const repository = join(await scratch(), 'shared');
    mkdirSync(repository);
    chmodSync(repository, 0o770);
    process.umask(0o007);
    ok(['repository', 'create', repository]);
    expect([mode(repository), mode(join(repository, 'hvbackup-repository.json'))]).toEqual(['770', '660']);
  });
});

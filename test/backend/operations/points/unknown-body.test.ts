/**
 * One restore point that a later version described in a way of its own: everything else goes on, and nothing of it is
 * touched.
 */
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { createSimulatedHost, type SimulatedHost } from '../../../../backend/src/hosts/simulated/index.ts';
import { backupOne } from '../../../../backend/src/operations/backup/backup.ts';
import { createRepository, openRepository } from '../../../../backend/src/operations/open-repository.ts';
import { listPoints } from '../../../../backend/src/operations/points/points.ts';
import { pruneRepository } from '../../../../backend/src/operations/retention/apply.ts';
import type { Repository } from '../../../../backend/src/repository/port/repository.ts';
import { BackupVmParams } from '../../../../backend/src/schema/backup.ts';
import { ListPointsParams } from '../../../../backend/src/schema/points.ts';
import { PruneRepositoryParams } from '../../../../backend/src/schema/repository.ts';
import { BLOCK, backup, readAll, sampleBytes } from '../../repository/support/model.ts';
import { scratchForEach } from '../../support/scratch.ts';

const SIZE = 8 * BLOCK;
const scratch = scratchForEach('unknown-body');
let host: SimulatedHost;
let location: string;
let vmId: string;
let warnings: string[];
const context = { warn: (warning: string) => void warnings.push(warning) };

beforeEach(async () => {
  const folder = await scratch();
  process.env.HVBACKUP_STATE_DIR = join(folder, 'state');
  location = join(folder, 'repository');
  host = await createSimulatedHost(join(folder, 'host'));
  vmId = (await host.createVm({ name: 'web01', generation: 2, disks: [{ size: SIZE }] })).vm.id;
  await host.guestWrites(vmId, 0, [{ offset: 0, data: sampleBytes(SIZE, 1) }]);
  await (await createRepository(location, { blockSize: BLOCK })).close();
  warnings = [];
});
afterEach(async () => {
  await host.close();
  delete process.env.HVBACKUP_STATE_DIR;
});

async function using<T>(work: (repository: Repository) => Promise<T>): Promise<T> {
  const repository = await openRepository(location, {});
  try {
    return await work(repository);
  } finally {
    await repository.close();
  }
}

const runBackup = () =>
  using((repository) => {
    const params = BackupVmParams.parse({ host: host.uri, repository: location, vm: vmId });
    return backupOne(host, repository, params, context);
  });
const list = () => listPoints(ListPointsParams.parse({ repository: location }), context);
const prune = (keepLast?: number) =>
  pruneRepository(PruneRepositoryParams.parse({ repository: location, keepLast }), context);

it('is warned of and kept, by list, backup, prune and retention, also without a catalog', async () => {
  const first = await runBackup();
  const contents = [sampleBytes(4 * BLOCK, 8), sampleBytes(4 * BLOCK, 9)];
  // One of this VM, newer than its backup, and one of a VM that has no other.
  const groups = [vmId, '11111111-2222-3333-4444-555555555555'];
  const unknown = await using(async (repository) => [
    await backup(repository as never, contents[0]!, { group: groups[0] }),
    await backup(repository as never, contents[1]!, { group: groups[1] }),
  ]);
  const ids = unknown.map(({ id }) => id);
  const kept = () =>
    using(async (repository) => {
      for (const [i, { ref }] of unknown.entries())
        expect((await readAll(repository, ref)).equals(contents[i]!)).toBe(true);
      for (const [i, id] of ids.entries()) expect(readdirSync(join(location, 'manifests', groups[i]!))).toContain(id);
      expect((await repository.check()).damages).toEqual([]);
    });

  const listed = await list();
  expect(listed.points.map(({ id }) => id)).toEqual([first.restorePointId]);
  for (const id of ids) expect(listed.warnings.join('\n')).toContain(id);

  await host.guestWrites(vmId, 0, [{ offset: 0, data: sampleBytes(BLOCK, 2) }]);
  const second = await runBackup();
  expect(second.mode).toBe('incremental');
  await prune();
  await kept();

  process.env.HVBACKUP_STATE_DIR = join(location, '..', 'another-machine');
  warnings = [];
  const result = await prune(1);
  expect(result.points.map(({ id, action }) => [id, action])).toEqual([
    [first.restorePointId, 'remove'],
    [second.restorePointId, 'keep'],
  ]);
  for (const id of ids) expect(warnings.join('\n')).toMatch(new RegExp(`${id}.*not know.*left as it is`));
  expect((await list()).points.map(({ id }) => id)).toEqual([second.restorePointId]);
  await kept();
});

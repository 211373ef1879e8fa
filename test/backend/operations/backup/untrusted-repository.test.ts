/**
 * A repository without encryption is whatever somebody wrote there: what its journal and its chain records name is not
 * touched for it.
 */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { createSimulatedHost, type SimulatedHost } from '../../../../backend/src/hosts/simulated/index.ts';
import { backupOne } from '../../../../backend/src/operations/backup/backup.ts';
import { ReferenceNotes } from '../../../../backend/src/operations/backup/reference-notes.ts';
import type { StoredRepository } from '../../../../backend/src/repository/repository.ts';
import { BackupVmParams } from '../../../../backend/src/schema/backup.ts';
import { ulid } from '../../../../backend/src/support/ulid.ts';
import { MemoryStorage } from '../../repository/support/memory-storage.ts';
import { BLOCK, createMemoryRepository, openMemory, sampleBytes } from '../../repository/support/model.ts';
import { scratchForEach } from '../../support/scratch.ts';
import { deadOwner } from '../support/dead-owner.ts';

const SIZE = 8 * BLOCK;
const scratch = scratchForEach('untrusted');
const before = process.env.HVBACKUP_STATE_DIR;
const closing: { close(): unknown }[] = [];
beforeAll(() => {
  delete process.env.HVBACKUP_STATE_DIR;
});
afterAll(() => {
  if (before === undefined) delete process.env.HVBACKUP_STATE_DIR;
  else process.env.HVBACKUP_STATE_DIR = before;
});
afterEach(async () => {
  for (const one of closing.splice(0).reverse()) await one.close();
});

async function fixture(passphrase?: string) {
  const folder = await scratch();
  process.env.HVBACKUP_STATE_DIR = join(folder, 'state');
  const host = await createSimulatedHost(join(folder, 'host'));
  closing.push(host);
  const { vm } = await host.createVm({ name: 'web01', generation: 2, disks: [{ size: SIZE }] });
  await host.guestWrites(vm.id, 0, [{ offset: 0, data: sampleBytes(SIZE, 1) }]);
  const storage = new MemoryStorage();
  await (await createMemoryRepository(storage, { passphrase })).close();
  const repository = await openMemory(storage, undefined, { passphrase });
  closing.push(repository);
  const params = BackupVmParams.parse({ host: host.uri, repository: 'memory:', vm: vm.id });
  const run = () => backupOne(host, repository, params, {});
  return { folder, host, vmId: vm.id, repository, run };
}

function checkpointOf(host: SimulatedHost, vmId: string, label: string) {
  return host.createRecoveryCheckpoint(vmId, { consistency: 'crash', allowCrashConsistent: true, label });
}

/** Writes the journal of a job of this machine whose process is gone. */
async function plantJob(
  { records }: StoredRepository,
  vmId: string,
  job: { hostUri: string; label: string; lockPath: string; checkpointId?: string },
): Promise<void> {
  const jobId = ulid();
  await records.put(`jobs/${vmId}/${jobId}/1-started`, {
    schema: 1,
    jobId,
    pointId: ulid(),
    vmId,
    vmName: 'web01',
    hostUri: job.hostUri,
    startedAt: new Date().toISOString(),
    checkpointLabel: job.label,
    checkpointsBefore: [],
    owner: deadOwner(job.lockPath),
  });
  if (job.checkpointId === undefined) return;
  await records.put(`jobs/${vmId}/${jobId}/2-checkpoint`, { schema: 1, checkpointId: job.checkpointId });
}

/** Another process that holds the lock: whoever opens the file notices. */
function holdLock(path: string): void {
  const database = new DatabaseSync(path);
  database.exec('BEGIN EXCLUSIVE');
  closing.push(database);
}

describe('the journal of a repository without encryption', () => {
  it('cannot have a file opened: whether a process lives is not asked of what it names', async () => {
    const { folder, host, vmId, repository, run } = await fixture();
    const ours = join(folder, 'state', 'locks', 'other.lock');
    mkdirSync(join(folder, 'state', 'locks'), { recursive: true });
    for (const path of [join(folder, 'elsewhere.lock'), ours]) {
      holdLock(path);
      await plantJob(repository, vmId, { hostUri: host.uri, label: `HyperVBackup ${ulid()}`, lockPath: path });
    }
    // Who opened one would find it held, and take its process for alive.
    const warnings = (await run()).warnings.join();
    expect(warnings.match(/was interrupted/g)).toHaveLength(2);
    expect(warnings).not.toMatch(/has not ended/);
  });

  it.each([
    ['by its id', false],
    ['by its label', true],
  ])("cannot have another product's checkpoint removed, named %s", async (_, byLabel) => {
    const { folder, host, vmId, repository, run } = await fixture();
    const other = await checkpointOf(host, vmId, 'Other product, nightly');
    const label = byLabel ? other.label : `HyperVBackup ${ulid()}`;
    const lockPath = join(folder, 'state', 'locks', 'gone.lock');
    await plantJob(repository, vmId, { hostUri: host.uri, label, lockPath, checkpointId: other.id });
    await run();
    expect((await host.listRecoveryCheckpoints(vmId)).map(({ id }) => id)).toEqual([other.id]);
  });
});

describe('a chain record', () => {
  async function withForeign(passphrase?: string) {
    const made = await fixture(passphrase);
    const { host, vmId, repository } = made;
    const checkpoint = await checkpointOf(host, vmId, 'Other product, nightly');
    const foreign = await host.convertToReferencePoint(checkpoint.id);
    const record = { schema: 1, pointId: ulid(), vmId, hostUri: host.uri, createdAt: '', disks: [] };
    await repository.records.put(`chains/${vmId}/00000001`, { ...record, referencePointId: foreign.id });
    const references = async () => (await host.listReferencePoints(vmId)).map(({ id }) => id);
    return { ...made, foreign, references };
  }

  it("cannot have another product's reference point removed where anybody could have written it", async () => {
    const { foreign, references, run } = await withForeign();
    expect((await run()).warnings.join()).toMatch(new RegExp(`reference point ${foreign.id} stays`));
    await run();
    const left = await references();
    // Its own of the first run is noted here, and went.
    expect(left).toHaveLength(2);
    expect(left).toContain(foreign.id);
  });

  it('counts in an encrypted repository, where it takes the key to write one', async () => {
    const { foreign, references, run } = await withForeign('correct horse');
    expect((await run()).warnings).toEqual([]);
    expect(await references()).not.toContain(foreign.id);
  });
});

it('a reference point of ours goes also when its process died before it could record it', async () => {
  const { host, vmId, repository, run } = await fixture();
  const checkpoint = await checkpointOf(host, vmId, `HyperVBackup ${ulid()}`);
  await new ReferenceNotes(repository, vmId).expect(ulid(), checkpoint);
  const { id } = await host.convertToReferencePoint(checkpoint.id);
  await run();
  expect((await host.listReferencePoints(vmId)).map((one) => one.id)).not.toContain(id);
});

it('a reference point of ours goes also when its record was lost', async () => {
  const { host, vmId, repository, run } = await fixture();
  await run();
  for (const path of await repository.records.list(`chains/${vmId}/`)) await repository.records.delete(path);
  await run();
  expect(await host.listReferencePoints(vmId)).toHaveLength(1);
});

it("another product's reference point is no base: without our own the backup is a full that says so", async () => {
  const { host, vmId, run } = await fixture();
  await run();
  const [ours] = await host.listReferencePoints(vmId);
  const checkpoint = await checkpointOf(host, vmId, 'Other product, nightly');
  await host.convertToReferencePoint(checkpoint.id);
  await host.removeReferencePoint(ours!.id);
  const result = await run();
  expect(result.disks.map(({ mode, reason }) => [mode, reason])).toEqual([
    ['full', 'the host has no reference point of the remaining restore points'],
  ]);
});

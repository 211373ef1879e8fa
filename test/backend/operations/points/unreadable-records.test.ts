/**
 * Chain records, job records and tombstones under I/O errors: the backup is made, the list is given, and both say what
 * cannot be read.
 */
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { createSimulatedHost, type SimulatedHost } from '../../../../backend/src/hosts/simulated/index.ts';
import { backupOne } from '../../../../backend/src/operations/backup/backup.ts';
import { unexpectedPointWarnings } from '../../../../backend/src/operations/unexpected-points.ts';
import type { StoredRepository } from '../../../../backend/src/repository/repository.ts';
import { BackupVmParams } from '../../../../backend/src/schema/backup.ts';
import { HvError } from '../../../../backend/src/support/errors.ts';
import { ulid } from '../../../../backend/src/support/ulid.ts';
import { FaultStorage, MemoryStorage } from '../../repository/support/memory-storage.ts';
import { BLOCK, backup, createMemoryRepository, openMemory, sampleBytes } from '../../repository/support/model.ts';
import { scratchForEach } from '../../support/scratch.ts';
import { deadOwner } from '../support/dead-owner.ts';

const SIZE = 8 * BLOCK;
const scratch = scratchForEach('unreadable');
const before = process.env.HVBACKUP_STATE_DIR;
beforeAll(() => {
  delete process.env.HVBACKUP_STATE_DIR;
});
afterAll(() => {
  if (before === undefined) delete process.env.HVBACKUP_STATE_DIR;
  else process.env.HVBACKUP_STATE_DIR = before;
});

const closing: { close(): Promise<void> }[] = [];
afterEach(async () => {
  for (const one of closing.splice(0).reverse()) await one.close();
});

const broken = (pattern: RegExp) => (operation: string, name: string) =>
  /^(get|read)$/.test(operation) && pattern.test(name)
    ? new HvError('IO_ERROR', `bad sector under ${name}`)
    : undefined;

interface Fixture {
  host: SimulatedHost;
  vmId: string;
  storage: MemoryStorage;
  connect(fail?: (operation: string, name: string) => Error | undefined): Promise<StoredRepository>;
  run(repository: StoredRepository): ReturnType<typeof backupOne>;
}

async function fixture(): Promise<Fixture> {
  const folder = await scratch();
  process.env.HVBACKUP_STATE_DIR = join(folder, 'state');
  const host = await createSimulatedHost(join(folder, 'host'));
  closing.push(host);
  const { vm } = await host.createVm({ name: 'web01', generation: 2, disks: [{ size: SIZE }] });
  await host.guestWrites(vm.id, 0, [{ offset: 0, data: sampleBytes(SIZE, 1) }]);
  const storage = new MemoryStorage();
  await (await createMemoryRepository(storage)).close();
  const connect = async (fail?: (operation: string, name: string) => Error | undefined) => {
    const repository = await openMemory(new FaultStorage(storage, { fail }));
    closing.push(repository);
    return repository;
  };
  const params = BackupVmParams.parse({ host: host.uri, repository: 'memory:', vm: vm.id });
  const run = (repository: StoredRepository) => backupOne(host, repository, params, {});
  return { host, vmId: vm.id, storage, connect, run };
}

describe('records that cannot be read', () => {
  it('of a chain: the backup is a full that says so, and the next one is an incremental again', async () => {
    const { host, vmId, connect, run } = await fixture();
    await run(await connect());
    const result = await run(await connect(broken(/^chains\//)));
    expect(result).toMatchObject({ mode: 'full', disks: [{ mode: 'full' }] });
    expect(result.disks[0]!.reason).toMatch(/reference point .* cannot be read.*bad sector/);
    expect(result.warnings.join()).toMatch(/chain record.*chains\/.*REPOSITORY_DAMAGED.*bad sector/);
    // What nobody can say is ours stays on the host until it can be said again.
    expect(await host.listReferencePoints(vmId)).toHaveLength(2);
    expect(await run(await connect())).toMatchObject({ mode: 'incremental', warnings: [] });
    expect(await host.listReferencePoints(vmId)).toHaveLength(1);
  });

  it('of a job, not even that it ended: the backup is made, and nothing of the job is touched', async () => {
    const { host, vmId, connect, run, storage } = await fixture();
    const { records } = await connect();
    const label = `HyperVBackup ${ulid()}`;
    const foreign = await host.createRecoveryCheckpoint(vmId, {
      consistency: 'crash',
      allowCrashConsistent: true,
      guestBackup: 'full',
      label,
    });
    const [open, ended] = [ulid(), ulid()];
    const owner = { machine: 'gone', pid: 1, lockPath: '/nowhere' };
    const job = {
      schema: 1,
      jobId: open,
      pointId: ulid(),
      vmId,
      vmName: 'web01',
      hostUri: host.uri,
      checkpointLabel: label,
    };
    const started = { ...job, startedAt: new Date().toISOString(), checkpointsBefore: [], owner };
    await records.put(`jobs/${vmId}/${open}/1-started`, started);
    await records.put(`jobs/${vmId}/${ended}/1-started`, { ...started, jobId: ended });
    await records.put(`jobs/${vmId}/${ended}/9-ended`, { schema: 1 });
    const names = () => [...storage.objects.keys()].filter((name) => name.startsWith(`jobs/${vmId}/${open}`));
    const result = await run(await connect(broken(new RegExp(`^jobs/.*(${open}|${ended})`))));
    expect(result.mode).toBe('full');
    expect(result.warnings.join()).toMatch(new RegExp(`earlier backup.*cannot be read.*${open}.*bad sector`));
    expect(names()).toHaveLength(1);
    expect((await host.listRecoveryCheckpoints(vmId)).map(({ id }) => id)).toEqual([foreign.id]);
    await host.removeCheckpoint(foreign.id);
  });

  it('a folder of job records or of chain records that cannot be listed does not stop a backup either', async () => {
    const { connect, run } = await fixture();
    await run(await connect());
    const fail = (operation: string, name: string) =>
      operation === 'list' && /^(jobs|chains)\/./.test(name)
        ? new HvError('IO_ERROR', `bad folder ${name}`)
        : undefined;
    const result = await run(await connect(fail));
    expect(result.mode).toBe('full');
    expect(result.disks[0]!.reason).toMatch(/bad folder/);
  });

  it('of the job whose restore point cannot be read: its checkpoint stays, for it may be needed', async () => {
    const { host, vmId, connect, run } = await fixture();
    const { restorePointId } = await run(await connect());
    const { records } = await connect();
    const label = `HyperVBackup ${ulid()}`;
    const left = await host.createRecoveryCheckpoint(vmId, {
      consistency: 'crash',
      allowCrashConsistent: true,
      guestBackup: 'full',
      label,
    });
    const owner = deadOwner();
    const jobId = ulid();
    await records.put(`jobs/${vmId}/${jobId}/1-started`, {
      schema: 1,
      jobId,
      pointId: restorePointId,
      vmId,
      vmName: 'web01',
      hostUri: host.uri,
      checkpointLabel: label,
      startedAt: new Date().toISOString(),
      checkpointsBefore: [],
      owner,
    });
    const result = await run(await connect(broken(/^manifests\//)));
    expect(result.disks[0]!.reason).toBe('no restore point of this VM can be read');
    expect(result.warnings.join()).toMatch(/its progress cannot be determined.*bad sector/);
    expect((await host.listRecoveryCheckpoints(vmId)).map(({ id }) => id)).toEqual([left.id]);
    const next = await run(await connect());
    expect(next.warnings.join()).toMatch(/its restore point was complete/);
    expect(await host.listRecoveryCheckpoints(vmId)).toEqual([]);
  });
});

describe('a tombstone that cannot be read', () => {
  it('fails no listing: all others are listed, and what cannot be told is said', async () => {
    const { storage, connect } = await fixture();
    const first = await connect();
    const ids: string[] = [];
    for (let i = 0; i < 3; i++) ids.push((await backup(first, sampleBytes(2 * BLOCK, i))).id);
    // Its removal was cut short: the manifest is still there.
    await first.core.tombstones.put({ id: ids[1]!, group: 'x' }, 'test');
    const repository = await connect(broken(/^removed\//));
    expect((await repository.listManifests()).map(({ id }) => id)).toEqual([ids[0], ids[2]]);
    const told = unexpectedPointWarnings(repository).join();
    expect(told).toContain(`removed/${ids[1]}`);
    expect(told).toContain('bad sector');
    // Few are asked for one by one: that takes no listing.
    const unlisted = (operation: string, name: string) =>
      operation === 'list' && name === 'removed/' ? new HvError('IO_ERROR', 'bad folder') : undefined;
    expect((await (await connect(unlisted)).listManifests()).map(({ id }) => id)).toEqual([ids[0], ids[2]]);
    const sector = broken(/^removed\//);
    const folder = await connect((operation, name) => unlisted(operation, name) ?? sector(operation, name));
    expect(await folder.listManifests()).toHaveLength(3);
    expect(unexpectedPointWarnings(folder).join()).toContain('bad folder');
    expect([...storage.objects.keys()].filter((name) => name.startsWith('manifests/'))).toHaveLength(3);
  });
});

/**
 * When the process that began a job is proven to be gone: not on a clone of its machine; and what becomes of one that
 * never is.
 */
import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { createSimulatedHost } from '../../../../backend/src/hosts/simulated/index.ts';
import { backupOne } from '../../../../backend/src/operations/backup/backup.ts';
import { isOwnerDead, jobLockPath, jobOwner } from '../../../../backend/src/operations/backup/job-lock.ts';
import { BackupVmParams } from '../../../../backend/src/schema/backup.ts';
import { hardwareName, isGone } from '../../../../backend/src/support/owner.ts';
import { ulid } from '../../../../backend/src/support/ulid.ts';
import { MemoryStorage } from '../../repository/support/memory-storage.ts';
import { BLOCK, createMemoryRepository, openMemory } from '../../repository/support/model.ts';
import { scratchForEach } from '../../support/scratch.ts';
import { deadOwner } from '../support/dead-owner.ts';

const scratch = scratchForEach('owner');
const [EARLIER, NOW] = ['11111111-2222-3333-4444-555555555555', '99999999-2222-3333-4444-555555555555'];
const LOCK = '/state/locks/x.lock';
const DAY = 24 * 3600 * 1000;
const closing: { close(): unknown }[] = [];
afterEach(async () => {
  for (const one of closing.splice(0).reverse()) await one.close();
  vi.unstubAllEnvs();
});

const identity = (boot: string, changes: { host?: string; namespace?: string } = {}) => ({
  machine: `${changes.host ?? 'server'} ${boot} pid:[${changes.namespace ?? '1'}]`,
  pid: 7,
  start: '1',
});

describe('a process is gone', () => {
  const self = { identity: identity(NOW), hardware: 'cards' };
  it.each([
    ['when its machine has started again since', identity(EARLIER), 'cards', true],
    ['but not to a clone, which has its name and other hardware', identity(EARLIER), 'others', false],
    ['nor when hardware is not known', identity(EARLIER), null, false],
    ['nor on another machine', identity(EARLIER, { host: 'other' }), 'cards', false],
    ['nor in another container of the same boot', identity(NOW, { namespace: '2' }), 'cards', false],
    [
      'nor where there are no boot ids',
      { machine: 'server win32 00:15:5d:00:00:01', pid: 7, start: '' },
      'cards',
      false,
    ],
  ])('%s', (_, began, hardware, gone) => {
    expect(isGone(began, hardware, self)).toBe(gone);
  });

  it('never where the hardware here is not known', () => {
    expect(isGone(identity(EARLIER), null, { ...self, hardware: null })).toBe(false);
  });

  it('when it is none of this boot, whatever the hardware', () => {
    const [{ process: own }, { process: dead }] = [jobOwner(LOCK), deadOwner()];
    expect([isGone(own!, null), isGone(dead, null), isGone(dead, 'taken out')]).toEqual([false, true, true]);
  });
});

describe('the owner of a job', () => {
  it('is dead when the lock it names is held by the caller, on the same machine since the same start', () => {
    expect(isOwnerDead(jobOwner(LOCK), LOCK)).toBe(true);
    expect(isOwnerDead(jobOwner(LOCK), '/state/locks/other.lock')).toBe(false);
  });

  it('is not for an equal path on a clone, nor where older software did not say which machine it was', () => {
    const owner = jobOwner(LOCK);
    const elsewhere = { ...owner.process!, machine: `${owner.process!.machine} clone` };
    expect(isOwnerDead({ ...owner, process: elsewhere }, LOCK)).toBe(false);
    expect(isOwnerDead({ machine: owner.machine, pid: 999_999_999, lockPath: LOCK }, LOCK)).toBe(false);
  });
});

describe('hardware', () => {
  function machine(
    folder: string,
    cards: Record<string, { address: string; device?: boolean; assigned?: string }>,
  ): string {
    for (const [name, { address, device = true, assigned = '0' }] of Object.entries(cards)) {
      const card = join(folder, 'class', 'net', name);
      mkdirSync(card, { recursive: true });
      writeFileSync(join(card, 'address'), `${address}\n`);
      writeFileSync(join(card, 'addr_assign_type'), `${assigned}\n`);
      if (device) symlinkSync('.', join(card, 'device'));
    }
    return folder;
  }
  const one = { eth0: { address: '00:15:5d:00:00:01' } };

  it('is the same whatever bridges, tunnels and containers come and go, and a clone has another', async () => {
    const name = hardwareName(machine(await scratch(), one));
    expect(name).toMatch(/^[0-9a-f]{32}$/);
    const more = {
      ...one,
      docker0: { address: '02:42:ac:11:00:02', device: false, assigned: '1' },
      tun0: { address: '', device: false },
      vf0: { address: '00:15:5d:00:00:01' },
      wlan0: { address: '06:00:00:00:00:09', assigned: '3' },
    };
    expect(hardwareName(machine(await scratch(), more))).toBe(name);
    expect(hardwareName(machine(await scratch(), { eth0: { address: '00:15:5d:00:00:02' } }))).not.toBe(name);
  });

  it('is told apart by the board too, and not known without a card', async () => {
    const folder = machine(await scratch(), one);
    const name = hardwareName(folder);
    mkdirSync(join(folder, 'class', 'dmi', 'id'), { recursive: true });
    writeFileSync(join(folder, 'class', 'dmi', 'id', 'product_uuid'), 'x');
    expect(hardwareName(folder)).not.toBe(name);
    expect(hardwareName(await scratch())).toBe(null);
  });
});

describe('a backup beside a job of the machine that this one is a clone of', () => {
  const ORIGINAL = { machine: `${hostname()} 11111111-2222-3333-4444-555555555555 pid:[1]`, pid: 4242, start: '1' };

  /** Its host name and its paths are those of this machine; its checkpoint stands. */
  async function fixture(startedAt: number) {
    const folder = await scratch();
    vi.stubEnv('HVBACKUP_STATE_DIR', join(folder, 'state'));
    const host = await createSimulatedHost(join(folder, 'host'));
    const { vm } = await host.createVm({ name: 'web01', generation: 2, disks: [{ size: 8 * BLOCK }] });
    const storage = new MemoryStorage();
    await (await createMemoryRepository(storage)).close();
    const repository = await openMemory(storage);
    closing.push(host, repository);
    const jobId = ulid();
    const label = `HyperVBackup ${jobId}`;
    await host.createRecoveryCheckpoint(vm.id, { consistency: 'crash', allowCrashConsistent: true, label });
    await repository.records.put(`jobs/${vm.id}/${jobId}/1-started`, {
      schema: 1,
      jobId,
      pointId: ulid(),
      vmId: vm.id,
      vmName: 'web01',
      hostUri: host.uri,
      startedAt: new Date(startedAt).toISOString(),
      checkpointLabel: label,
      checkpointsBefore: [],
      owner: {
        ...jobOwner(jobLockPath(repository.id, vm.id)),
        pid: ORIGINAL.pid,
        process: ORIGINAL,
        hardware: 'its own',
      },
    });
    const params = BackupVmParams.parse({ host: host.uri, repository: 'memory:', vm: vm.id });
    const run = async () => (await backupOne(host, repository, params, {})).warnings.join();
    const checkpoints = async () => (await host.listRecoveryCheckpoints(vm.id)).map((checkpoint) => checkpoint.label);
    return { storage, label, run, checkpoints };
  }

  it('leaves its checkpoint alone', async () => {
    const { label, run, checkpoints } = await fixture(Date.now() - DAY);
    expect(await run()).toMatch(/has not ended/);
    expect(await checkpoints()).toEqual([label]);
  });

  it('also days later, as long as it has a session; without one the checkpoint goes', async () => {
    const { storage, label, run, checkpoints } = await fixture(Date.now() - 3 * DAY);
    const environment = { now: Date.now, identity: () => ORIGINAL, isDead: () => false };
    const original = await openMemory(storage, environment);
    closing.push(original);
    const session = await original.beginSession({ owner: 'backup of web01' });
    expect(await run()).toMatch(/has not ended/);
    expect(await checkpoints()).toEqual([label]);
    await session.close();
    expect(await run()).toMatch(/was interrupted: its checkpoint was removed/);
    expect(await checkpoints()).toEqual([]);
  });
});

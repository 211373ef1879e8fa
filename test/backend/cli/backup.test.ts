/** `backup` of several VMs: results, exit codes, progress, cancellation. */
import { resolve } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { type Job, runJobs } from '../../../backend/src/operations/backup/backup-several.ts';
import type { Operations } from '../../../backend/src/protocol/methods.ts';
import type { BackupVmResult } from '../../../backend/src/schema/backup.ts';
import { HvError } from '../../../backend/src/support/errors.ts';
import type { OperationContext } from '../../../backend/src/support/progress.ts';
import { BACKUP } from '../protocol/fake-operations.ts';
import { recorder, run } from './run-fake.ts';

const base = ['backup', '--host', 'sim:lab', '--repository', 'backups', '--json'];
const vms = (...names: string[]) => names.flatMap((name) => ['--vm', name]);
/** `host/backup` over a fake backup of one VM. */
const several =
  (backup: (params: { vm: string }, context: OperationContext) => Promise<BackupVmResult>): Operations['backupVms'] =>
  async ({ vms: selectors, parallel }, context) => {
    const jobs = selectors.map((selector) => ({ selector, vmName: selector, vmId: null }));
    const run = ({ selector }: Job) => backup({ vm: selector }, context);
    return { results: await runJobs(jobs, parallel, run, context), asked: jobs.length };
  };

/** Fails for VMs whose name is an error code. */
const backupVm = async ({ vm }: { vm: string }) => {
  if (/^[A-Z_]+$/.test(vm)) throw new HvError(vm as 'VM_NOT_FOUND', `Failed with ${vm}.`, { advice: 'Try again.' });
  return { ...BACKUP, vmName: vm };
};
const backupVms = several(backupVm);

describe('backup', () => {
  it('passes every option on', async () => {
    const recorded = recorder({ results: [BACKUP], asked: 1 });
    const options = ['--mode', 'full', '--kind', 'data', '--consistency', 'crash', '--allow-crash-consistent'];
    const more = ['--guest-backup', 'copy', '--exclude-disk', '1', '--exclude-disk', '2', '--compression', 'strong'];
    const manners = ['--hold', '--limit-rate', '10M/s', '--parallel', '3'];
    const reading = ['--read-method', 'export', '--export-folder', 'D:\\Staging'];
    await run([...base, ...vms('web01'), ...options, ...more, ...manners, ...reading], { backupVms: recorded });
    expect(recorded.calls).toEqual([
      {
        host: 'sim:lab',
        vms: ['web01'],
        repository: resolve('backups'),
        mode: 'full',
        kind: 'data',
        consistency: 'crash',
        allowCrashConsistent: true,
        guestBackup: 'copy',
        excludeDisks: [1, 2],
        compression: 'strong',
        hold: true,
        limitRate: 10 * 1024 * 1024,
        parallel: 3,
        readMethod: 'export',
        exportFolder: 'D:\\Staging',
      },
    ]);
  });

  it('gathers one result a VM', async () => {
    const { code, json } = await run([...base, ...vms('a', 'b')], { backupVms });
    expect(code).toBe(0);
    expect(json).toEqual({
      results: [
        { ...BACKUP, vmName: 'a' },
        { ...BACKUP, vmName: 'b' },
      ],
    });
  });

  it('warns when the host has no VMs', async () => {
    const { code, json, stderr } = await run(base, { backupVms });
    expect({ code, json }).toEqual({ code: 0, json: { results: [] } });
    expect(stderr).toContain('nothing was backed up');
  });

  it.each([
    ['some failed: 3', ['VM_NOT_FOUND', 'b'], 3],
    ['all failed: 1', ['VM_NOT_FOUND', 'DISK_FULL'], 1],
    ['one, failed: 1', ['VM_NOT_FOUND'], 1],
    ['all for damage: 4', ['REPOSITORY_DAMAGED'], 4],
    ['cancelled: 5', ['a', 'CANCELLED'], 5],
  ])('%s', async (_what, names, expected) => {
    const { code, json, stderr } = await run([...base, ...vms(...names)], { backupVms });
    expect(code).toBe(expected);
    expect(json.results.map((result: { vmName: string }) => result.vmName)).toEqual(names);
    const failed = names.filter((name) => /^[A-Z_]+$/.test(name));
    expect(json.results.flatMap((result: { error?: object }) => result.error ?? [])).toEqual(
      failed.map((code) => ({ code, message: `Failed with ${code}.`, advice: 'Try again.' })),
    );
    expect(json.error?.code).toBe(failed.length === names.length ? failed[0] : undefined);
    for (const name of failed) expect(stderr).toContain(`${name}: Failed with ${name}.`);
  });

  it('starts no other VM after it was cancelled', async () => {
    const controller = new AbortController();
    const started: string[] = [];
    const cancelling = async ({ vm }: { vm: string }, context: OperationContext) => {
      started.push(vm);
      setTimeout(() => controller.abort(), 10);
      // Cancelled too late for this one: it is done.
      await delay(30);
      expect(context.signal?.aborted).toBe(true);
      return { ...BACKUP, vmName: vm };
    };
    const { code, json } = await run(
      [...base, ...vms('a', 'b')],
      { backupVms: several(cancelling) },
      { signal: controller.signal },
    );
    expect({ code, started, done: json.results.length }).toEqual({ code: 5, started: ['a'], done: 1 });
  });

  it('prints a table for people, warnings on stderr', async () => {
    const { stdout, stderr } = await run(base.filter((arg) => arg !== '--json').concat(vms('web01')), {
      backupVms: several(recorder({ ...BACKUP, warnings: ['A checkpoint of an earlier run was removed.'] })),
    });
    expect(stdout).toMatch(/web01: restore point 01JD\S+ \(full, application-consistent, 1.2 s\)/);
    expect(stdout).toMatch(/0\s+full\s+127 GiB\s+10 GiB\s+10 GiB\s+4.66 GiB\s+There is no earlier/);
    expect(stdout).toContain('Next: hvbackup verify');
    expect(stderr).toBe('Warning: A checkpoint of an earlier run was removed.\n');
  });
});

describe('the progress line', () => {
  const slow = async (_params: unknown, context: OperationContext) => {
    for (let done = 0; done <= 100; done += 2) {
      context.progress?.({ phase: 'read', vmName: 'web01', disk: 0, doneBytes: done * 1e6, totalBytes: 1e8 });
      await delay(20);
    }
    return BACKUP;
  };

  it('shows phase, percent, rate and remaining time on a terminal, and goes away', async () => {
    const { stdout, stderr } = await run([...base, ...vms('web01')], { backupVms: several(slow) }, { terminal: 120 });
    expect(stderr).toMatch(/web01 disk 0: read \d+ % of 95.4 MiB, [\d.]+ MiB\/s, \d+ s left/);
    expect(stderr.endsWith('\r\u001b[K')).toBe(true);
    expect(stdout.split('\n')).toHaveLength(2);
  });

  it('fits the terminal', async () => {
    const { stderr } = await run([...base, ...vms('web01')], { backupVms: several(slow) }, { terminal: 30 });
    for (const line of stderr.split('\r\u001b[K')) expect(line.length).toBeLessThan(30);
  });

  it('is not there without a terminal', async () => {
    expect((await run([...base, ...vms('web01')], { backupVms: several(slow) })).stderr).toBe('');
  });
});

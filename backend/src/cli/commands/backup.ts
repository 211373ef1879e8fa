/** `hvbackup backup`: one call of the backend for each VM, results in one document. */
import type { BackupVmResult } from '../../schema/backup.ts';
import { EXIT_CODE } from '../../support/error-codes.ts';
import { type HvError, type SerialisedError, toHvError } from '../../support/errors.ts';
import { command } from '../command.ts';
import {
  diskIndex,
  flag,
  hostOption,
  list,
  oneOf,
  optional,
  passphraseOption,
  planned,
  repositoryOption,
  text,
} from '../options.ts';
import { table } from '../table.ts';
import { formatBytes, formatDuration } from '../units.ts';

interface FailedVm {
  vmName: string;
  vmId?: string;
  error: SerialisedError;
}

export const backup = command({
  words: 'backup',
  summary: 'Back up VMs: make a restore point of each.',
  options: {
    host: hostOption,
    vm: list('N', 'The VM: its name or id. All VMs of the host when absent.', text),
    repository: repositoryOption,
    mode: optional('auto|full|incremental', 'What is read; auto when absent.', oneOf('auto', 'full', 'incremental')),
    kind: optional('vm|data', 'Configuration and disks, or disks alone; vm when absent.', oneOf('vm', 'data')),
    consistency: optional('application|crash', 'application when absent.', oneOf('application', 'crash')),
    'allow-crash-consistent': flag('Go on crash-consistently where application consistency cannot be reached.'),
    'guest-backup': optional('full|copy', 'Whether applications may truncate their logs.', oneOf('full', 'copy')),
    'exclude-disk': list('I', 'Leave out this disk, from 0.', diskIndex),
    compression: optional('fast|default|strong', 'default when absent.', oneOf('fast', 'default', 'strong')),
    'limit-rate': planned('SIZE', 'Read at most this many bytes a second.', 'Run the backup without a rate limit.'),
    parallel: planned('N', 'Back up this many VMs at once.', 'Leave it out: VMs are backed up one after the other.'),
    hold: flag('Hold the new restore points: they are not removed until they are released.'),
    'passphrase-file': passphraseOption,
  },
  examples: [
    'backup --host sim:./lab --repository ./backups',
    'backup --host hyperv: --vm web01 --vm db01 --repository D:\\Backups --allow-crash-consistent',
    'backup --host sim:./lab --vm web01 --repository ./backups --mode full --json',
  ],
  run: async (values, context) => {
    const results: (BackupVmResult | FailedVm)[] = [];
    const errors: HvError[] = [];
    const vms: { selector: string; name: string; id?: string }[] =
      values.vm.length > 0
        ? values.vm.map((name) => ({ selector: name, name }))
        : (await context.call('vm/list', { host: values.host })).vms.map(({ id, name }) => ({
            selector: id,
            name,
            id,
          }));
    if (vms.length === 0) context.note('Warning: the host has no VMs; nothing was backed up.');
    for (const vm of vms) {
      if (context.signal.aborted) break;
      try {
        const result = await context.call('vm/backup', {
          host: values.host,
          vm: vm.selector,
          repository: context.absolute(values.repository),
          mode: values.mode,
          kind: values.kind,
          consistency: values.consistency,
          allowCrashConsistent: values['allow-crash-consistent'],
          guestBackup: values['guest-backup'],
          excludeDisks: values['exclude-disk'],
          compression: values.compression,
          hold: values.hold,
        });
        results.push(result);
      } catch (caught) {
        const error = toHvError(caught);
        errors.push(error);
        results.push({ vmName: vm.name, vmId: vm.id, error: error.toJSON() });
        context.note(`${vm.name}: ${error.message}${error.advice ? `\n  ${error.advice}` : ''}`);
      }
    }
    const done = results.filter((result) => 'restorePointId' in result);
    return {
      // With no VM backed up the document is an error like any other command's, and still says which VM failed how.
      json: { results, ...(done.length === 0 && errors[0] ? { error: errors[0].toJSON() } : {}) },
      lines: [...done.flatMap(resultLines), ...nextLines(done, context.absolute(values.repository))],
      exitCode: exitCode(errors, done.length, context.signal.aborted && results.length < vms.length),
    };
  },
});

/** All failed: the code they share, or 1. Some failed: 3. Cancelled before all were done: 5. */
function exitCode(errors: readonly HvError[], done: number, leftOut: boolean): number {
  if (leftOut || errors.some((error) => error.code === 'CANCELLED')) return EXIT_CODE.cancelled;
  if (errors.length === 0) return 0;
  if (done > 0) return EXIT_CODE.someFailed;
  return errors.every((error) => error.exitCode === errors[0]!.exitCode) ? errors[0]!.exitCode : EXIT_CODE.failed;
}

function resultLines(result: BackupVmResult): string[] {
  const disks = table(result.disks, [
    { title: '  DISK', value: (disk) => String(disk.index), align: 'right' },
    { title: 'MODE', value: (disk) => (disk.skipped ? 'skipped' : disk.mode) },
    { title: 'SIZE', value: (disk) => formatBytes(disk.size), align: 'right' },
    { title: 'CHANGED', value: (disk) => formatBytes(disk.changedBytes), align: 'right' },
    { title: 'READ', value: (disk) => formatBytes(disk.readBytes), align: 'right' },
    { title: 'STORED', value: (disk) => formatBytes(disk.newBytes), align: 'right' },
    { title: 'REASON', value: (disk) => disk.skipped ?? disk.reason ?? '' },
  ]);
  const what = `${result.mode}, ${result.consistency}-consistent, ${formatDuration(result.durationMs)}`;
  return [`${result.vmName}: restore point ${result.restorePointId} (${what})`, ...disks];
}

const nextLines = (done: readonly BackupVmResult[], repository: string): string[] =>
  done.length > 0 ? [`Next: hvbackup verify --repository "${repository}" --point ${done.at(-1)!.restorePointId}`] : [];

/** `hvbackup backup`: one call of the backend for all VMs, results in one document. */

import type { BackupVmResult, FailedVm } from '../../schema/backup.ts';
import type { ErrorObject } from '../../schema/errors.ts';
import { EXIT_CODE, errorCategory } from '../../support/error-codes.ts';
import { quoted } from '../../support/shell-quote.ts';
import { command } from '../command.ts';
import {
  credentialOption,
  diskIndex,
  flag,
  hostOption,
  integer,
  limitRateOption,
  list,
  oneOf,
  optional,
  passphraseOption,
  readingOptions,
  repositoryOption,
  text,
} from '../options.ts';
import { table } from '../table.ts';
import { formatBytes, formatDuration } from '../units.ts';

export const backup = command({
  words: 'backup',
  summary: 'Back up VMs: make a restore point of each.',
  options: {
    host: hostOption,
    'credential-file': credentialOption,
    vm: list('N', 'The VM: its name or id. All VMs of the host when absent.', text),
    repository: repositoryOption,
    mode: optional('auto|full|incremental', 'What is read; auto when absent.', oneOf('auto', 'full', 'incremental')),
    kind: optional('vm|data', 'Configuration and disks, or disks alone; vm when absent.', oneOf('vm', 'data')),
    consistency: optional('application|crash', 'application when absent.', oneOf('application', 'crash')),
    'allow-crash-consistent': flag('Continue crash-consistently where application consistency cannot be reached.'),
    'guest-backup': optional('full|copy', 'Whether applications may truncate their logs.', oneOf('full', 'copy')),
    'exclude-disk': list('I', 'Leave out this disk, from 0.', diskIndex),
    compression: optional('fast|default|strong', 'default when absent.', oneOf('fast', 'default', 'strong')),
    'limit-rate': limitRateOption,
    parallel: optional('N', 'Back up this many VMs at once; 1 when absent.', integer(1, 64)),
    ...readingOptions,
    hold: flag('Hold the new restore points: they are not removed until they are released.'),
    'passphrase-file': passphraseOption,
  },
  examples: [
    'backup --host sim:./lab --repository ./backups',
    'backup --host hyperv: --vm web01 --vm db01 --repository D:\\Backups --allow-crash-consistent',
    'backup --host hyperv: --repository D:\\Backups --parallel 4 --limit-rate 200M',
    'backup --host hyperv:NODE7 --repository D:\\Backups --read-method export --export-folder \\\\files\\staging',
    'backup --host sim:./lab --vm web01 --repository ./backups --mode full --json',
    'backup --host hyperv:hv02 --credential-file hv02.txt --vm web01 --repository D:\\Backups',
  ],
  run: async (values, context) => {
    const repository = context.location(values.repository);
    const { results, asked, storageRetries } = await context.call('host/backup', {
      host: values.host,
      vms: values.vm,
      repository,
      mode: values.mode,
      kind: values.kind,
      consistency: values.consistency,
      allowCrashConsistent: values['allow-crash-consistent'],
      guestBackup: values['guest-backup'],
      excludeDisks: values['exclude-disk'],
      compression: values.compression,
      hold: values.hold,
      limitRate: values['limit-rate'],
      readMethod: values['read-method'],
      exportFolder: values['export-folder'],
      parallel: values.parallel,
    });
    if (asked === 0) context.note('Warning: the host has no VMs; nothing was backed up.');
    for (const result of results) for (const line of noteLines(result, results.length > 1)) context.note(line);
    const done = results.filter((result) => 'restorePointId' in result);
    const errors = results.flatMap((result) => ('error' in result ? result.error : []));
    return {
      // With no VM backed up the document is an error like any other command's, and still says which VM failed how.
      json: {
        results,
        ...(storageRetries ? { storageRetries } : {}),
        ...(done.length === 0 && errors[0] ? { error: errors[0] } : {}),
      },
      lines: [...done.flatMap(resultLines), ...nextLines(done, repository)],
      exitCode: exitCode(errors, done.length, context.signal.aborted && results.length < asked),
    };
  },
});

/** What is reported beside the results. @param several the name of the VM goes before a warning then */
function noteLines(result: BackupVmResult | FailedVm, several: boolean): string[] {
  const { vmName } = result;
  if ('restorePointId' in result)
    return result.warnings.map((warning) => `Warning: ${several ? `${vmName}: ` : ''}${warning}`);
  const { message, advice } = result.error;
  return [`${vmName}: ${message}`, ...(advice ? [`  ${advice}`] : [])];
}

/** All failed: the code they share, or 1. Some failed: 3. Cancelled before all were done: 5. */
function exitCode(errors: readonly ErrorObject[], done: number, leftOut: boolean): number {
  const codes = errors.map((error) => EXIT_CODE[errorCategory(error.code)]);
  if (leftOut || errors.some((error) => error.code === 'CANCELLED')) return EXIT_CODE.cancelled;
  if (errors.length === 0) return 0;
  if (done > 0) return EXIT_CODE.someFailed;
  return codes.every((code) => code === codes[0]) ? codes[0]! : EXIT_CODE.failed;
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
  done.length > 0
    ? [`Next: hvbackup verify --repository ${quoted(repository)} --point ${done.at(-1)!.restorePointId}`]
    : [];

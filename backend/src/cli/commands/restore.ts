/** `hvbackup restore` and `export`: getting VMs and disks back. */

import type { Hole } from '../../schema/holes.ts';
import { EXIT_CODE } from '../../support/error-codes.ts';
import { hex } from '../../support/errors.ts';
import { quoted } from '../../support/shell-quote.ts';
import { command } from '../command.ts';
import {
  credentialOption,
  diskIndex,
  flag,
  hostOption,
  limitRateOption,
  list,
  oneOf,
  optional,
  passphraseOption,
  pointOption,
  repositoryOption,
  required,
  switchMapping,
  text,
} from '../options.ts';
import { table } from '../table.ts';
import { formatBytes, formatDuration } from '../units.ts';

export const restore = command({
  words: 'restore',
  summary: 'Restore a restore point as a VM.',
  options: {
    repository: repositoryOption,
    point: pointOption,
    host: hostOption,
    'credential-file': credentialOption,
    name: optional('N', 'Name of the restored VM; the original one when absent.', text),
    'new-id': flag('Give the VM a new id, so that it can stand beside the original.'),
    replace: flag('Replace the VM of the same id; never while it runs.'),
    kind: optional(
      'vm|data',
      'Import its configuration, or define it anew; as backed up when absent.',
      oneOf('vm', 'data'),
    ),
    switch: list(
      'NAME|OLD=NEW',
      'Connect all network adapters to this virtual switch of the host, or those that were on OLD to NEW; the others stay disconnected.',
      switchMapping,
    ),
    disk: list('I', 'Only this disk, from 0.', diskIndex),
    'limit-rate': limitRateOption,
    'skip-unreadable': flag(
      'Restore what can be read of a damaged restore point; unreadable ranges are zeros, and reported (exit code 4).',
    ),
    'allow-holes': flag('Former name of --skip-unreadable.'),
    'passphrase-file': passphraseOption,
  },
  examples: [
    'restore --repository D:\\Backups --point 01JD9Q --host hyperv: --new-id --name web01-restored',
    'restore --repository ./backups --point 01JD9Q --host sim:./lab --replace',
    'restore --repository D:\\Backups --point 01JD9Q --host hyperv: --switch LAN=Lab --switch DMZ=Guests',
  ],
  run: async (values, context) => {
    const result = await context.call('point/restore', {
      repository: context.location(values.repository),
      point: values.point,
      host: values.host,
      name: values.name,
      newId: values['new-id'],
      replace: values.replace,
      kind: values.kind,
      switches: values.switch.length > 0 ? values.switch : undefined,
      disks: values.disk.length > 0 ? values.disk : undefined,
      limitRate: values['limit-rate'],
      allowHoles: values['skip-unreadable'] || values['allow-holes'],
    });
    const rows = table(result.disks, [
      { title: '  DISK', value: (disk) => String(disk.index), align: 'right' },
      { title: 'SIZE', value: (disk) => formatBytes(disk.size), align: 'right' },
      { title: 'WRITTEN', value: (disk) => formatBytes(disk.writtenBytes), align: 'right' },
      { title: 'PATH', value: (disk) => disk.path },
    ]);
    const how = `${result.kind === 'vm' ? 'configuration imported' : 'defined anew'}, ${formatDuration(result.durationMs)}`;
    return {
      json: result,
      lines: [
        `Restored ${result.restorePointId} as ${result.vmName} on ${result.host} (${how})`,
        `  Id ${result.vmId}${result.replaced ? '; the VM that had it was replaced' : ''}`,
        ...rows,
        ...result.networkAdapters.map(
          ({ name, switchName }) => `  ${name}: ${switchName === undefined ? 'not connected' : `on ${switchName}`}`,
        ),
        ...holeLines(result),
        `Next: hvbackup vm show --host ${quoted(result.host)} --vm ${result.vmId}, check it, and start it.`,
      ],
      exitCode: exitCode(result),
    };
  },
});

export const exportCommand = command({
  words: 'export',
  summary: 'Export the disks of a restore point as disk images.',
  options: {
    repository: repositoryOption,
    point: pointOption,
    to: required('DIR', 'Folder for the images; created when missing.', text),
    format: required('vhdx|vhd|raw|qcow2', 'Format of the images.', oneOf('vhdx', 'vhd', 'raw', 'qcow2')),
    subformat: optional(
      'fixed|dynamic',
      'How a VHD holds its content; dynamic when absent. With --format vhd only.',
      oneOf('fixed', 'dynamic'),
    ),
    azure: flag('Write what Azure takes: a fixed VHD, its size rounded up to whole MiB. With --format vhd only.'),
    disk: list('I', 'Only this disk, from 0.', diskIndex),
    base: optional(
      'POINT',
      'Write only what differs from this restore point, over its images in the same folder.',
      text,
    ),
    'limit-rate': limitRateOption,
    'skip-unreadable': flag(
      'Restore what can be read of a damaged restore point; unreadable ranges are zeros, and reported (exit code 4).',
    ),
    'allow-holes': flag('Former name of --skip-unreadable.'),
    'passphrase-file': passphraseOption,
  },
  examples: [
    'export --repository D:\\Backups --point 01JD9Q --to E:\\Images --format vhdx',
    'export --repository ./backups --point 01JD9Q --to ./images --format raw --disk 0 --json',
    'export --repository D:\\Backups --point 01JD9Q --to E:\\Azure --format vhd --azure',
  ],
  run: async (values, context) => {
    const result = await context.call('point/export', {
      repository: context.location(values.repository),
      point: values.point,
      directory: context.absolute(values.to),
      format: values.format,
      subformat: values.subformat,
      azure: values.azure,
      base: values.base,
      disks: values.disk.length > 0 ? values.disk : undefined,
      limitRate: values['limit-rate'],
      allowHoles: values['skip-unreadable'] || values['allow-holes'],
    });
    const rows = table(result.files, [
      { title: '  DISK', value: (file) => String(file.disk), align: 'right' },
      { title: 'SIZE', value: (file) => formatBytes(file.size), align: 'right' },
      { title: 'FILE', value: (file) => formatBytes(file.fileSize), align: 'right' },
      { title: 'PATH', value: (file) => file.path },
    ]);
    return {
      json: result,
      lines: [
        `Exported ${result.restorePointId} of ${result.vmName} (${formatDuration(result.durationMs)})`,
        ...rows,
        ...holeLines(result),
        ...result.files.slice(0, 1).map((file) => `Next: hvbackup disk info ${quoted(file.path)}`),
      ],
      exitCode: exitCode(result),
    };
  },
});

interface Holes {
  damaged: boolean;
  holes: Hole[];
  moreHoles: number;
  holeBytes: number;
}

/** Lines for people; --json has more. */
const MAX_HOLE_LINES = 20;

const exitCode = ({ damaged }: Holes): number => (damaged ? EXIT_CODE.damage : 0);

function holeLines({ holes, moreHoles, holeBytes }: Holes): string[] {
  if (holes.length === 0) return [];
  const shown = holes.slice(0, MAX_HOLE_LINES);
  const rest = holes.length - shown.length + moreHoles;
  return [
    `  DAMAGED: ${formatBytes(holeBytes)} could not be read and are zeros:`,
    ...shown.map(({ disk, offset, length }) => `    disk ${disk} from ${hex(offset)}: ${formatBytes(length)}`),
    ...(rest > 0 ? [`    … and ${rest} more`] : []),
  ];
}

/** `hvbackup list`, `show`, `remove`: restore points of a repository. */
import type { PointDetail, PointSummary } from '../../schema/points.ts';
import { command } from '../command.ts';
import {
  flag,
  optional,
  overrideDoubtOption,
  passphraseOption,
  pointOption,
  repositoryOption,
  text,
} from '../options.ts';
import { properties, table } from '../table.ts';
import { formatBytes, formatTime } from '../units.ts';
import { vmLines } from '../vm-lines.ts';
import { blockedExit, pendingLines } from './prune.ts';

/** Restore points asked for at once: each page looks through the repository anew. */
const PAGE = 10_000;

export const listCommand = command({
  words: 'list',
  summary: 'List restore points, oldest first.',
  options: {
    repository: repositoryOption,
    vm: optional('N', 'Only restore points of this VM: its name or id.', text),
    'passphrase-file': passphraseOption,
  },
  examples: ['list --repository D:\\Backups', 'list --repository D:\\Backups --vm web01 --json'],
  run: async (values, context) => {
    const repository = context.location(values.repository);
    const points: PointSummary[] = [];
    const warnings: string[] = [];
    let cursor: string | undefined;
    do {
      const page = await context.call('point/list', { repository, vm: values.vm, cursor, limit: PAGE });
      for (const point of page.points) points.push(point);
      warnings.push(...page.warnings);
      cursor = page.nextCursor;
    } while (cursor !== undefined);
    points.sort((a, b) => a.sequence - b.sequence || (a.id < b.id ? -1 : 1));
    const rows = table(points, [
      { title: 'ID', value: (point) => point.id },
      { title: 'CREATED', value: (point) => formatTime(point.createdAt) },
      { title: 'VM', value: (point) => point.vmName },
      { title: 'KIND', value: (point) => point.kind },
      { title: 'MODE', value: (point) => point.mode },
      { title: 'CONSISTENCY', value: (point) => point.consistency },
      { title: 'SIZE', value: (point) => formatBytes(point.size), align: 'right' },
      {
        title: 'STORED',
        value: (point) => (point.newBytes === undefined ? '' : formatBytes(point.newBytes)),
        align: 'right',
      },
      { title: 'HELD', value: (point) => (point.held ? 'yes' : '') },
    ]);
    return {
      json: { points, ...(warnings.length > 0 ? { warnings } : {}) },
      lines: points.length > 0 ? rows : ['There are no restore points.'],
    };
  },
});

export const show = command({
  words: 'show',
  summary: 'Describe a restore point: its disks, its VM, what was read and stored for it.',
  options: { repository: repositoryOption, point: pointOption, 'passphrase-file': passphraseOption },
  examples: ['show --repository D:\\Backups --point 01JD9Q'],
  run: async (values, context) => {
    const { point } = await context.call('point/show', {
      repository: context.location(values.repository),
      point: values.point,
    });
    return { json: { point }, lines: pointLines(point) };
  },
});

function pointLines(point: PointDetail): string[] {
  const disks = table(point.disks, [
    { title: 'DISK', value: (disk) => String(disk.index), align: 'right' },
    { title: 'MODE', value: (disk) => (disk.stored ? disk.mode : 'not stored') },
    { title: 'SIZE', value: (disk) => formatBytes(disk.size), align: 'right' },
    { title: 'READ', value: (disk) => formatBytes(disk.readBytes), align: 'right' },
    { title: 'STORED', value: (disk) => formatBytes(disk.newBytes), align: 'right' },
    { title: 'REASON', value: (disk) => disk.skipped ?? disk.reason ?? '' },
  ]);
  return [
    ...properties([
      ['Restore point', point.id],
      ['Created', formatTime(point.createdAt)],
      ['Host', point.host],
      ['Kind', point.kind],
      ['Mode', point.mode],
      ['Consistency', point.consistency],
      ['Held', point.held ? 'yes' : 'no'],
      ['Metadata', formatBytes(point.metadataBytes)],
      ['Configuration', point.configuration.map((file) => file.name).join(', ') || undefined],
    ]),
    ...point.warnings.map((warning) => `Warning: ${warning}`),
    ...(disks.length > 1 ? ['', ...disks] : []),
    '',
    'The VM at that time:',
    ...vmLines(point.vm),
  ];
}

export const remove = command({
  words: 'remove',
  summary: 'Remove a restore point and free its space.',
  options: {
    repository: repositoryOption,
    point: pointOption,
    'override-doubt': overrideDoubtOption,
    'passphrase-file': passphraseOption,
  },
  examples: ['remove --repository D:\\Backups --point 01JD9QK4T4W6'],
  run: async (values, context) => {
    const result = await context.call('point/remove', {
      repository: context.location(values.repository),
      point: values.point,
      overrideDoubt: values['override-doubt'],
    });
    const line = `Removed the restore point ${result.pointId}; freed ${formatBytes(result.freedBytes)}`;
    return { json: result, lines: [line, ...pendingLines(result.pendingBytes)], exitCode: blockedExit(result) };
  },
});

export const hold = command({
  words: 'hold',
  summary: 'Hold a restore point, so that it is not removed, or release it.',
  options: {
    repository: repositoryOption,
    point: pointOption,
    release: flag('Release the hold.'),
    'passphrase-file': passphraseOption,
  },
  examples: [
    'hold --repository D:\\Backups --point 01JD9QK4T4W6',
    'hold --repository D:\\Backups --point 01JD9QK4T4W6 --release',
  ],
  run: async (values, context) => {
    const { repository, point, release } = values;
    const result = await context.call('point/hold', { repository: context.location(repository), point, release });
    const state = result.held ? 'is held' : 'is not held';
    return {
      json: result,
      lines: [
        `The restore point ${result.pointId} of ${result.vmName} ${state}${result.changed ? ' now' : ', as before'}`,
      ],
    };
  },
});

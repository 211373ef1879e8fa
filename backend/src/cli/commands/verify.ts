/** `hvbackup check`, `verify` and `repair`: damage found is exit code 4. */
import type { DamageReport, ForeignName, PointLoss } from '../../schema/verify.ts';
import { EXIT_CODE } from '../../support/error-codes.ts';
import { hex } from '../../support/errors.ts';
import { command } from '../command.ts';
import { flag, optional, passphraseOption, percent, repositoryOption, text } from '../options.ts';
import { optionalPassphrase } from '../passphrase-option.ts';
import { properties } from '../table.ts';
import { counted, formatBytes, formatDuration } from '../units.ts';

export const check = command({
  words: 'check',
  summary: 'Check the structure of a repository.',
  options: { repository: repositoryOption, 'passphrase-file': passphraseOption },
  examples: ['check --repository D:\\Backups'],
  run: async (values, context) => {
    const result = await context.call('repository/check', { repository: context.location(values.repository) });
    const sum = `Examined ${counted(result.objects, 'object')} in ${formatDuration(result.durationMs)}`;
    return {
      json: result,
      lines: [`${sum}: ${verdict(result)}`, ...damageLines(result), ...foreignLines(result)],
      exitCode: exitCode(result),
    };
  },
});

/** A few suffice: --json has all. */
const MAX_FOREIGN = 10;

function foreignLines({ foreign, moreForeign }: { foreign: ForeignName[]; moreForeign: number }): string[] {
  if (foreign.length === 0) return [];
  const rest = foreign.length + moreForeign - MAX_FOREIGN;
  return [
    'Left there by others, ignored:',
    ...foreign.slice(0, MAX_FOREIGN).map(({ path, reason }) => `  ${path}: ${reason}`),
    ...(rest > 0 ? [`  … and ${rest} more`] : []),
  ];
}

export const verify = command({
  words: 'verify',
  summary: 'Read every byte of restore points, or a sample, and compare it with its hash.',
  options: {
    repository: repositoryOption,
    point: optional('ID', 'Only this restore point: its id, or the beginning of it; all when absent.', text),
    sample: optional('PERCENT', 'Read only this share of the blocks.', percent),
    'passphrase-file': passphraseOption,
  },
  examples: ['verify --repository D:\\Backups', 'verify --repository D:\\Backups --point 01JD9Q --sample 10'],
  run: async (values, context) => {
    const result = await context.call('repository/verify', {
      repository: context.location(values.repository),
      point: values.point,
      sample: values.sample,
    });
    const sum = `Verified ${counted(result.points.length, 'restore point')}, ${formatBytes(result.verifiedBytes)} in ${formatDuration(result.durationMs)}`;
    return { json: result, lines: [`${sum}: ${verdict(result)}`, ...damageLines(result)], exitCode: exitCode(result) };
  },
});

export const repair = command({
  words: 'repair',
  summary: 'Make a damaged repository whole as far as its packs can give it back; delete nothing.',
  options: {
    repository: repositoryOption,
    from: optional(
      'LOCATION',
      'Another repository that holds copies of the restore points (or a copy of the folder): what is lost is read from there.',
      text,
    ),
    'dry-run': flag('Change nothing; only report what would be done.'),
    'passphrase-file': passphraseOption,
    'from-passphrase-file': optional('FILE', 'File that holds the passphrase of the other repository.', text),
  },
  examples: [
    'repair --repository D:\\Backups --dry-run',
    'repair --repository D:\\Backups',
    'repair --repository D:\\Backups --from E:\\Offsite',
  ],
  run: async (values, context) => {
    const result = await context.call('repository/repair', {
      repository: context.location(values.repository),
      from: values.from === undefined ? undefined : context.location(values.from),
      fromPassphrase: await optionalPassphrase(values['from-passphrase-file']),
      dryRun: values['dry-run'],
    });
    const would = result.dryRun ? 'would be ' : '';
    return {
      json: result,
      lines: [
        `Examined ${counted(result.objects, 'object')} in ${formatDuration(result.durationMs)}: ${verdict(result)}`,
        ...properties([
          [
            'Packs indexed',
            `${result.packsIndexed} ${would}named by ${counted(result.indexesWritten, 'new index object')}`,
          ],
          ['Written back', `${result.restored.length} objects ${would}written from or to their second copy`],
          [
            'Restore points',
            result.restoredPoints.length > 0
              ? `${result.restoredPoints.length} ${would}written back: ${result.restoredPoints.join(', ')}`
              : undefined,
          ],
          ['Packs rewritten', result.packsRewritten > 0 ? `${result.packsRewritten} ${would}stored anew` : undefined],
          [
            'Records rewritten',
            result.rewritten.length > 0 ? `${result.rewritten.length} ${would}written anew` : undefined,
          ],
          ['Quarantined', `${result.quarantined.length} unreadable ${would}kept below quarantine/`],
          ['From the other', result.from && fromLine(result.from)],
          ['Healed', `${result.healed} found damaged before, read fine again`],
        ]),
        ...damageLines(result),
        ...(result.losses.length > 0
          ? ['Lost content comes back with the next backup that sees it: run a full backup of these VMs.']
          : []),
      ],
      exitCode: exitCode(result),
    };
  },
});

type HealedFrom = { restored: string[]; healed: string[]; records: string[] };

const fromLine = ({ restored, healed, records }: HealedFrom): string =>
  `${counted(restored.length, 'restore point')} written back, ${healed.length} healed, ${counted(records.length, 'record')} taken over`;

interface Findings {
  ok: boolean;
  damages: DamageReport[];
  moreDamages: number;
  losses: PointLoss[];
  moreLosses: number;
}

/** Lines of each kind for people; --json has more. */
const MAX_LINES = 100;
const MAX_AFFECTS = 3;

const exitCode = ({ ok }: Findings): number => (ok ? 0 : EXIT_CODE.damage);
const verdict = ({ ok, damages, moreDamages }: Findings): string =>
  ok ? 'no damage' : `${damages.length + moreDamages} damaged`;

function damageLines({ damages, moreDamages, losses, moreLosses }: Findings): string[] {
  const objects = damages.flatMap((damage) => {
    const where = damage.offset === undefined ? damage.path : `${damage.path} at ${hex(damage.offset)}`;
    const affects = damage.affects ?? [];
    const shown = affects.slice(0, MAX_AFFECTS).map((point) => {
      const disk = point.disk === undefined ? '' : ` disk ${point.disk}`;
      const range = point.offset === undefined ? '' : ` from ${hex(point.offset)}, ${formatBytes(point.length ?? 0)}`;
      return `    concerns ${point.vmName}, restore point ${point.pointId}${disk}${range}`;
    });
    const rest = affects.length - shown.length + (damage.moreAffects ?? 0);
    const more = rest > 0 ? [`    … and ${rest} more places`] : [];
    const message = damage.message.startsWith(`${where}: `) ? damage.message.slice(where.length + 2) : damage.message;
    return [`  ${damage.object} ${where}: ${message}`, ...shown, ...more];
  });
  return [
    ...bounded(objects, moreDamages),
    ...(losses.length > 0 ? ['What restore points lose by it:'] : []),
    ...bounded(losses.flatMap(lossLines), moreLosses),
  ];
}

function lossLines({ pointId, vmName, disk, configuration, lostBytes, ranges, moreRanges }: PointLoss): string[] {
  const what = disk === undefined ? `configuration file ${configuration}` : `disk ${disk}`;
  const shown = ranges.slice(0, 5).map(({ offset, length }) => `${formatBytes(length)} from ${hex(offset)}`);
  const more = ranges.length - shown.length + moreRanges;
  const places = [...shown, ...(more > 0 ? [`${more} more`] : [])].join(', ');
  return [`  ${vmName}, restore point ${pointId}, ${what}: ${formatBytes(lostBytes)} (${places})`];
}

function bounded(lines: string[], more: number): string[] {
  const rest = lines.length - MAX_LINES + more;
  return rest > 0 ? [...lines.slice(0, MAX_LINES), `  … and ${rest} more`] : lines;
}

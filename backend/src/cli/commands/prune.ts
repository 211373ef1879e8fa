/** `hvbackup prune`: retention, then the space of what nothing needs. */
import type { MethodResult } from '../../protocol/methods.ts';
import type { RetentionDecision } from '../../schema/repository.ts';
import { EXIT_CODE } from '../../support/error-codes.ts';
import { command } from '../command.ts';
import { flag, integer, optional, overrideDoubtOption, passphraseOption, repositoryOption, text } from '../options.ts';
import { table } from '../table.ts';
import { counted, formatBytes, formatTime } from '../units.ts';

const keep = (what: string) => optional('N', `Keep ${what}.`, integer(0, 1_000_000));

export const prune = command({
  words: 'prune',
  summary: 'Remove the restore points that no keep rule keeps, and free the space that no restore point needs.',
  options: {
    repository: repositoryOption,
    'keep-last': keep('the N newest restore points of each VM'),
    'keep-hourly': keep('the newest restore point of each of N hours'),
    'keep-daily': keep('the newest restore point of each of N days'),
    'keep-weekly': keep('the newest restore point of each of N weeks'),
    'keep-monthly': keep('the newest restore point of each of N months'),
    'keep-yearly': keep('the newest restore point of each of N years'),
    vm: optional('N', 'Apply the keep rules to this VM only: its name or id.', text),
    'dry-run': flag('Remove nothing; report what would be removed, what is kept and why, and the space freed.'),
    'override-doubt': overrideDoubtOption,
    'passphrase-file': passphraseOption,
  },
  examples: [
    'prune --repository D:\\Backups',
    'prune --repository D:\\Backups --keep-daily 14 --keep-weekly 8 --keep-monthly 12 --dry-run',
    'prune --repository D:\\Backups --keep-last 30 --vm web01 --json',
  ],
  run: async (values, context) => {
    const result = await context.call('repository/prune', {
      repository: context.location(values.repository),
      keepLast: values['keep-last'],
      keepHourly: values['keep-hourly'],
      keepDaily: values['keep-daily'],
      keepWeekly: values['keep-weekly'],
      keepMonthly: values['keep-monthly'],
      keepYearly: values['keep-yearly'],
      vm: values.vm,
      dryRun: values['dry-run'],
      overrideDoubt: values['override-doubt'],
    });
    return {
      json: result,
      lines: [...decisionLines(result), ...spaceLines(result)],
      exitCode: blockedExit(result),
    };
  },
});

/** What stands in the way is damage, and has been said as a warning. */
export const blockedExit = ({ blocked }: { blocked: readonly unknown[] }): number =>
  blocked.length > 0 ? EXIT_CODE.damage : 0;

type Pruned = MethodResult<'repository/prune'>;

/** In a dry run every restore point; else only how many went. */
function decisionLines({ points, removed, dryRun }: Pruned): string[] {
  if (points.length === 0) return [];
  const kept = points.length - removed;
  const sum = `${dryRun ? 'Would remove' : 'Removed'} ${counted(removed, 'restore point')}, ${dryRun ? 'keep' : 'kept'} ${kept}`;
  return dryRun ? [...decisionTable(points), sum] : [sum];
}

const decisionTable = (points: readonly RetentionDecision[]): string[] =>
  table(points, [
    { title: 'ID', value: (point) => point.id },
    { title: 'CREATED', value: (point) => formatTime(point.createdAt) },
    { title: 'VM', value: (point) => point.vmName },
    { title: 'ACTION', value: (point) => point.action },
    { title: 'WHY', value: (point) => point.reasons.join(', ') },
  ]);

function spaceLines({ freedBytes, pendingBytes, packsDeleted, packsRewritten, dryRun }: Pruned): string[] {
  const packs = `${counted(packsDeleted, 'pack')} deleted, ${packsRewritten} rewritten`;
  return [`${dryRun ? 'Would free' : 'Freed'} ${formatBytes(freedBytes)} (${packs})`, ...pendingLines(pendingBytes)];
}

/** Says what a later prune will give back, when there is something. */
export const pendingLines = (pendingBytes: number): string[] =>
  pendingBytes > 0 ? [`A later prune frees ${formatBytes(pendingBytes)} more: another session is active.`] : [];

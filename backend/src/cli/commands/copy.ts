/** `hvbackup copy`: restore points to another repository. */
import type { CopiedPointResult } from '../../schema/copy.ts';
import { EXIT_CODE, errorCategory } from '../../support/error-codes.ts';
import { quoted } from '../../support/shell-quote.ts';
import { command } from '../command.ts';
import { limitRateOption, oneOf, optional, passphraseOption, repositoryOption, required, text } from '../options.ts';
import { optionalPassphrase } from '../passphrase-option.ts';
import { table } from '../table.ts';
import { counted, formatBytes, formatDuration, formatTime } from '../units.ts';

export const copy = command({
  words: 'copy',
  summary: 'Copy restore points to another repository.',
  options: {
    repository: repositoryOption,
    to: required('LOCATION', 'The repository to copy to.', text),
    point: optional('ID', 'Only this restore point: its id, or the beginning of it; all when absent.', text),
    vm: optional('N', 'Only restore points of this VM: its name or id.', text),
    compression: optional('fast|default|strong', 'default when absent.', oneOf('fast', 'default', 'strong')),
    'limit-rate': limitRateOption,
    'passphrase-file': passphraseOption,
    'to-passphrase-file': optional('FILE', 'File that holds the passphrase of the repository to copy to.', text),
  },
  examples: [
    'copy --repository D:\\Backups --to \\\\vault\\backups',
    'copy --repository D:\\Backups --to E:\\Offsite --vm web01 --limit-rate 50M --json',
  ],
  run: async (values, context) => {
    const result = await context.call('point/copy', {
      repository: context.location(values.repository),
      to: context.location(values.to),
      toPassphrase: await optionalPassphrase(values['to-passphrase-file']),
      point: values.point,
      vm: values.vm,
      compression: values.compression,
      limitRate: values['limit-rate'],
    });
    const { copied, healed, skipped, failed, newBytes, durationMs } = result;
    const rest = [
      healed > 0 ? `healed ${healed}` : '',
      skipped > 0 ? `${skipped} skipped` : '',
      failed > 0 ? `${failed} failed` : '',
    ].filter(Boolean);
    const sum = [`Copied ${counted(copied, 'restore point')}`, ...rest].join(', ');
    return {
      json: result,
      lines: [
        ...pointLines(result.points),
        `${sum}; stored ${formatBytes(newBytes)} in ${formatDuration(durationMs)}`,
        ...(copied > 0 ? [`Next: hvbackup verify --repository ${quoted(context.location(values.to))}`] : []),
      ],
      exitCode: exitCode(result.points),
    };
  },
});

/** All failed: the code they share, or 1. Some failed: 3. */
function exitCode(points: readonly CopiedPointResult[]): number {
  const codes = points.flatMap(({ error }) => (error ? EXIT_CODE[errorCategory(error.code)] : []));
  if (codes.length === 0) return 0;
  if (codes.length < points.length) return EXIT_CODE.someFailed;
  return codes.every((code) => code === codes[0]) ? codes[0]! : EXIT_CODE.failed;
}

/** What was skipped because it is there is of no interest. */
function pointLines(points: readonly CopiedPointResult[]): string[] {
  const shown = points.filter(({ action, reason }) => action !== 'skipped' || reason?.includes('removed'));
  if (shown.length === 0) return [];
  return table(shown, [
    { title: 'ID', value: (point) => point.id },
    { title: 'CREATED', value: (point) => formatTime(point.createdAt) },
    { title: 'VM', value: (point) => point.vmName },
    { title: 'ACTION', value: (point) => point.action },
    { title: 'READ', value: (point) => formatBytes(point.readBytes), align: 'right' },
    { title: 'STORED', value: (point) => formatBytes(point.newBytes), align: 'right' },
    { title: 'WHY', value: (point) => point.reason ?? point.error?.message ?? '' },
  ]);
}

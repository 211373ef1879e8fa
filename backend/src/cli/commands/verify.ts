/** `hvbackup check` and `verify`: damage found is exit code 4. */
import type { DamageReport } from '../../schema/verify.ts';
import { EXIT_CODE } from '../../support/error-codes.ts';
import { hex } from '../../support/errors.ts';
import { command } from '../command.ts';
import { number, optional, passphraseOption, repositoryOption, text } from '../options.ts';
import { printable } from '../table.ts';
import { counted, formatBytes, formatDuration } from '../units.ts';

export const check = command({
  words: 'check',
  summary: 'Check the structure of a repository.',
  options: { repository: repositoryOption, 'passphrase-file': passphraseOption },
  examples: ['check --repository D:\\Backups'],
  run: async (values, context) => {
    const result = await context.call('repository/check', { repository: context.absolute(values.repository) });
    const sum = `Looked at ${counted(result.objects, 'object')} in ${formatDuration(result.durationMs)}`;
    return { json: result, lines: [`${sum}: ${verdict(result)}`, ...damageLines(result)], exitCode: exitCode(result) };
  },
});

export const verify = command({
  words: 'verify',
  summary: 'Read every byte of restore points, or a sample, and compare it with its hash.',
  options: {
    repository: repositoryOption,
    point: optional('ID', 'Only this restore point: its id, or the beginning of it; all when absent.', text),
    sample: optional('PERCENT', 'Read only this share of the blocks.', number),
    'passphrase-file': passphraseOption,
  },
  examples: ['verify --repository D:\\Backups', 'verify --repository D:\\Backups --point 01JD9Q --sample 10'],
  run: async (values, context) => {
    const result = await context.call('repository/verify', {
      repository: context.absolute(values.repository),
      point: values.point,
      sample: values.sample,
    });
    const sum = `Verified ${counted(result.points.length, 'restore point')}, ${formatBytes(result.verifiedBytes)} in ${formatDuration(result.durationMs)}`;
    return { json: result, lines: [`${sum}: ${verdict(result)}`, ...damageLines(result)], exitCode: exitCode(result) };
  },
});

interface Findings {
  ok: boolean;
  damages: DamageReport[];
}

const exitCode = ({ ok }: Findings): number => (ok ? 0 : EXIT_CODE.damage);
const verdict = ({ ok, damages }: Findings): string => (ok ? 'no damage' : `${damages.length} damaged`);

const damageLines = ({ damages }: Findings): string[] =>
  damages.flatMap((damage) => {
    const where = damage.offset === undefined ? damage.path : `${damage.path} at ${hex(damage.offset)}`;
    const affected = (damage.affects ?? []).map((point) => {
      const disk = point.disk === undefined ? '' : ` disk ${point.disk}`;
      const range = point.offset === undefined ? '' : ` from ${hex(point.offset)}, ${formatBytes(point.length ?? 0)}`;
      return printable(`    concerns ${point.vmName}, restore point ${point.pointId}${disk}${range}`);
    });
    return [printable(`  ${damage.object} ${where}: ${damage.message}`), ...affected];
  });

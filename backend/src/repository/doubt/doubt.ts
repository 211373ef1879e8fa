/** What keeps anything from being deleted (docs/format.md §6, Certainty), and the error that says so. */
import { HvError, isHvError } from '../../support/errors.ts';
import type { Doubt } from '../port/doubt.ts';

/** Named in a message; the rest is counted. */
const NAMED = 5;
/** In the data of the error. */
const LISTED = 1000;

/** REPOSITORY_DOUBTFUL. @param doubts at least one */
export function doubtful(location: string, doubts: readonly Doubt[]): HvError {
  const doPointsMiss = doubts.some(({ kind }) => kind === 'point');
  const accept = doPointsMiss
    ? ' Where restore points were removed knowingly, run "hvbackup repository accept-removed".'
    : '';
  return new HvError(
    'REPOSITORY_DOUBTFUL',
    `Nothing is deleted from ${location}, because it cannot be known what is still needed there: ${sentences(doubts).join('; ')}`,
    {
      advice: `Run "hvbackup check" to see all of it, and "hvbackup repair" to write back what can be.${accept} If you are sure that nothing is missing, repeat the command with --override-doubt (-OverrideDoubt in PowerShell): it counts for that run only.`,
      data: { location, count: doubts.length, doubts: doubts.slice(0, LISTED) },
    },
  );
}

/** A folder of the repository that is there and could not be listed is a doubt like any other. */
export function asDoubt(error: unknown, location: string): unknown {
  if (!isHvError(error, 'IO_ERROR') || error.data.object !== 'listing') return error;
  return doubtful(location, [{ kind: 'listing', path: String(error.data.folder ?? ''), message: error.message }]);
}

/** One for all restore points that are gone, one for each other doubt, the first few. */
export function sentences(doubts: readonly Doubt[]): string[] {
  const points = doubts.filter(({ kind }) => kind === 'point');
  const others = doubts.filter(({ kind }) => kind !== 'point');
  const said = others.slice(0, NAMED).map(({ message }) => message);
  if (others.length > NAMED) said.push(`${others.length - NAMED} more like these`);
  if (points.length > 0) {
    const names = points.slice(0, NAMED).map(nameOf).join(', ');
    const more = points.length > NAMED ? ` and ${points.length - NAMED} more` : '';
    const are =
      points.length === 1
        ? '1 restore point was published and is'
        : `${points.length} restore points were published and are`;
    said.unshift(`${are} missing without a valid removal: ${names}${more}`);
  }
  return said;
}

const nameOf = ({ vmName, createdAt, pointId }: Doubt): string => `${vmName ?? 'unknown VM'} ${createdAt} (${pointId})`;

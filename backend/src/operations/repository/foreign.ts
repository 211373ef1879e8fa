/** What others left in a repository's folders, as check reports it. */
import type { Repository } from '../../repository/port/repository.ts';
import type { DamageReport, ForeignName } from '../../schema/verify.ts';

/** More say nothing new. */
const MAX_NAMED = 100;

export interface ForeignFindings {
  foreign: ForeignName[];
  moreForeign: number;
  /** What resembles an object that is not there. */
  doubtful: DamageReport[];
}

export async function findForeign(repository: Repository): Promise<ForeignFindings> {
  const all = await repository.foreignNames();
  const foreign = all.filter(({ verdict }) => verdict === 'foreign');
  return {
    foreign: foreign.slice(0, MAX_NAMED).map(({ path, kind, reason }) => ({ path, kind, reason })),
    moreForeign: Math.max(0, foreign.length - MAX_NAMED),
    doubtful: all
      .filter(({ verdict }) => verdict === 'doubtful')
      .map(({ path, reason }) => ({ object: 'listing', path, message: reason })),
  };
}

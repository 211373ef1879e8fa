/** What to do when a repository has no room left: how much a prune would give back, asked for a short time only. */
import type { Repository } from '../../repository/port/repository.ts';
import { HvError, isHvError } from '../../support/errors.ts';
import { quoted } from '../../support/shell-quote.ts';

/** Of a large repository the survey takes minutes; no one waits for them to read an error. Milliseconds. */
const LONGEST = 10_000;

/** @returns the error with figures and advice when it is that the repository's storage is full; any other as it is */
export async function explainFull(repository: Repository, error: unknown): Promise<unknown> {
  if (!isHvError(error, 'DISK_FULL') || !isWithin(error.data.path, repository.location)) return error;
  const free = await repository.freeBytes().catch(() => null);
  const prunable = await estimate(repository);
  const command = `hvbackup prune --repository ${quoted(repository.location)}`;
  const would =
    prunable === null
      ? `"${command}" frees what no restore point needs`
      : prunable > 0
        ? `"${command}" would free ${prunable} bytes`
        : `"${command}" alone would give nothing back`;
  return new HvError(
    'DISK_FULL',
    `${error.message}${free === null ? '' : `; ${free} bytes are free in ${repository.location}`}`,
    {
      advice: `${would}, and with keep rules (such as --keep-last 7) what older restore points take as well; both also work on a full disk. Or free space there otherwise.`,
      data: {
        ...error.data,
        repository: repository.location,
        ...(free === null ? {} : { free }),
        ...(prunable === null ? {} : { prunable }),
      },
      cause: error,
    },
  );
}

/** @returns null when it is not known in time */
async function estimate(repository: Repository): Promise<number | null> {
  try {
    const { freedBytes } = await repository.prune({ dryRun: true, signal: AbortSignal.timeout(LONGEST) });
    return freedBytes;
  } catch {
    return null;
  }
}

const isWithin = (path: unknown, folder: string): boolean => typeof path === 'string' && path.startsWith(folder);

/** Runs `work` with errors explained. */
export async function withFullExplained<T>(repository: Repository, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw await explainFull(repository, error);
  }
}

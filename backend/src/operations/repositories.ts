/** Repositories as a whole: create, statistics. */
import type { Repository } from '../repository/port.ts';
import type {
  CreateRepositoryParams,
  CreateRepositoryResult,
  RepositoryInfo,
  RepositoryStatsParams,
  RepositoryStatsResult,
} from '../schema/repository.ts';
import type { OperationContext } from '../support/progress.ts';
import { createRepository as create } from './open-repository.ts';
import { withRepository } from './with.ts';

/** @throws REPOSITORY_EXISTS, FILE_EXISTS for a folder with other things in it, ACCESS_DENIED */
export async function createRepository(
  params: CreateRepositoryParams,
  _context: OperationContext,
): Promise<CreateRepositoryResult> {
  const repository = await create(params.location, { blockSize: params.blockSize });
  try {
    return { repository: info(repository) };
  } finally {
    await repository.close();
  }
}

export async function repositoryStats(
  params: RepositoryStatsParams,
  _context: OperationContext,
): Promise<RepositoryStatsResult> {
  return withRepository(params.repository, async (repository) => ({
    ...info(repository),
    ...(await repository.stats()),
  }));
}

const info = ({ id, location, blockSize, formatVersion, createdAt }: Repository): RepositoryInfo => ({
  id,
  location,
  blockSize,
  formatVersion,
  createdAt,
});

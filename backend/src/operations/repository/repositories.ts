/** Repositories as a whole: create, statistics. */
import type { Repository } from '../../repository/port/repository.ts';
import { ManifestBody } from '../../schema/manifest.ts';
import type {
  CreateRepositoryParams,
  CreateRepositoryResult,
  RepositoryInfo,
  RepositoryStatsParams,
  RepositoryStatsResult,
} from '../../schema/repository.ts';
import type { OperationContext } from '../../support/progress.ts';
import { createRepository as create } from '../open-repository.ts';
import { withRepository } from '../with.ts';

/** @throws REPOSITORY_EXISTS, FILE_EXISTS for a folder with other things in it, ACCESS_DENIED */
export async function createRepository(
  params: CreateRepositoryParams,
  { signal, warn }: OperationContext,
): Promise<CreateRepositoryResult> {
  const repository = await create(params.location, { ...params, signal, warn });
  try {
    return { repository: info(repository) };
  } finally {
    await repository.close();
  }
}

export async function repositoryStats(
  params: RepositoryStatsParams,
  context: OperationContext,
): Promise<RepositoryStatsResult> {
  return withRepository(params, context, async (repository) => {
    const counts = await repository.stats();
    const { blockBytes, blockPackBytes } = counts;
    return {
      ...info(repository),
      ...counts,
      ...(await contentCounts(repository)),
      compressionRatio: blockPackBytes > 0 ? Math.round((blockBytes / blockPackBytes) * 100) / 100 : null,
    };
  });
}

/** What the restore points say; those that cannot be read are for check to find. */
async function contentCounts(repository: Repository): Promise<{ vms: number; logicalBytes: number }> {
  const groups = new Set<string>();
  let logicalBytes = 0;
  for (const { group, body } of await repository.listManifests(undefined, { onDamage: () => undefined })) {
    groups.add(group);
    for (const disk of ManifestBody.safeParse(body).data?.disks ?? []) if (disk.content) logicalBytes += disk.size;
  }
  return { vms: groups.size, logicalBytes };
}

const info = ({ id, location, blockSize, formatVersion, encrypted, createdAt }: Repository): RepositoryInfo => ({
  id,
  location,
  blockSize,
  formatVersion,
  encrypted,
  createdAt,
});

/** Opening what an operation needs and closing it whatever happens. */
import type { Host } from '../hosts/port.ts';
import type { SimulatedHost } from '../hosts/simulated/index.ts';
import type { Repository } from '../repository/port/repository.ts';
import type { OperationContext } from '../support/progress.ts';
import { type OfHost, openHost, openSimulated } from './open-host.ts';
import { type OpenRepositoryOptions, openRepository } from './open-repository.ts';
import { unexpectedPointWarnings } from './unexpected-points.ts';

/** Parameters that name a repository. */
export interface OfRepository {
  repository: string;
  passphrase?: string;
}

/**
 * What is found out about restore points that are missing is reported as a warning, unless `work` has reported it
 * already.
 */
export async function withRepository<T>(
  { repository: location, passphrase }: OfRepository,
  context: OperationContext,
  work: (repository: Repository) => Promise<T>,
  options: OpenRepositoryOptions = {},
): Promise<T> {
  const repository = await openRepository(location, {
    passphrase,
    signal: context.signal,
    warn: context.warn,
    repeated: context.repeated,
    ...options,
  });
  try {
    return await work(repository);
  } finally {
    for (const warning of unexpectedPointWarnings(repository)) context.warn?.(warning);
    await repository.close();
  }
}

/** withRepository() for work that begins with reading or writing much content. */
export const withContent = <T>(
  of: OfRepository,
  context: OperationContext,
  work: (repository: Repository) => Promise<T>,
  options: OpenRepositoryOptions = {},
): Promise<T> => withRepository(of, context, work, { ...options, forContent: true });

export async function withHost<T>(of: OfHost, work: (host: Host) => Promise<T>): Promise<T> {
  const host = await openHost(of);
  try {
    return await work(host);
  } finally {
    await host.close();
  }
}

/** For what only a simulated host can be asked for. @throws USAGE for the address of another */
export async function withSimulated<T>(uri: string, work: (host: SimulatedHost) => Promise<T>): Promise<T> {
  const host = await openSimulated(uri);
  try {
    return await work(host);
  } finally {
    await host.close();
  }
}

/** Opening what an operation needs and closing it whatever happens. */
import type { Host } from '../hosts/port.ts';
import type { SimulatedHost } from '../hosts/simulated/index.ts';
import type { Repository } from '../repository/port.ts';
import { openHost, openSimulated } from './open-host.ts';
import { type OpenRepositoryOptions, openRepository } from './open-repository.ts';

export async function withRepository<T>(
  location: string,
  work: (repository: Repository) => Promise<T>,
  options: OpenRepositoryOptions = {},
): Promise<T> {
  const repository = await openRepository(location, options);
  try {
    return await work(repository);
  } finally {
    await repository.close();
  }
}

export async function withHost<T>(uri: string, work: (host: Host) => Promise<T>): Promise<T> {
  const host = await openHost(uri);
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

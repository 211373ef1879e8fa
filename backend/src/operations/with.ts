/** Opening what an operation needs and closing it whatever happens. */
import type { Host } from '../hosts/port.ts';
import type { Repository } from '../repository/port.ts';
import { openHost } from './open-host.ts';
import { openRepository } from './open-repository.ts';

export async function withRepository<T>(location: string, work: (repository: Repository) => Promise<T>): Promise<T> {
  const repository = await openRepository(location);
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

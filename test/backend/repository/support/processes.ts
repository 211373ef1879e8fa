/** Several processes at work in one repository in memory. */
import type { StoredRepository } from '../../../../backend/src/repository/repository.ts';
import { closedAfterEach } from './closing.ts';
import { type FaultPlan, FaultStorage, MemoryStorage } from './memory-storage.ts';
import { createMemoryRepository, openMemory } from './model.ts';
import { World } from './process.ts';

type Processes = Awaited<ReturnType<ReturnType<typeof processesAtWork>['fixture']>>;
export type Connect = Processes['connect'];

/** To be called once a file: what is open is closed after each of its tests. */
export function processesAtWork() {
  const open = closedAfterEach<StoredRepository>();
  /** A new repository. `connect` opens it as a process, with faults when told; `names` lists what it holds. */
  const fixture = async () => {
    const world = new World();
    const storage = new MemoryStorage();
    await (await createMemoryRepository(storage)).close();
    const connect = async (plan: FaultPlan = {}, process = world.process()): Promise<StoredRepository> => {
      const repository = await openMemory(new FaultStorage(storage, plan), process);
      open.push(repository);
      return repository;
    };
    const names = (prefix: string): string[] => [...storage.objects.keys()].filter((name) => name.startsWith(prefix));
    return { world, storage, connect, names };
  };
  return { open, fixture };
}

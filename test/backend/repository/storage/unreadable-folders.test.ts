/**
 * A folder in which nothing can be read, not even what was never there: whatever asks for one number after the other
 * comes to an end.
 */
import { describe, expect, it } from 'vitest';
import { isHeld, setHold } from '../../../../backend/src/operations/points/holds.ts';
import { prune } from '../../../../backend/src/operations/points/removal.ts';
import { damaged } from '../../../../backend/src/repository/errors.ts';
import { manifestName } from '../../../../backend/src/repository/format/names.ts';
import { MemoryStorage } from '../support/memory-storage.ts';
import { BLOCK, backup, createMemoryRepository, GROUP, openMemory, sampleBytes } from '../support/model.ts';

/** A bad sector under the folder: its names are listed, and every look-up of one fails. */
class UnreadableFolder extends MemoryStorage {
  readonly #folder: string;
  /** So that what would go on for ever fails instead. */
  #left = 20_000;

  constructor(objects: Map<string, Buffer>, folder: string) {
    super(objects);
    this.#folder = folder;
  }

  override async get(name: string, limit?: number): Promise<Buffer> {
    this.#look(name);
    return super.get(name, limit);
  }
  override async read(name: string, offset: number, target: Uint8Array): Promise<void> {
    this.#look(name);
    return super.read(name, offset, target);
  }
  override async put(name: string, data: Uint8Array): Promise<boolean> {
    this.#count();
    return super.put(name, data);
  }

  #count(): void {
    if (--this.#left === 0) throw new Error('it is asked for ever');
  }
  #look(name: string): void {
    this.#count();
    if (name.startsWith(this.#folder)) throw damaged('object', name, 'it cannot be read: EIO');
  }
}

async function fixture() {
  const storage = new MemoryStorage();
  const repository = await createMemoryRepository(storage);
  const { id } = await backup(repository, sampleBytes(3 * BLOCK, 1));
  const { id: gone } = await backup(repository, sampleBytes(3 * BLOCK, 2));
  await setHold(repository.records, id, true);
  await setHold(repository.records, id, false);
  await repository.removeManifest(gone);
  await repository.close();
  return { storage, id, gone };
}

const settled = (work: Promise<unknown>): Promise<string> =>
  work.then(
    () => 'done',
    (error: Error) => error.message,
  );

describe('a folder that cannot be read', () => {
  it.each(['holds/', 'ledger/', 'removed/', 'sessions/', 'marks/', 'chains/', 'jobs/', 'damaged/', 'manifests/'])(
    '%s: all that looks into it ends',
    async (folder) => {
      const { storage, id, gone } = await fixture();
      const repository = await openMemory(new UnreadableFolder(storage.objects, folder));
      const name = manifestName(GROUP, id);
      const { ledger } = repository.core;
      const works: (() => Promise<unknown>)[] = [
        () => isHeld(repository.records, id),
        () => isHeld(repository.records, gone),
        () => setHold(repository.records, id, true),
        () => ledger.get(name),
        () => ledger.publications(name),
        () => ledger.publications(manifestName(GROUP, gone)),
        () => backup(repository, sampleBytes(3 * BLOCK, 3)),
        () => repository.check(),
        () => prune(repository, {}),
        () => repository.repair({}),
        () => ledger.drop(name),
      ];
      for (const work of works) expect(await settled(work())).not.toBe('it is asked for ever');
      await repository.close();
    },
  );

  it('holds what it may hold', async () => {
    const { storage, id } = await fixture();
    const repository = await openMemory(new UnreadableFolder(storage.objects, 'holds/'));
    expect(await isHeld(repository.records, id)).toBe(true);
    await repository.close();
  });

  it('a name that is taken and not listed is passed over when a hold is set', async () => {
    const { storage, id } = await fixture();
    class Taken extends MemoryStorage {
      left = 1000;
      override async put(name: string, data: Uint8Array): Promise<boolean> {
        if (--this.left === 0) throw new Error('it is asked for ever');
        return name.endsWith('00000003') ? false : super.put(name, data);
      }
    }
    const repository = await openMemory(new Taken(storage.objects));
    expect(await setHold(repository.records, id, true)).toBe(true);
    await repository.close();
    expect([...storage.objects.keys()].filter((name) => name.startsWith('holds/')).at(-1)).toMatch(/00000004$/);
  });
});

/** What a killed process left that was not durable: nothing durable may speak of it when a power cut takes it. */
import { describe, expect, it } from 'vitest';
import { initRepository } from '../../../../backend/src/repository/open.ts';
import type { StoredRepository } from '../../../../backend/src/repository/repository.ts';
import { closedAfterEach } from '../support/closing.ts';
import { Killed, MemoryStorage } from '../support/memory-storage.ts';
import { BLOCK, backup, openMemory, sampleBytes } from '../support/model.ts';

const CHEAP = { n: 2, r: 1, p: 1 };
const PASSPHRASE = 'first';
const opened = closedAfterEach<StoredRepository>();

/** Some objects are not durable until a process settles them. */
class Forgetful extends MemoryStorage {
  readonly unsettled = new Set<string>();

  /** The process dies when it has put such an object. */
  last: RegExp | undefined;
  #isDead = false;

  override async put(name: string, data: Uint8Array): Promise<boolean> {
    const done = await super.put(name, data);
    this.#isDead ||= this.last?.test(name) ?? false;
    return done;
  }

  override async settle(name?: string): Promise<void> {
    if (this.#isDead) throw new Killed();
    if (name !== undefined) this.unsettled.delete(name);
  }

  powerCut(): void {
    this.#isDead = false;
    for (const name of this.unsettled) this.objects.delete(name);
  }
}

async function fixture() {
  const storage = new Forgetful();
  await initRepository(storage, { blockSize: BLOCK, passphrase: PASSPHRASE, kdfCost: CHEAP });
  const connect = async () => {
    const repository = await openMemory(storage, undefined, { passphrase: PASSPHRASE, kdfCost: CHEAP });
    opened.push(repository);
    return repository;
  };
  const repository = await connect();
  const { id } = await backup(repository, sampleBytes(3 * BLOCK, 1));
  const find = (pattern: RegExp) => [...storage.objects.keys()].filter((name) => pattern.test(name));
  return { storage, connect, repository, id, find };
}

describe.each(['prune', 'repair'] as const)('a key whose adding was killed, copied by %s', (command) => {
  it('is durable before its copy is', async () => {
    const { storage, connect, repository, find } = await fixture();
    const { id } = await repository.addKey('second', 'in the safe');
    const [copy, key] = find(new RegExp(id)).sort((a, b) => b.length - a.length) as [string, string];
    expect(key).toMatch(/^keys\//);
    storage.objects.delete(copy);
    storage.unsettled.add(key);
    const other = await connect();
    await other[command]();
    expect(storage.objects.has(copy)).toBe(true);
    storage.powerCut();
    expect((await (await connect()).check()).damages).toEqual([]);
  });
});

it('a restore point whose publishing was killed, and whose removal notes it in the ledger, is durable before that', async () => {
  const { storage, connect, id, find } = await fixture();
  for (const name of find(/^ledger\//)) storage.objects.delete(name);
  storage.unsettled.add(find(/^manifests\//)[0]!);
  storage.last = /^ledger\//;
  await expect((await connect()).removeManifest(id)).rejects.toThrow(Killed);
  storage.powerCut();
  const other = await connect();
  expect((await other.requireCertainty({ goOn: true })).filter(({ kind }) => kind === 'point')).toEqual([]);
});

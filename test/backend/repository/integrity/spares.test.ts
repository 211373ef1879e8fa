/**
 * Second copies of the configuration and of key objects: what opens, what is written back, and what a removal leaves.
 */
import { describe, expect, it } from 'vitest';
import { checkOf } from '../../../../backend/src/repository/format/config.ts';
import { initRepository } from '../../../../backend/src/repository/open.ts';
import type { StoredRepository } from '../../../../backend/src/repository/repository.ts';
import { HvError } from '../../../../backend/src/support/errors.ts';
import { closedAfterEach } from '../support/closing.ts';
import { MemoryStorage } from '../support/memory-storage.ts';
import { backup, openMemory, sampleBytes, verifyAll } from '../support/model.ts';

const CONFIG = 'hvbackup-repository.json';
const CHEAP = { n: 2, r: 1, p: 1 };
const opened = closedAfterEach<StoredRepository>();

/** Some of what was put lies on sectors that do not read any more; what is put in its place lies elsewhere. */
class BadSectors extends MemoryStorage {
  readonly bad = new Set<unknown>();

  override async get(name: string, limit?: number): Promise<Buffer> {
    if (this.bad.has(this.objects.get(name)))
      throw new HvError('IO_ERROR', `${name}: input/output error`, { data: { errno: 'EIO' } });
    return super.get(name, limit);
  }
}

async function create(passphrase?: string): Promise<BadSectors> {
  const storage = new BadSectors();
  await initRepository(storage, { blockSize: 64 * 1024, passphrase, kdfCost: CHEAP });
  return storage;
}

async function open(storage: MemoryStorage, passphrase?: string): Promise<StoredRepository> {
  const repository = await openMemory(storage, undefined, { passphrase, kdfCost: CHEAP });
  opened.push(repository);
  return repository;
}

const keyNames = (storage: MemoryStorage): string[] =>
  [...storage.objects.keys()].filter((name) => name.startsWith('keys/'));

const damages: [string, (storage: BadSectors, name: string) => void][] = [
  ['gone', (storage, name) => void storage.objects.delete(name)],
  ['cut', (storage, name) => void storage.objects.set(name, storage.objects.get(name)!.subarray(0, 100))],
  ['flipped', (storage, name) => flip(storage, name)],
  ['empty', (storage, name) => void storage.objects.set(name, Buffer.alloc(0))],
  ['on a bad sector', (storage, name) => void storage.bad.add(storage.objects.get(name))],
];

function flip(storage: MemoryStorage, name: string): void {
  const bytes = Buffer.from(storage.objects.get(name)!);
  bytes[bytes.indexOf('"check"') + 12]! ^= 1;
  storage.objects.set(name, bytes);
}

describe.each([
  ['plain', undefined],
  ['encrypted', 'correct horse'],
] as const)('%s', (_kind, passphrase) => {
  it.each(damages)(
    'a configuration that is %s: all can be read, it is named, and repair writes it back',
    async (_what, damage) => {
      const storage = await create(passphrase);
      await backup(await open(storage, passphrase), sampleBytes(200_000, 1));
      const whole = storage.objects.get(CONFIG)!;
      damage(storage, CONFIG);
      const repository = await open(storage, passphrase);
      expect(await verifyAll(repository)).toHaveLength(1);
      expect(repository.listingProblems()).toMatchObject([{ object: 'config', path: CONFIG }]);
      expect((await repository.check()).damages).toMatchObject([{ path: CONFIG }]);
      const { restored, damages: left } = await repository.repair();
      expect([restored, left]).toEqual([[CONFIG], []]);
      expect(storage.objects.get(CONFIG)).toEqual(whole);
      const again = await open(storage, passphrase);
      expect(again.listingProblems()).toEqual([]);
      expect((await again.repair()).restored).toEqual([]);
    },
  );

  it.each(damages)('a copy that is %s costs nothing, check names it or it is made again', async (_what, damage) => {
    const storage = await create(passphrase);
    damage(storage, `spare/${CONFIG}`);
    const repository = await open(storage, passphrase);
    const found = (await repository.check()).damages;
    if (storage.objects.has(`spare/${CONFIG}`)) expect(found).toMatchObject([{ object: 'spare' }]);
    expect((await repository.repair()).restored).toEqual([`spare/${CONFIG}`]);
    expect(storage.objects.get(`spare/${CONFIG}`)).toEqual(storage.objects.get(CONFIG));
    expect((await repository.check()).damages).toEqual([]);
  });
});

describe('key objects', () => {
  it.each(damages)('one that is %s is opened by its copy, and repair writes it back', async (_what, damage) => {
    const storage = await create('first');
    await backup(await open(storage, 'first'), sampleBytes(200_000, 1));
    const [name] = keyNames(storage) as [string];
    const whole = storage.objects.get(name)!;
    damage(storage, name);
    await expect(open(storage, 'wrong')).rejects.toThrow();
    const repository = await open(storage, 'first');
    expect(await verifyAll(repository)).toHaveLength(1);
    expect(repository.listingProblems()).toMatchObject([{ object: 'key', path: name }]);
    expect(await repository.listKeys()).toMatchObject([{ current: true }]);
    expect((await repository.repair()).restored).toEqual([name]);
    expect(storage.objects.get(name)).toEqual(whole);
    expect((await open(storage, 'first')).listingProblems()).toEqual([]);
  });

  it('a passphrase that is removed opens nothing, by no copy; the copies of others stay', async () => {
    const storage = await create('first');
    const repository = await open(storage, 'first');
    const { id } = await repository.addKey('second', 'safe');
    expect(storage.objects.has(`spare/keys/${id}`)).toBe(true);
    await repository.removeKey(id);
    expect([...storage.objects.keys()].filter((name) => name.includes(id))).toEqual([]);
    await expect(open(storage, 'second')).rejects.toMatchObject({ code: 'WRONG_PASSPHRASE' });
    expect([...storage.objects.keys()].filter((name) => name.startsWith('spare/keys/'))).toHaveLength(1);
  });

  it('of a key whose object is gone and whose passphrase was not given, repair leaves the copy alone', async () => {
    const storage = await create('first');
    const { id } = await (await open(storage, 'first')).addKey('second', 'safe');
    storage.objects.delete(`keys/${id}`);
    const repository = await open(storage, 'first');
    expect((await repository.listKeys()).find((key) => key.id === id)?.problem).toBeDefined();
    expect((await repository.repair()).restored).toEqual([]);
    // Whoever has its passphrase gets it back; whoever does not want it removes it.
    expect((await (await open(storage, 'second')).repair()).restored).toEqual([`keys/${id}`]);
    storage.objects.delete(`keys/${id}`);
    await (await open(storage, 'first')).removeKey(id);
    await expect(open(storage, 'second')).rejects.toMatchObject({ code: 'WRONG_PASSPHRASE' });
  });

  it('prune copies what an older program did not', async () => {
    const storage = await create('first');
    for (const name of [...storage.objects.keys()]) if (name.startsWith('spare/')) storage.objects.delete(name);
    await (await open(storage, 'first')).prune();
    expect([...storage.objects.keys()].filter((name) => name.startsWith('spare/'))).toHaveLength(2);
  });

  it('a copy with another block size and a right check does not stand in for the configuration of an encrypted repository', async () => {
    const storage = await create('first');
    const { check, ...fields } = { ...JSON.parse(storage.objects.get(CONFIG)!.toString()), blockSize: 128 * 1024 };
    storage.objects.set(`spare/${CONFIG}`, Buffer.from(JSON.stringify({ ...fields, check: checkOf(fields) })));
    storage.objects.delete(CONFIG);
    await expect(open(storage, 'first')).rejects.toMatchObject({ code: 'REPOSITORY_DAMAGED', data: { path: CONFIG } });
  });
});

/** Passphrases: opening, wrong ones, damage told apart from them, adding and removing. */
import { afterEach, describe, expect, it } from 'vitest';
import { hiddenName, open, seal } from '../../../../backend/src/repository/format/keys.ts';
import type { StoredRepository } from '../../../../backend/src/repository/repository.ts';
import { CHEAP, createEncrypted, PASSPHRASE, TestMemory } from '../support/encrypted.ts';
import { MemoryStorage } from '../support/memory-storage.ts';
import { BLOCK, backup, createMemoryRepository, openMemory, sampleBytes, verifyAll } from '../support/model.ts';
import { World } from '../support/process.ts';

const CONFIG = 'hvbackup-repository.json';
const opened: StoredRepository[] = [];
const keep = async (opening: Promise<StoredRepository>): Promise<StoredRepository> => {
  const repository = await opening;
  opened.push(repository);
  return repository;
};
afterEach(async () => {
  for (const repository of opened.splice(0)) await repository.close();
});
const openWith = (storage: MemoryStorage, passphrase?: string, memory?: TestMemory) =>
  keep(openMemory(storage, undefined, { passphrase, kdfCost: CHEAP, memory: memory && (() => memory) }));
const keyName = (storage: MemoryStorage): string =>
  [...storage.objects.keys()].find((name) => name.startsWith('keys/'))!;

/** What is said of a damaged object is asked here; spares.test.ts holds what the second copies are good for. */
function dropSpares(storage: MemoryStorage): void {
  for (const name of [...storage.objects.keys()]) if (name.startsWith('spare/')) storage.objects.delete(name);
}
const edit = (storage: MemoryStorage, name: string, change: (text: string) => string): void => {
  storage.objects.set(name, Buffer.from(change(storage.objects.get(name)!.toString('utf8'))));
};

describe('opening an encrypted repository', () => {
  it('takes the passphrase, however its accents were typed', async () => {
    const storage = new MemoryStorage();
    const repository = await keep(createEncrypted(storage));
    await backup(repository, sampleBytes(3 * BLOCK, 1));
    expect(await verifyAll(await openWith(storage, PASSPHRASE.normalize('NFD')))).toHaveLength(1);
    expect(repository.encrypted).toBe(true);
  });

  it('tells a missing passphrase, a wrong one and one too many apart', async () => {
    const storage = new MemoryStorage();
    await keep(createEncrypted(storage));
    await expect(openWith(storage)).rejects.toMatchObject({ code: 'PASSPHRASE_REQUIRED' });
    for (const wrong of ['wrong', `${PASSPHRASE} `, PASSPHRASE.toUpperCase()])
      await expect(openWith(storage, wrong)).rejects.toMatchObject({ code: 'WRONG_PASSPHRASE' });
    await expect(openWith(storage, '')).rejects.toMatchObject({ code: 'USAGE' });
    const plain = new MemoryStorage();
    await keep(createMemoryRepository(plain));
    await expect(openWith(plain, PASSPHRASE)).rejects.toMatchObject({ code: 'REPOSITORY_NOT_ENCRYPTED' });
  });

  it('tells damage of a key object from a wrong passphrase, byte by byte', async () => {
    const storage = new MemoryStorage();
    await keep(createEncrypted(storage));
    dropSpares(storage);
    const name = keyName(storage);
    const whole = storage.objects.get(name)!;
    for (let at = 0; at < whole.length; at += 7) {
      const bytes = Buffer.from(whole);
      bytes[at]! ^= 0x01;
      storage.objects.set(name, bytes);
      const outcome = await openWith(storage, PASSPHRASE).then(
        () => 'opened',
        (error: { code: string; message: string }) => `${error.code} ${error.message.includes(name)}`,
      );
      // A changed blank or line end changes nothing.
      if (outcome !== 'opened') expect(outcome).toBe('REPOSITORY_DAMAGED true');
      else expect(JSON.parse(bytes.toString())).toEqual(JSON.parse(whole.toString()));
    }
    storage.objects.set(name, whole.subarray(0, 200));
    await expect(openWith(storage, PASSPHRASE)).rejects.toMatchObject({ code: 'REPOSITORY_DAMAGED' });
    storage.objects.delete(name);
    await expect(openWith(storage, PASSPHRASE)).rejects.toMatchObject({ code: 'REPOSITORY_DAMAGED' });
  });

  it('opens by another key object beside a damaged one', async () => {
    const storage = new MemoryStorage();
    const first = await keep(createEncrypted(storage));
    const name = keyName(storage);
    await first.core.storage.settle(name);
    await keep(openWith(storage, PASSPHRASE)).then((repository) => repository.addKey('second', 'safe'));
    dropSpares(storage);
    edit(storage, name, (text) => text.slice(1));
    const other = await openWith(storage, 'second');
    expect((await other.listKeys()).filter((key) => key.problem !== undefined)).toHaveLength(1);
    await expect(openWith(storage, 'third')).rejects.toMatchObject({ code: 'REPOSITORY_DAMAGED' });
  });

  it('refuses a configuration that was altered with a right check, or that took the encryption away', async () => {
    const storage = new MemoryStorage();
    const memory = new TestMemory();
    await keep(createEncrypted(storage));
    await openWith(storage, PASSPHRASE, memory);
    const whole = storage.objects.get(CONFIG)!;
    const plain = new MemoryStorage();
    await keep(createMemoryRepository(plain, { version: 2 }));
    const { checkOf } = await import('../../../../backend/src/repository/format/config.ts');
    const alter = (change: object): void => {
      const { check, ...fields } = { ...JSON.parse(whole.toString()), ...change };
      storage.objects.set(CONFIG, Buffer.from(JSON.stringify({ ...fields, check: checkOf(fields) })));
    };
    alter({ blockSize: 128 * 1024 });
    await expect(openWith(storage, PASSPHRASE)).rejects.toMatchObject({
      code: 'REPOSITORY_DAMAGED',
      data: { path: CONFIG },
    });
    alter({ encryption: null });
    // Who gives a passphrase is told, and this machine knows without one.
    await expect(openWith(storage, PASSPHRASE)).rejects.toMatchObject({ code: 'REPOSITORY_NOT_ENCRYPTED' });
    await expect(openWith(storage, undefined, memory)).rejects.toMatchObject({ code: 'REPOSITORY_DAMAGED' });
  });

  it('does not open with the keys of another repository', async () => {
    const [one, two] = [new MemoryStorage(), new MemoryStorage()];
    await keep(createEncrypted(one));
    await keep(createEncrypted(two));
    for (const storage of [one, two]) dropSpares(storage);
    two.objects.delete(keyName(two));
    two.objects.set(keyName(one), one.objects.get(keyName(one))!);
    await expect(openWith(two, PASSPHRASE)).rejects.toMatchObject({ code: 'REPOSITORY_DAMAGED' });
  });

  it('refuses a key object that would exhaust the machine', async () => {
    const storage = new MemoryStorage();
    await keep(createEncrypted(storage));
    dropSpares(storage);
    const { checkOf } = await import('../../../../backend/src/repository/format/config.ts');
    for (const cost of [{ n: 2 ** 40 }, { n: 2 ** 21 }, { p: 2 ** 12 }, { n: 1000 }, { n: 1 }]) {
      const { check, ...fields } = JSON.parse(storage.objects.get(keyName(storage))!.toString());
      Object.assign(fields.kdf, { n: 2 ** 17, r: 8, p: 1 }, cost);
      const copy = new MemoryStorage(new Map(storage.objects));
      copy.objects.set(keyName(storage), Buffer.from(JSON.stringify({ ...fields, check: checkOf(fields) })));
      await expect(openWith(copy, PASSPHRASE)).rejects.toMatchObject({ code: 'REPOSITORY_DAMAGED' });
    }
  });

  it('creates no version-1 repository with a passphrase', async () => {
    const options = { version: 1 as const, passphrase: 'x', kdfCost: CHEAP };
    await expect(createMemoryRepository(new MemoryStorage(), options)).rejects.toMatchObject({ code: 'NOT_SUPPORTED' });
  });
});

describe('keys of a repository', () => {
  it('are added, listed and removed, never the one in use', async () => {
    const storage = new MemoryStorage();
    const repository = await keep(createEncrypted(storage));
    const [first] = await repository.listKeys();
    expect(first).toMatchObject({ current: true, label: expect.stringContaining('when the repository was created') });
    const added = await repository.addKey('second', 'in the safe');
    expect(await repository.listKeys()).toHaveLength(2);
    await expect(repository.removeKey(first!.id)).rejects.toMatchObject({ code: 'KEY_IN_USE' });
    await expect(repository.removeKey('ffff')).rejects.toMatchObject({ code: 'KEY_NOT_FOUND' });
    const { id } = await backup(repository, sampleBytes(3 * BLOCK, 1));

    const second = await openWith(storage, 'second');
    expect(await verifyAll(second)).toEqual([id]);
    expect((await second.listKeys()).find((key) => key.current)).toMatchObject({ id: added.id, label: 'in the safe' });
    expect(await second.removeKey(first!.id.slice(0, 8))).toBe(first!.id);
    await expect(openWith(storage, PASSPHRASE)).rejects.toMatchObject({ code: 'WRONG_PASSPHRASE' });
    await expect(second.removeKey(added.id)).rejects.toMatchObject({ code: 'KEY_IN_USE' });
    // The one that was opened with a key that has gone since cannot take the last one away.
    await expect(repository.removeKey(added.id)).rejects.toMatchObject({ code: 'KEY_IN_USE' });
    expect(await verifyAll(await openWith(storage, 'second'))).toEqual([id]);
  });

  it('are not added twice for one passphrase, however it was typed; one whose key object is damaged may be added again', async () => {
    const storage = new MemoryStorage();
    const repository = await keep(createEncrypted(storage));
    const added = await repository.addKey('sécond', 'in the safe');
    const [first] = (await repository.listKeys()).filter((key) => key.current);
    const names = [...storage.objects.keys()].sort();
    for (const [passphrase, id] of [
      [PASSPHRASE, first!.id],
      [PASSPHRASE.normalize('NFD'), first!.id],
      ['sécond', added.id],
      ['sécond'.normalize('NFD'), added.id],
    ] as const)
      await expect(repository.addKey(passphrase, 'again')).rejects.toMatchObject({
        code: 'KEY_EXISTS',
        exitCode: 2,
        data: { id },
      });
    // Also by who opened it with the other one.
    await expect((await openWith(storage, 'sécond')).addKey(PASSPHRASE, '')).rejects.toMatchObject({
      code: 'KEY_EXISTS',
    });
    expect([...storage.objects.keys()].sort()).toEqual(names);
    await repository.addKey('second', 'another one');
    edit(storage, `keys/${added.id}`, (text) => text.slice(1));
    expect((await repository.addKey('sécond', 'anew')).label).toBe('anew');
    // One that was removed may come back.
    await repository.removeKey(added.id);
    await expect(repository.addKey('', '')).rejects.toMatchObject({ code: 'USAGE' });
  });

  it('are not both removed by two who trust in each other', async () => {
    const storage = new MemoryStorage();
    const world = new World();
    const first = await keep(createEncrypted(storage));
    const { id } = await first.addKey('second', '');
    const [other] = (await first.listKeys()).filter((key) => key.id !== id);
    const process = (name: string, passphrase: string) =>
      keep(openMemory(storage, world.process(name), { passphrase, kdfCost: CHEAP }));
    const one = await process('one', PASSPHRASE);
    const two = await process('two', 'second');
    const outcomes = await Promise.allSettled([one.removeKey(id), two.removeKey(other!.id)]);
    expect(outcomes.some((outcome) => outcome.status === 'rejected')).toBe(true);
    expect([...storage.objects.keys()].filter((name) => name.startsWith('keys/')).length).toBeGreaterThan(0);
  });

  it('do not exist without encryption', async () => {
    const repository = await keep(createMemoryRepository(new MemoryStorage()));
    await expect(repository.listKeys()).rejects.toMatchObject({ code: 'REPOSITORY_NOT_ENCRYPTED' });
    await expect(repository.addKey('x', '')).rejects.toMatchObject({ code: 'REPOSITORY_NOT_ENCRYPTED' });
  });
});

describe('one sealed message', () => {
  const key = Buffer.alloc(32, 1);
  const nonce = Buffer.alloc(12);

  it('opens with the same key, nonce and authenticated data only', () => {
    const sealed = seal(key, nonce, Buffer.from('text'), Buffer.from('place'));
    expect(open(key, nonce, sealed, Buffer.from('place'))?.toString()).toBe('text');
    expect(open(Buffer.alloc(32, 2), nonce, sealed, Buffer.from('place'))).toBeNull();
    expect(open(key, Buffer.alloc(12, 1), sealed, Buffer.from('place'))).toBeNull();
    expect(open(key, nonce, sealed, Buffer.from('elsewhere'))).toBeNull();
    expect(open(key, nonce, sealed.subarray(1), Buffer.from('place'))).toBeNull();
    expect(open(key, nonce, Buffer.alloc(3), Buffer.from('place'))).toBeNull();
  });

  it('hides names', () => {
    const keys = { encryptionKey: Buffer.alloc(32, 1), idKey: Buffer.alloc(32, 2) };
    expect(hiddenName(keys, 'web01')).toMatch(/^[0-9a-f]{32}$/);
    expect(hiddenName(keys, 'web01')).not.toBe(hiddenName({ ...keys, idKey: Buffer.alloc(32, 3) }, 'web01'));
  });
});

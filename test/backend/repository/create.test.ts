/** Creating a repository, interrupted anywhere and begun again: it is there whole, or creating it again makes it. */
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { createRepository } from '../../../backend/src/operations/open-repository.ts';
import { initRepository } from '../../../backend/src/repository/open.ts';
import type { StoredRepository } from '../../../backend/src/repository/repository.ts';
import { FolderStorage, isVacant } from '../../../backend/src/repository/storage/folder/folder.ts';
import type { Storage } from '../../../backend/src/repository/storage/storage.ts';
import { isHvError } from '../../../backend/src/support/errors.ts';
import { seeded } from '../../fuzz/random.ts';
import { type FaultKind, type FaultyProcess, faultyProcess, soundProcess } from '../../torture/faults.ts';
import { errno, ModelDisk } from '../../torture/model-disk.ts';
import { ModelFiles } from '../../torture/model-files.ts';
import { ScheduledStorage, type StorageWorld } from '../../torture/scheduled-storage.ts';
import { Scheduler } from '../../torture/scheduler.ts';
import { BLOCK, backup, openMemory, sampleBytes, verifyAll } from './support/model.ts';

const CHEAP = { n: 2, r: 1, p: 1 };
const LOCATION = '/repository';
const scratch = mkdtempSync(join(tmpdir(), 'hvb-create-'));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

const open = (storage: Storage, passphrase?: string): Promise<StoredRepository> =>
  openMemory(storage, undefined, { passphrase, kdfCost: CHEAP });

function world(seed: number, hardLinks: boolean) {
  const random = seeded(seed);
  const disk = new ModelDisk();
  const files = (faulty: FaultyProcess) =>
    new ModelFiles(disk, random, async (operation, filePath, file) => {
      if (operation === 'link' && !hardLinks) throw errno('ENOTSUP', 'link', filePath);
      return faulty.gate(operation, filePath, file);
    });
  /** As operations do it. @returns whether the fault had its place */
  const create = async (passphrase: string | undefined, kind: FaultKind, at: number): Promise<boolean> => {
    const faulty = faultyProcess(kind, at, disk, random);
    const storage = new FolderStorage(LOCATION, files(faulty));
    await initRepository(storage, { blockSize: BLOCK, passphrase, kdfCost: CHEAP }).catch((error) => {
      if (!faulty.dead && !isHvError(error)) throw error;
    });
    disk.capacity = Number.POSITIVE_INFINITY;
    if (faulty.dead && kind === 'power cut') disk.powerCut(random);
    // Nothing tells that the process is dead, in which this one goes on: what it reserved is old by now.
    disk.now += 11 * 60_000;
    return faulty.fired > 0;
  };
  const sound = () => new FolderStorage(LOCATION, files(soundProcess()));
  const names = () => [...disk.files()].map(([name]) => name.slice(LOCATION.length));
  return {
    create,
    sound,
    names,
    powerCut: () => disk.powerCut(random),
    isVacant: () => isVacant(LOCATION, files(soundProcess())),
  };
}

/** The repository opens with its passphrase alone, lists one key that is right, and takes a backup. */
async function requireWhole(storage: Storage, passphrase: string | undefined, others: string[]): Promise<void> {
  for (const other of others)
    await expect(open(storage, other)).rejects.toMatchObject({
      code: passphrase === undefined ? 'REPOSITORY_NOT_ENCRYPTED' : 'WRONG_PASSPHRASE',
    });
  const repository = await open(storage, passphrase);
  if (passphrase !== undefined) {
    const keys = await repository.listKeys();
    expect(keys.filter(({ problem }) => problem === undefined)).toMatchObject([{ current: true }]);
  }
  const { id } = await backup(repository, sampleBytes(2 * BLOCK, 1));
  expect(await verifyAll(repository)).toEqual([id]);
  expect((await repository.check()).damages).toEqual([]);
  await repository.close();
}

describe.each([true, false])('creating an encrypted repository, hard links: %s', (hardLinks) => {
  const kinds: FaultKind[] = ['kill', 'power cut', 'transient I/O error', 'disk full', 'failed flush', 'append-only'];
  it.each(kinds)('with a fault (%s) at any operation, it is whole or can be created again', async (kind) => {
    let [whole, again] = [0, 0];
    // More than the operations there are.
    for (let at = 1; at <= 60; at++) {
      const w = world(at * 31, hardLinks);
      if (!(await w.create('first', kind, at))) continue;
      const exists = w.names().includes('hvbackup-repository.json');
      if (exists) {
        whole += 1;
        await expect(initRepository(w.sound(), { passphrase: 'second', kdfCost: CHEAP })).rejects.toMatchObject({
          code: 'REPOSITORY_EXISTS',
        });
        // Who was told that it is there may rely on it.
        w.powerCut();
        await requireWhole(w.sound(), 'first', ['second']);
      } else {
        again += 1;
        expect(await w.isVacant()).toBe(true);
        // Also without a passphrase: then nothing of the other is left in its way.
        const passphrase = at % 3 === 0 ? undefined : 'second';
        await initRepository(w.sound(), { blockSize: BLOCK, passphrase, kdfCost: CHEAP });
        await requireWhole(w.sound(), passphrase, ['first']);
      }
      expect(w.names().filter((name) => name.startsWith('keys/'))).toHaveLength(exists || at % 3 !== 0 ? 1 : 0);
    }
    // Nothing is removed but temporary files: to be append-only is no fault.
    if (kind !== 'append-only') expect(whole + again).toBeGreaterThan(2);
  });

  it('interrupted twice, it is whole or can be created again', async () => {
    for (const kind of ['kill', 'power cut'] as const)
      for (let first = 1; first < 40; first += 5)
        for (let second = 1; second < 40; second += 2) {
          const w = world(first * 1000 + second, hardLinks);
          await w.create('first', kind, first);
          if (!w.names().includes('hvbackup-repository.json')) await w.create('second', kind, second);
          if (w.names().includes('hvbackup-repository.json')) continue;
          expect(await w.isVacant()).toBe(true);
          await initRepository(w.sound(), { blockSize: BLOCK, passphrase: 'third', kdfCost: CHEAP });
          expect(w.names().filter((name) => name.startsWith('keys/'))).toHaveLength(1);
          if (second % 5 === 1) await requireWhole(w.sound(), 'third', ['first', 'second']);
        }
  });

  it('interrupted while it puts the key of another aside, it is whole, and the other can be removed', async () => {
    let left = 0;
    for (let at = 1; ; at++) {
      const w = world(at, hardLinks);
      let first = 1;
      // Up to where the key is there and the configuration is not.
      while (!w.names().some((name) => name.startsWith('keys/'))) await w.create('first', 'kill', first++);
      if (w.names().includes('hvbackup-repository.json')) continue;
      if (!(await w.create('second', 'kill', at))) break;
      if (!w.names().includes('hvbackup-repository.json')) continue;
      await requireWhole(w.sound(), 'second', []);
      await expect(open(w.sound(), 'first')).rejects.toThrow(/passphrase/);
      const repository = await open(w.sound(), 'second');
      for (const { id, problem } of await repository.listKeys()) {
        if (problem === undefined) continue;
        left += 1;
        await repository.removeKey(id);
      }
      await repository.close();
      expect(w.names().filter((name) => name.startsWith('keys/'))).toHaveLength(1);
    }
    expect(left).toBeGreaterThan(0);
  });
});

describe('creating a repository', () => {
  it('by many at once gives one, with one key, whoever is quicker', async () => {
    for (let seed = 1; seed <= 60; seed++) {
      const random = seeded(seed);
      const scheduler = new Scheduler(random);
      const objects = new Map<string, Buffer>();
      const arriving = new Set<string>();
      const model: StorageWorld = {
        objects,
        arriving,
        leaving: new Set(),
        random,
        turn: (actor) => scheduler.turn(actor),
      };
      const won: string[] = [];
      const creators = ['one', 'two', 'three'].map(async (name) => {
        const storage = new ScheduledStorage(model, name);
        await initRepository(storage, { blockSize: BLOCK, passphrase: name, kdfCost: CHEAP }).then(
          () => won.push(name),
          (error) => expect(error).toMatchObject({ code: 'REPOSITORY_EXISTS' }),
        );
      });
      await scheduler.run(creators, () => undefined);
      await Promise.all(creators);
      expect(won).toHaveLength(1);
      const losers = ['one', 'two', 'three'].filter((name) => name !== won[0]);
      model.turn = async () => undefined;
      await requireWhole(new ScheduledStorage(model, 'reader'), won[0], losers);
      expect([...objects.keys()].filter((name) => name.startsWith('keys/'))).toHaveLength(1);
    }
  });

  it('goes on where one was interrupted, and keeps the key it found; a folder with anything else is refused', async () => {
    const location = join(scratch, 'one');
    const stray = '0123456789abcdef0123456789abcdef';
    mkdirSync(join(location, 'keys'), { recursive: true });
    mkdirSync(join(location, 'tmp'));
    writeFileSync(join(location, 'keys', stray), '{}');
    writeFileSync(join(location, 'tmp', `name-${'a'.repeat(64)}`), '');
    const options = { stateDirectory: join(scratch, 'state') };
    await (await createRepository(location, options)).close();
    expect(readdirSync(join(location, 'keys'))).toEqual([]);
    expect(readdirSync(join(location, 'quarantine', 'keys'))).toEqual([stray]);
    for (const name of ['keys/mine.txt', 'packs/aa', 'tmp/other'])
      await expect(
        (async () => {
          const other = join(scratch, name.replace('/', '-'));
          mkdirSync(join(other, name.split('/')[0]!), { recursive: true });
          writeFileSync(join(other, name), '');
          return createRepository(other, options);
        })(),
      ).rejects.toMatchObject({ code: 'FILE_EXISTS' });
  });
});

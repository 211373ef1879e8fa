/**
 * An object that the storage cannot read any more (a bad sector) is damage of that object, in every command; a share
 * that is gone is not.
 */
import { afterEach, describe, expect, it } from 'vitest';
import type { Damage } from '../../../../backend/src/repository/port/damage.ts';
import type { StoredRepository } from '../../../../backend/src/repository/repository.ts';
import { HvError } from '../../../../backend/src/support/errors.ts';
import { CHEAP, PASSPHRASE } from '../support/encrypted.ts';
import { FaultStorage, MemoryStorage } from '../support/memory-storage.ts';
import {
  BLOCK,
  backup,
  createMemoryRepository,
  openMemory,
  readAll,
  sampleBytes,
  verifyAll,
} from '../support/model.ts';

const closing: StoredRepository[] = [];
afterEach(async () => {
  for (const one of closing.splice(0)) await one.close();
});

const bad = (isBad: (name: string, operation: string) => boolean) => (operation: string, name: string) =>
  /^(get|read)$/.test(operation) && isBad(name, operation) ? new HvError('IO_ERROR', `bad sector: ${name}`) : undefined;

describe.each([
  ['plain', {}],
  ['encrypted', { passphrase: PASSPHRASE, kdfCost: CHEAP }],
])('in a repository that is %s', (_, options) => {
  const disk = sampleBytes(24 * BLOCK, 1);

  async function fixture() {
    const storage = new MemoryStorage();
    await (await createMemoryRepository(storage, options)).close();
    const connect = async (fail?: (operation: string, name: string) => Error | undefined) => {
      const repository = await openMemory(new FaultStorage(storage, { fail }), undefined, options);
      closing.push(repository);
      return repository;
    };
    const first = await backup(await connect(), disk);
    const packs = (packClass: number) =>
      [...storage.objects]
        .filter(([name, bytes]) => name.startsWith('packs/') && bytes.readUInt16LE(10) === packClass)
        .map(([name]) => name);
    return { storage, connect, first, packs };
  }

  it('a pack is named by verify, with what it costs, and verify goes on; export reads around it', async () => {
    const { connect, first, packs } = await fixture();
    const other = sampleBytes(8 * BLOCK, 2);
    const before = new Set(packs(0));
    const second = await backup(await connect(), other);
    const [pack] = packs(0).filter((name) => !before.has(name));
    const repository = await connect(bad((name) => name === pack));
    const damages: Damage[] = [];
    const losses: number[] = [];
    await repository.verify([first.ref, second.ref], {
      onDamage: (damage) => damages.push(damage),
      onLoss: (content, offset, length) => losses.push(content, offset, length),
    });
    expect(damages).toHaveLength(8);
    for (const { path, message } of damages)
      expect([path, message]).toEqual([pack, expect.stringContaining('bad sector')]);
    expect(losses).toEqual([1, 0, 8 * BLOCK]);
    expect((await readAll(repository, first.ref)).equals(disk)).toBe(true);
    await expect(readAll(repository, second.ref)).rejects.toMatchObject({ code: 'REPOSITORY_DAMAGED' });
    const reader = await repository.openContent(second.ref);
    let holes = 0;
    for await (const _ of reader.stream({ onDamage: (_damage, _offset, length) => (holes += length) }));
    expect(holes).toBe(8 * BLOCK);
  });

  it('what lies in such a pack is stored again by the next full backup, in the second try at the latest', async () => {
    const { connect, packs } = await fixture();
    const lost = packs(0)[0]!;
    const fail = bad((name) => name === lost);
    // The pack is asked for at the end: what it holds is known to be damaged from then on.
    await expect(backup(await connect(fail), disk)).rejects.toMatchObject({
      code: 'REPOSITORY_DAMAGED',
      data: { storesAnew: true },
    });
    const { stats } = await backup(await connect(fail), disk);
    expect(stats.newBlocks).toBe(24);
    expect(await verifyAll(await connect(fail))).toHaveLength(2);
  });

  it('a pack of block maps, a manifest, an index: list, check and prune go on', async () => {
    const { storage, connect, packs, first } = await fixture();
    const other = sampleBytes(8 * BLOCK, 2);
    const second = await backup(await connect(), other);
    const manifest = [...storage.objects.keys()].find(
      (name) => name.startsWith('manifests/') && name.endsWith(second.id),
    )!;
    const ill = await connect(bad((name) => name === manifest));
    const problems: Damage[] = [];
    expect(
      (await ill.listManifests(undefined, { onDamage: (damage) => problems.push(damage) })).map(({ id }) => id),
    ).toEqual([first.id]);
    expect(problems).toMatchObject([{ path: manifest, message: expect.stringContaining('bad sector') }]);
    const index = [...storage.objects.keys()].find((name) => name.startsWith('indexes/'))!;
    for (const broken of [packs(1)[0]!, manifest, index]) {
      const repository = await connect(bad((name) => name === broken));
      const { damages } = await repository.check();
      expect(damages.map(({ path }) => path)).toContain(broken);
      for (const { message } of damages) expect(message).not.toContain('undefined');
      await expect((await connect()).check()).resolves.toMatchObject({ damages: [] });
    }
  });

  it('a storage that is gone is an error, and nothing is called damaged', async () => {
    const { storage, connect, first } = await fixture();
    let gone = false;
    const repository = await connect((operation) =>
      gone && operation !== 'list' ? new HvError('IO_ERROR', 'the share is gone') : undefined,
    );
    await repository.listManifests();
    gone = true;
    await expect(repository.verify([first.ref], {})).rejects.toMatchObject({ code: 'IO_ERROR' });
    await expect(readAll(repository, first.ref)).rejects.toMatchObject({ code: 'IO_ERROR' });
    expect([...storage.objects.keys()].filter((name) => name.startsWith('damaged/'))).toEqual([]);
  });
});

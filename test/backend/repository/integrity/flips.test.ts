/**
 * One bit flips in any kind of object, field by field, in a plain and in an encrypted repository: it is named, nothing
 * wrong is ever restored, and what no restore point needs keeps nobody from anything.
 */
import { rm } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { heldPoints, setHold } from '../../../../backend/src/operations/points/holds.ts';
import { prune, unpublish } from '../../../../backend/src/operations/points/removal.ts';
import { packName } from '../../../../backend/src/repository/format/names.ts';
import { initRepository } from '../../../../backend/src/repository/open.ts';
import type { Damage } from '../../../../backend/src/repository/port/damage.ts';
import type { StoredRepository } from '../../../../backend/src/repository/repository.ts';
import { isHvError } from '../../../../backend/src/support/errors.ts';
import { makeScratch } from '../../support/scratch.ts';
import { CHEAP } from '../support/encrypted.ts';
import { type FaultStorage, MemoryStorage } from '../support/memory-storage.ts';
import { BLOCK, backup, GROUP, openMemory, randomSource, readAll, sampleBytes, sha256 } from '../support/model.ts';
import { World } from '../support/process.ts';

const CHAIN = `chains/${GROUP}/00000001`;
const JOB = `jobs/${GROUP}/01JD9QK4T4W6QY3Z8B7N5M2XRA/1-started`;
/** Objects that no restore point needs, or that can be made again. */
const DISPENSABLE = /^(indexes|sessions|marks|damaged|chains|jobs|holds|removed)\//;

/** Points of the model: what must be listed and how it reads. */
interface Model {
  storage: MemoryStorage;
  world: World;
  passphrase: string | undefined;
  hashes: Map<string, string>;
  held: string;
  released: string;
  /** Names of the packs that are not about to be deleted. */
  needed: Set<string>;
}

async function prepared(passphrase: string | undefined): Promise<Model> {
  const storage = new MemoryStorage();
  const world = new World();
  await initRepository(storage, { blockSize: BLOCK, passphrase, kdfCost: CHEAP, environment: world.process() });
  const hashes = new Map<string, string>();
  const connect = (through: MemoryStorage | FaultStorage = storage) => open({ storage, world, passphrase }, through);
  const repository = await connect();
  const disk = sampleBytes(6 * BLOCK, 1);
  const full = await backup(repository, disk);
  hashes.set(full.id, sha256(disk));
  // One page of a block: a delta.
  disk.write('changed', 3 * BLOCK);
  const next = await backup(repository, disk, { base: full.ref, indices: [3] });
  hashes.set(next.id, sha256(disk));
  const other = sampleBytes(3 * BLOCK, 2);
  hashes.set((await backup(repository, other, { group: 'other-vm' })).id, sha256(other));
  await repository.records.put(CHAIN, { pointId: next.id });
  await repository.records.put(JOB, { jobId: '1' });
  await setHold(repository.records, full.id, true);
  await setHold(repository.records, next.id, true);
  await setHold(repository.records, next.id, false);
  if (passphrase !== undefined) await repository.addKey('another', 'another');
  // Removed while a writer is at work: a mark that waits for it.
  const gone = await backup(repository, sampleBytes(4 * BLOCK, 3));
  const writer = await connect();
  await writer.beginSession();
  await repository.removeManifest(gone.id);
  await repository.prune();
  // One record that was found damaged, and is fine.
  const [pack] = repository.core.catalog.packs();
  const id = storage.objects.get(packName(pack!.id))!.toString('hex', 96 + 20, 96 + 52);
  const at = new Date(world.time).toISOString();
  const damage = { pack: pack!.id, offset: 96, id, message: 'test', at };
  await repository.core.documents.put(`damaged/${pack!.id}-00000060`, damage);
  const needed = new Set(repository.core.catalog.packs().map(({ id }) => packName(id)));
  await repository.close();
  return { storage, world, passphrase, hashes, held: full.id, released: next.id, needed };
}

const open = (
  { world, passphrase }: Pick<Model, 'storage' | 'world' | 'passphrase'>,
  storage: MemoryStorage | FaultStorage,
): Promise<StoredRepository> => openMemory(storage, world.process(), { passphrase, kdfCost: CHEAP });

/** Where the fields of an object are, by what they are. */
function places(name: string, bytes: Buffer, random: () => number): Map<string, number> {
  const found = new Map<string, number>();
  const add = (what: string, at: number) => at >= 0 && at < bytes.length && found.set(what, at);
  if (name.startsWith('packs/')) {
    for (const at of [0, 8, 10, 12, 28, 44, 60, 92]) add(`header ${at}`, at);
    for (const at of [0, 4, 5, 8, 12, 16, 20, 52, 92]) add(`record ${at}`, 96 + at);
    add('page list', 192);
    add('page list, end', 192 + 31);
    const stored = bytes.readUInt32LE(96 + 16);
    add('payload', 192 + Math.floor(stored / 2));
    add('payload, end', 192 + stored - 1);
    const table = Number(bytes.readBigUInt64LE(bytes.length - 56));
    for (const at of [0, 32, 36, 40, 44, 45]) add(`table ${at}`, table + at);
    for (const at of [0, 8, 16, 20, 24, 60]) add(`trailer ${at}`, bytes.length - 64 + at);
  } else {
    for (const at of [0, 8, 9, 10, 12, 16, 20, 36, 44, 48]) add(`head ${at}`, at);
    for (let i = 0; i < 4; i++) add(`body ${i}`, Math.floor(random() * bytes.length));
    for (const at of [33, 32, 1]) add(`end -${at}`, bytes.length - at);
  }
  return found;
}

/** All objects of a kind; of packs, those that are needed: one of nodes, one of blocks, and one with a delta. */
function chosen({ storage, needed }: Model, kind: string): [string, Buffer][] {
  const found = [...storage.objects].filter(([name]) => name.startsWith(kind));
  if (kind !== 'packs/') return found;
  const what = (bytes: Buffer): string => `${bytes.readUInt16LE(10)} ${bytes.readUInt32LE(bytes.length - 44) > 0}`;
  const kinds = new Map(found.filter(([name]) => needed.has(name)).map((pack) => [what(pack[1]), pack]));
  return [...kinds.values()];
}

/** A key object or the configuration is the same when a blank or the line end differs. */
const sameJson = (a: Buffer, b: Buffer): boolean => {
  try {
    return JSON.stringify(JSON.parse(a.toString())) === JSON.stringify(JSON.parse(b.toString()));
  } catch {
    return false;
  }
};

/** Uses everything there is. @returns what was found damaged; null when it does not open */
async function use(model: Model, storage: MemoryStorage, name: string): Promise<Damage[] | null> {
  const found: Damage[] = [];
  const named = (error: unknown): void => {
    if (!isHvError(error, 'REPOSITORY_DAMAGED', 'NOT_SUPPORTED', 'REPOSITORY_VERSION')) throw error;
    found.push({ object: '', path: String(error.data?.path), message: error.message });
  };
  let repository: StoredRepository;
  try {
    repository = await open(model, storage);
  } catch (error) {
    named(error);
    return null;
  }
  const dispensable = DISPENSABLE.test(name);
  try {
    const { records } = repository;
    const check = await repository.check();
    found.push(...check.damages);
    for (const { id, problem } of model.passphrase === undefined ? [] : await repository.listKeys())
      if (problem !== undefined) found.push({ object: 'key', path: `keys/${id}`, message: problem });
    if (dispensable) expect(check.damages.map(({ path, message }) => `${path}: ${message}`).join()).toContain(name);
    const points = await repository.listManifests(undefined, { onDamage: (damage) => found.push(damage) });
    const lost = name.startsWith('manifests/') ? 1 : 0;
    expect(points.length).toBeGreaterThanOrEqual(model.hashes.size - lost);
    expect(points.length).toBeLessThanOrEqual(model.hashes.size);
    const contents = points.flatMap((point) => point.contents);
    await repository.verify(contents, { onDamage: (damage) => found.push(damage) }).catch(named);
    for (const { id, contents: refs } of points) {
      const read = readAll(repository, refs[0]!);
      const hash = await read.then(sha256, (error) => (dispensable ? Promise.reject(error) : named(error)));
      if (hash !== undefined) expect(hash).toBe(model.hashes.get(id));
    }
    for (const path of [CHAIN, JOB]) await records.get(path).catch(named);

    // A hold that cannot be read holds; the others are as they were.
    const held = await heldPoints(records);
    const unreadable = name === `holds/${model.released}/00000002`;
    expect(held).toEqual(new Set(unreadable ? [model.held, model.released] : [model.held]));
    await expect(unpublish(repository, model.held, 'test')).rejects.toThrow();
    if (unreadable) {
      await expect(unpublish(repository, model.released, 'test')).rejects.toMatchObject({ code: 'POINT_HELD' });
      expect(await setHold(records, model.released, false)).toBe(true);
      expect([...(await heldPoints(records))]).toEqual([model.held]);
    }

    // Whatever is lost: the next backup works, and where it is a full all of it is there.
    const disk = sampleBytes(6 * BLOCK, 1);
    const { id, ref } = await backup(repository, disk);
    expect(sha256(await readAll(repository, ref))).toBe(sha256(disk));
    if (!name.startsWith('manifests/')) await unpublish(repository, model.released, 'test');
    const pruned = () => prune(repository, {}).catch((error) => (dispensable ? Promise.reject(error) : named(error)));
    if (name.startsWith('removed/')) {
      // Without its tombstone a restore point is gone for no reason that this machine knows.
      await pruned().catch(async (error) => {
        expect(error).toMatchObject({ code: 'REPOSITORY_DOUBTFUL' });
        await repository.acceptUnexpectedPoints();
        await pruned();
      });
    } else await pruned();
    const repaired = await repository.repair();
    if (dispensable && !/^(chains|jobs|holds|removed)/.test(name)) {
      expect(repaired.damages).toEqual([]);
      expect((await repository.check()).damages).toEqual([]);
    }
    expect(sha256(await readAll(repository, ref))).toBe(sha256(disk));
    expect(id).not.toBe('');
    return found;
  } finally {
    await repository.close();
  }
}

describe.each([
  ['plain', undefined],
  ['encrypted', 'correct horse'],
])('a flipped bit in a repository that is %s', (_, passphrase) => {
  let model: Model;
  const before = process.env.HVBACKUP_STATE_DIR;
  beforeAll(async () => {
    process.env.HVBACKUP_STATE_DIR = await makeScratch('flips');
    model = await prepared(passphrase);
  });
  afterAll(async () => {
    await rm(process.env.HVBACKUP_STATE_DIR!, { recursive: true, force: true });
    if (before === undefined) delete process.env.HVBACKUP_STATE_DIR;
    else process.env.HVBACKUP_STATE_DIR = before;
  });
  const copy = () =>
    new MemoryStorage(new Map([...model.storage.objects].map(([name, data]) => [name, Buffer.from(data)])));

  it('finds every kind of object there', () => {
    const kinds = new Set([...model.storage.objects.keys()].map((name) => name.split('/')[0]!));
    const keys = passphrase === undefined ? [] : ['keys'];
    const documents = ['manifests', 'ledger', 'removed', 'holds', 'chains', 'jobs', 'sessions', 'marks', 'damaged'];
    expect(kinds).toEqual(new Set(['hvbackup-repository.json', 'spare', 'packs', 'indexes', ...documents, ...keys]));
  });

  const contents = ['hvbackup', 'spare/', 'keys/', 'packs/', 'indexes/', 'manifests/', 'ledger/', 'removed/'];
  it.each([...contents, 'holds/', 'chains/', 'jobs/', 'sessions/', 'marks/', 'damaged/'])(
    'is named, and does no harm beyond its object: %s',
    async (kind) => {
      const random = randomSource(17);
      let flipped = 0;
      for (const [name, bytes] of chosen(model, kind)) {
        for (const [what, at] of places(name, bytes, random)) {
          const storage = copy();
          const damaged = storage.objects.get(name)!;
          damaged[at]! ^= 1 << Math.floor(random() * 8);
          const where = `${name}, ${what}`;
          flipped += 1;
          try {
            const found = await use(model, storage, name);
            // The second copies of configuration and keys open it all the same.
            expect(found).not.toBeNull();
            if (!/^(hvbackup|keys|spare)/.test(name) || !sameJson(bytes, damaged)) {
              const told = found!.map(({ path, message }) => `${path}: ${message}`).join('\n');
              expect(told.includes(name) ? name : `not named: ${told}`).toBe(name);
            }
          } catch (error) {
            throw new Error(`${where}: ${(error as Error).stack}`, { cause: error });
          }
        }
      }
      expect(flipped).toBeGreaterThan(passphrase === undefined && kind === 'keys/' ? -1 : 5);
    },
    60_000,
  );
});

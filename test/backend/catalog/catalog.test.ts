/** The catalog is a hint: deleted, stale, foreign, corrupt or shared, it changes nothing but the time things take. */
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterAll, describe, expect, it } from 'vitest';
import {
  ENTRY_LENGTH,
  PAGE_ENTRIES,
  PAGE_LENGTH,
  sealPage,
} from '../../../backend/src/catalog/segments/segment-format.ts';
import { SqliteCatalog } from '../../../backend/src/catalog/sqlite-catalog.ts';
import { openStoredRepository } from '../../../backend/src/repository/open.ts';
import type { StoredRepository } from '../../../backend/src/repository/repository.ts';
import { FaultStorage, MemoryStorage } from '../repository/support/memory-storage.ts';
import {
  BLOCK,
  backup,
  createMemoryRepository,
  randomSource,
  readAll,
  sampleBytes,
  verifyAll,
} from '../repository/support/model.ts';
import { World } from '../repository/support/process.ts';

const scratch = mkdtempSync(join(tmpdir(), 'hvb-catalog-'));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));
let counter = 0;
const freshFile = (): string => join(scratch, `c${counter++}`, 'catalog.sqlite');

const openWith = (storage: FaultStorage | MemoryStorage, file: string | null): Promise<StoredRepository> =>
  openStoredRepository(storage, { catalog: (id) => new SqliteCatalog(file, id), workers: 0 });

/** A repository with three points and a warm catalog. */
async function fixture() {
  const storage = new MemoryStorage();
  await (await createMemoryRepository(storage)).close();
  const file = freshFile();
  const repository = await openWith(storage, file);
  const disk = sampleBytes(20 * BLOCK, 1);
  const points = [];
  for (let i = 0; i < 3; i++) {
    sampleBytes(BLOCK, 50 + i).copy(disk, i * BLOCK);
    points.push(await backup(repository, disk));
  }
  await repository.close();
  return { storage, file, points, disk: Buffer.from(disk) };
}

/** Wrong entries under right checksums: every second record begins 96 bytes later. */
function shiftOffsets(folder: string): void {
  for (const name of readdirSync(folder)) {
    const bytes = readFileSync(join(folder, name));
    const pages = Math.floor(bytes.length / PAGE_LENGTH);
    for (let number = 0; number < pages; number++) {
      const page = bytes.subarray(number * PAGE_LENGTH, (number + 1) * PAGE_LENGTH);
      const count = page.readUInt32LE(PAGE_ENTRIES * ENTRY_LENGTH);
      for (let at = 0; at < count * ENTRY_LENGTH; at += ENTRY_LENGTH)
        if (page[at + 28]! % 2 === 0) page.writeUInt32LE(page.readUInt32LE(at + 24) + 96, at + 24);
      sealPage(page, count, page.readUInt32LE(PAGE_LENGTH - 12), number);
    }
    writeFileSync(join(folder, name), bytes);
  }
}

describe('the catalog', () => {
  it('saves reading indexes and manifests again', async () => {
    const { storage, file } = await fixture();
    const warm = new FaultStorage(storage);
    const one = await openWith(warm, file);
    await one.listManifests();
    await one.stats();
    const cold = new FaultStorage(storage);
    const two = await openWith(cold, null);
    await two.listManifests();
    await two.stats();
    expect(warm.readBytes).toBeLessThan(1000);
    expect(cold.readBytes).toBeGreaterThan(warm.readBytes + 1000);
    await one.close();
    await two.close();
  });

  it.each(['garbage', 'foreign', 'emptied', 'old version', 'folder'])('that is %s is made anew', async (kind) => {
    const { storage, file, points } = await fixture();
    if (kind === 'garbage') writeFileSync(file, 'this is no database'.repeat(1000));
    if (kind === 'emptied') writeFileSync(file, '');
    if (kind === 'foreign' || kind === 'old version') {
      const database = new DatabaseSync(file);
      database.prepare("UPDATE meta SET value = ? WHERE key = 'identity'").run(kind);
      database.close();
    }
    if (kind === 'folder') {
      rmSync(file, { force: true });
      mkdirSync(file);
    }
    const repository = await openWith(storage, file);
    expect(await verifyAll(repository)).toEqual(points.map(({ id }) => id));
    await repository.close();
  });

  it('with wrong entries neither gives wrong bytes nor makes good records count as damaged', async () => {
    const { storage, file, points, disk } = await fixture();
    shiftOffsets(`${file}.records`);
    const repository = await openWith(storage, file);
    expect((await readAll(repository, points[2]!.ref)).equals(disk)).toBe(true);
    expect([...storage.objects.keys()].filter((name) => name.startsWith('damaged/'))).toEqual([]);
    await repository.close();
  });

  it('of a repository that went back in time does not make a backup rely on what is gone', async () => {
    const { storage, file, disk } = await fixture();
    const earlier = new MemoryStorage(new Map(storage.objects));
    const repository = await openWith(storage, file);
    const later = sampleBytes(30 * BLOCK, 9);
    await backup(repository, later);
    await repository.close();
    const back = await openWith(earlier, file);
    expect(await back.listManifests()).toHaveLength(3);
    const { stats, ref } = await backup(back, Buffer.concat([later, disk]));
    expect(stats.newBlocks).toBe(30);
    expect((await readAll(back, ref)).equals(Buffer.concat([later, disk]))).toBe(true);
    await back.close();
  });

  it('is held in memory where no file can be', async () => {
    const { storage, points } = await fixture();
    writeFileSync(join(scratch, 'a-file'), '');
    const repository = await openWith(storage, join(scratch, 'a-file', 'catalog.sqlite'));
    expect(await verifyAll(repository)).toHaveLength(points.length);
    await repository.close();
    expect(readdirSync(scratch)).toContain('a-file');
  });

  it('that disappears or breaks while it is used costs no more than time', async () => {
    const { storage, file, points, disk } = await fixture();
    const repository = await openWith(storage, file);
    await repository.stats();
    const other = new DatabaseSync(file);
    other.exec('DROP TABLE segments; DROP TABLE packs;');
    other.close();
    expect((await readAll(repository, points[2]!.ref)).equals(disk)).toBe(true);
    expect((await backup(repository, disk)).stats.newBlocks).toBe(0);
    await repository.close();
  });

  it.each([1, 2, 3, 4])('is shared by processes at work at once (seed %i)', async (seed) => {
    const random = randomSource(seed);
    const world = new World();
    const objects = new MemoryStorage();
    await (await createMemoryRepository(objects)).close();
    const file = freshFile();
    const before = async (): Promise<void> => {
      for (let i = Math.floor(random() * 4); i > 0; i--) await new Promise((resolve) => setImmediate(resolve));
    };
    const connect = () =>
      openStoredRepository(new FaultStorage(objects, { before }), {
        catalog: (id) => new SqliteCatalog(file, id),
        environment: world.process('one'),
        workers: 0,
      });
    const work = async (number: number): Promise<void> => {
      const repository = await connect();
      for (let i = 0; i < 4; i++) {
        await backup(repository, sampleBytes(6 * BLOCK, (number + i) % 5));
        if (i % 2 === 0) continue;
        const points = await repository.listManifests();
        await repository.removeManifest(points[Math.floor(random() * points.length)]!.id).catch(() => undefined);
        await repository.prune();
      }
      await repository.close();
    };
    await Promise.all([work(1), work(2), work(3)]);
    const last = await connect();
    await verifyAll(last);
    expect((await last.check()).damages).toEqual([]);
    await last.close();
  });
});

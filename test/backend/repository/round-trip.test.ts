import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { createRepository, openRepository } from '../../../backend/src/operations/open-repository.ts';
import type { ContentRef } from '../../../backend/src/repository/port/contents.ts';
import type { Repository } from '../../../backend/src/repository/port/repository.ts';
import { ulid } from '../../../backend/src/support/ulid.ts';
import { closedAfterEach } from './support/closing.ts';
import { MemoryStorage } from './support/memory-storage.ts';
import {
  BLOCK,
  backup,
  createMemoryRepository,
  GROUP,
  openMemory,
  randomSource,
  readAll,
  sampleBytes,
  storeDisk,
  verifyAll,
} from './support/model.ts';

const scratch = mkdtempSync(join(tmpdir(), 'hvb-repository-'));
const open = closedAfterEach<Repository>();
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

async function memory(blockSize = BLOCK): Promise<Repository> {
  const repository = await createMemoryRepository(new MemoryStorage(), { blockSize });
  open.push(repository);
  return repository;
}

describe('contents', () => {
  it.each([0, 1, 511, BLOCK - 1, BLOCK, BLOCK + 1, 5 * BLOCK + 777, 300 * BLOCK])(
    'of %i bytes come back',
    async (size) => {
      const repository = await memory();
      const disk = sampleBytes(size + 4, size).subarray(0, size);
      const { ref } = await backup(repository, disk);
      expect(ref.size).toBe(size);
      expect((await readAll(repository, ref)).equals(disk)).toBe(true);
    },
  );

  it('of zeros have no root and cost nothing', async () => {
    const repository = await memory();
    const { ref, stats } = await backup(repository, Buffer.alloc(7 * BLOCK + 1));
    expect(ref.root).toBeNull();
    expect(stats).toMatchObject({ newBytes: 0, dataBlocks: 0, zeroBlocks: 8 });
    const reader = await repository.openContent(ref);
    const extents = [];
    for await (const extent of reader.extents()) extents.push(extent);
    expect(extents).toEqual([{ offset: 0, length: ref.size, kind: 'zero' }]);
  });

  it('are stored once, whatever disk they come from', async () => {
    const repository = await memory();
    const disk = sampleBytes(20 * BLOCK, 1);
    const first = await backup(repository, disk);
    const second = await backup(repository, Buffer.concat([disk, Buffer.alloc(BLOCK), disk]));
    expect(first.stats.newBlocks).toBe(20);
    expect(second.stats).toMatchObject({ newBlocks: 0, dataBlocks: 40 });
    const twice = await backup(repository, Buffer.concat([sampleBytes(BLOCK, 99), sampleBytes(BLOCK, 99)]));
    expect(twice.stats.newBlocks).toBe(1);
  });

  it('keep incompressible data as it is', async () => {
    const repository = await memory();
    const { randomBytes } = await import('node:crypto');
    const disk = randomBytes(9 * BLOCK);
    const { ref, stats } = await backup(repository, disk);
    expect(stats.newBytes).toBeLessThan(disk.length * 1.01);
    expect((await readAll(repository, ref)).equals(disk)).toBe(true);
  });

  it('are read at any offset, with extents that say where data is', async () => {
    const repository = await memory();
    const disk = Buffer.alloc(700 * BLOCK + 100);
    const random = randomSource(5);
    for (let i = 0; i < 60; i++) sampleBytes(3000, i).copy(disk, Math.floor(random() * (disk.length - 3000)));
    const { ref } = await backup(repository, disk);
    const reader = await repository.openContent(ref);
    for (let i = 0; i < 200; i++) {
      const offset = Math.floor(random() * disk.length);
      const target = Buffer.alloc(Math.floor(random() * Math.min(disk.length - offset, 4 * BLOCK)));
      await reader.read(offset, target);
      expect(target.equals(disk.subarray(offset, offset + target.length))).toBe(true);
    }
    let at = 0;
    let previous = '';
    for await (const extent of reader.extents()) {
      expect(extent.offset).toBe(at);
      expect(extent.kind).not.toBe(previous);
      previous = extent.kind;
      if (extent.kind === 'zero') expect(disk.subarray(at, at + extent.length).every((byte) => byte === 0)).toBe(true);
      at += extent.length;
    }
    expect(at).toBe(disk.length);
    await expect(reader.read(disk.length - 1, Buffer.alloc(2))).rejects.toMatchObject({ code: 'DISK_OUT_OF_RANGE' });
  });
});

describe('incremental contents', () => {
  it('match a plain-array model through random rewrites, resizes and zeroing', async () => {
    const storage = new MemoryStorage();
    const repository = await createMemoryRepository(storage);
    open.push(repository);
    const random = randomSource(42);
    let disk = sampleBytes(800 * BLOCK, 7);
    let base: ContentRef = (await backup(repository, disk)).ref;
    const kept: { ref: ContentRef; disk: Buffer }[] = [{ ref: base, disk: Buffer.from(disk) }];
    for (let round = 0; round < 12; round++) {
      const session = await repository.beginSession();
      const size = round % 4 === 3 ? Math.floor((200 + random() * 900) * BLOCK) : disk.length;
      const next = Buffer.alloc(size);
      disk.copy(next);
      const changes = new Map<number, 'data' | 'zero'>();
      const blocks = Math.ceil(size / BLOCK);
      for (let i = 0; i < 30; i++) changes.set(Math.floor(random() * blocks), random() < 0.7 ? 'data' : 'zero');
      const zeroFrom = Math.floor(random() * blocks);
      const zeroCount = Math.min(blocks - zeroFrom, Math.floor(random() * 400));
      for (let i = 0; i < zeroCount; i++) changes.delete(zeroFrom + i);
      for (const [index, kind] of changes) {
        const length = Math.min(BLOCK, size - index * BLOCK);
        if (kind === 'data') sampleBytes(BLOCK, round * 1000 + index).copy(next, index * BLOCK, 0, length);
        else next.fill(0, index * BLOCK, index * BLOCK + length);
      }
      next.fill(0, zeroFrom * BLOCK, Math.min(size, (zeroFrom + zeroCount) * BLOCK));
      const writer = await session.openContent(size, base);
      const steps = [...changes.keys(), ...(zeroCount > 0 ? [zeroFrom] : [])].sort((a, b) => a - b);
      for (const index of steps) {
        if (index === zeroFrom && zeroCount > 0 && !changes.has(index)) await writer.zero(zeroFrom, zeroCount);
        else
          await writer.write([index], async (buffer) => {
            buffer.fill(0);
            next.copy(buffer, 0, index * BLOCK, (index + 1) * BLOCK);
          });
      }
      const { ref } = await writer.finish();
      await session.publish({ id: ulid(), group: GROUP, createdAt: '', contents: [ref], body: null });
      await session.close();
      // The same content has the same reference, however it was built.
      const again = await repository.beginSession();
      expect((await storeDisk(again, next, BLOCK)).ref).toEqual(ref);
      await again.close();
      base = ref;
      disk = next;
      kept.push({ ref, disk: next });
    }
    const other = await openMemory(storage);
    open.push(other);
    for (const { ref, disk: expected } of kept) expect((await readAll(other, ref)).equals(expected)).toBe(true);
  });

  it('over 64 TiB cost what the change costs', async () => {
    const repository = await memory(256 * 1024);
    const size = 64 * 2 ** 40;
    const session = await repository.beginSession();
    const writer = await session.openContent(size);
    for (let i = 0; i < 64; i++)
      await writer.write([i * 4_000_000 + 17], async (buffer) => {
        sampleBytes(buffer.length, i).copy(buffer);
      });
    const { ref } = await writer.finish();
    expect(ref.height).toBe(4);
    await session.publish({ id: ulid(), group: GROUP, createdAt: '', contents: [ref], body: null });
    await session.close();
    const next = await repository.beginSession();
    const change = await next.openContent(size, ref);
    await change.zero(0, 1000);
    await change.write([100_000_000], async (buffer) => {
      sampleBytes(buffer.length, 1000).copy(buffer);
    });
    await change.zero(100_000_001, 90_000_000);
    const { ref: second, stats } = await change.finish();
    expect(stats.newBlocks).toBe(1);
    expect(stats.nodeBytes).toBeLessThan(40_000);
    await next.publish({ id: ulid(), group: GROUP, createdAt: '', contents: [second], body: null });
    await next.close();
    const reader = await repository.openContent(second);
    const found: number[] = [];
    for await (const { offset } of reader.stream()) found.push(offset / 262144);
    const expected = Array.from({ length: 64 }, (_, i) => i * 4_000_000 + 17).filter(
      (block) => block >= 1000 && !(block > 100_000_000 && block <= 190_000_000),
    );
    expect(found).toEqual([...expected, 100_000_000].sort((a, b) => a - b));
  });
});

describe('a repository in a folder', () => {
  it('is created once, only in an empty folder, and opens again', async () => {
    const location = join(scratch, 'one');
    const options = { stateDirectory: join(scratch, 'state') };
    const repository = await createRepository(location, { ...options, blockSize: 128 * 1024 });
    open.push(repository);
    const disk = sampleBytes(50 * 128 * 1024, 3);
    const { id } = await backup(repository, disk);
    await expect(createRepository(location, options)).rejects.toMatchObject({ code: 'REPOSITORY_EXISTS' });
    await expect(createRepository(scratch, options)).rejects.toMatchObject({ code: 'FILE_EXISTS' });
    await expect(openRepository(join(scratch, 'none'), options)).rejects.toMatchObject({
      code: 'REPOSITORY_NOT_FOUND',
    });
    await expect(openRepository(options.stateDirectory, options)).rejects.toMatchObject({
      code: 'REPOSITORY_NOT_FOUND',
    });
    await expect(createRepository(join(scratch, 'two'), { blockSize: 3000 })).rejects.toMatchObject({ code: 'USAGE' });
    const again = await openRepository(location, options);
    open.push(again);
    expect(again).toMatchObject({ id: repository.id, blockSize: 128 * 1024, formatVersion: 2 });
    expect(await verifyAll(again)).toEqual([id]);
    expect((await again.readManifest(id.slice(0, 12).toLowerCase())).id).toBe(id);
    await expect(again.readManifest('0000')).rejects.toMatchObject({ code: 'POINT_NOT_FOUND' });
    await again.removeManifest(id);
    expect(await repository.listManifests(GROUP)).toEqual([]);
    expect(await again.stats()).toMatchObject({ points: 0, blocks: 50, packs: 2 });
  });

  it('keeps records, and refuses to replace one', async () => {
    const repository = await createRepository(join(scratch, 'records'), { stateDirectory: join(scratch, 'state') });
    open.push(repository);
    const { records } = repository;
    await records.put('chains/vm/00000001', { a: 1 });
    await records.put('chains/vm/00000002', { a: 'x'.repeat(5000) });
    await expect(records.put('chains/vm/00000001', {})).rejects.toMatchObject({ code: 'FILE_EXISTS' });
    expect(await records.list('chains/')).toEqual(['chains/vm/00000001', 'chains/vm/00000002']);
    expect(await records.get('chains/vm/00000002')).toEqual({ a: 'x'.repeat(5000) });
    expect(await records.get('chains/vm/00000003')).toBeNull();
    expect(await records.delete('chains/vm/00000001')).toBe(true);
    expect(await records.get('chains/vm/00000001')).toBeNull();
  });
});

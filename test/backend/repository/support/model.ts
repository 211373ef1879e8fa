/** Helpers that hold a repository against a plain-array model. */
import { createHash } from 'node:crypto';
import { SqliteCatalog } from '../../../../backend/src/catalog/sqlite-catalog.ts';
import type { Environment } from '../../../../backend/src/repository/environment.ts';
import {
  type InitOptions,
  initRepository,
  type OpenOptions,
  openStoredRepository,
} from '../../../../backend/src/repository/open.ts';
import type { ContentRef } from '../../../../backend/src/repository/port/contents.ts';
import type { Repository } from '../../../../backend/src/repository/port/repository.ts';
import type { ContentStats, WriteSession } from '../../../../backend/src/repository/port/writing.ts';
import type { StoredRepository } from '../../../../backend/src/repository/repository.ts';
import type { Storage } from '../../../../backend/src/repository/storage/storage.ts';
import { ulid } from '../../../../backend/src/support/ulid.ts';

export const BLOCK = 64 * 1024;
export const GROUP = '11111111-2222-3333-4444-555555555555';

/** Small and quick: repeatable pseudo-random numbers (mulberry32). */
export function randomSource(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

/** Bytes that compress to about a half, different for every seed. */
export function sampleBytes(length: number, seed: number): Buffer {
  const out = Buffer.alloc(length);
  const random = randomSource(seed);
  for (let i = 0; i < length; i += 4) out.writeUInt32LE((random() * 65536) >>> 0, Math.min(i, length - 4));
  return out;
}

export async function createMemoryRepository(storage: Storage, options: InitOptions = {}): Promise<StoredRepository> {
  await initRepository(storage, { blockSize: BLOCK, ...options });
  return openMemory(storage, options.environment, { passphrase: options.passphrase, kdfCost: options.kdfCost });
}

/**
 * Names of all objects but the tombstones, which outlive what they speak of, and what the ledger says of their restore
 * points; and second copies.
 */
export const withoutTombstones = ({ objects }: { objects: Map<string, unknown> }): string[] =>
  [...objects.keys()].filter((name) => {
    const [folder, , id] = name.split('/');
    return !['removed', 'spare'].includes(folder!) && !(folder === 'ledger' && objects.has(`removed/${id}`));
  });

/** A new process on the same storage, with an empty catalog. */
export const openMemory = (
  storage: Storage,
  environment?: Environment,
  options: Partial<OpenOptions> = {},
): Promise<StoredRepository> =>
  openStoredRepository(storage, {
    catalog: (id) => new SqliteCatalog(null, id),
    environment,
    workers: 0,
    ...options,
  });

/** Stores the blocks `indices` of `disk` (default: all) over `base`. */
export async function storeDisk(
  session: WriteSession,
  disk: Buffer,
  blockSize: number,
  base?: ContentRef,
  indices?: number[],
): Promise<{ ref: ContentRef; stats: ContentStats }> {
  const writer = await session.openContent(disk.length, base);
  const blocks = indices ?? Array.from({ length: Math.ceil(disk.length / blockSize) }, (_, i) => i);
  for (let at = 0; at < blocks.length; at += session.maxRun) {
    const run = blocks.slice(at, at + session.maxRun);
    await writer.write(run, async (buffer) => {
      buffer.fill(0);
      run.forEach((index, i) => {
        disk.copy(buffer, i * blockSize, index * blockSize, (index + 1) * blockSize);
      });
    });
  }
  return writer.finish();
}

/** A whole backup of one disk. @returns the point's id and what was stored */
export async function backup(
  repository: Repository,
  disk: Buffer,
  options: { base?: ContentRef; indices?: number[]; group?: string; id?: string } = {},
): Promise<{ id: string; ref: ContentRef; stats: ContentStats }> {
  const session = await repository.beginSession();
  try {
    const { ref, stats } = await storeDisk(session, disk, repository.blockSize, options.base, options.indices);
    const id = options.id ?? ulid();
    await session.publish({
      id,
      group: options.group ?? GROUP,
      createdAt: new Date().toISOString(),
      contents: [ref],
      body: { sha256: sha256(disk) },
    });
    return { id, ref, stats };
  } finally {
    await session.close();
  }
}

export const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');

/** All of a content, by stream(). */
export async function readAll(repository: Repository, ref: ContentRef): Promise<Buffer> {
  const reader = await repository.openContent(ref);
  const out = Buffer.alloc(ref.size);
  let last = 0;
  for await (const { offset, data } of reader.stream()) {
    if (offset < last) throw new Error(`stream went back from ${last} to ${offset}`);
    data.copy(out, offset);
    last = offset + data.length;
  }
  await reader.close();
  return out;
}

/** Every listed restore point reads back to the hash its body says. @returns their ids */
export async function verifyAll(repository: Repository): Promise<string[]> {
  const manifests = await repository.listManifests();
  for (const { id, contents, body } of manifests) {
    const found = sha256(await readAll(repository, contents[0]!));
    if (found !== (body as { sha256: string }).sha256) throw new Error(`restore point ${id} has wrong content`);
  }
  return manifests.map(({ id }) => id);
}

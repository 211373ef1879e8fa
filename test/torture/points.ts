/** Restore points of a test: stored through the repository's port, held against plain arrays. */

import type { ContentRef } from '../../backend/src/repository/port/contents.ts';
import type { Repository } from '../../backend/src/repository/port/repository.ts';
import type { WriteSession } from '../../backend/src/repository/port/writing.ts';
import type { ManifestBody } from '../../backend/src/schema/manifest.ts';
import { ulid } from '../../backend/src/support/ulid.ts';
import { below, seeded } from '../fuzz/random.ts';

export const BLOCK_SIZE = 64 * 1024;

/** The guest's disk as it must be restored: what the seeds of its blocks give; 0 is a block of zeros. */
export type ModelContent = readonly number[];

export interface ModelPoint {
  id: string;
  group: string;
  content: ModelContent;
  ref: ContentRef;
}

/** Short, so that hashing is quick; about half of it compresses. */
function blockBytes(seed: number): Buffer {
  const block = Buffer.alloc(BLOCK_SIZE);
  if (seed === 0) return block;
  const random = seeded(seed);
  const used = 600 + below(random, 2400);
  for (let at = 0; at < used; at += 4) block.writeUInt32LE((random() * 65536) >>> 0, at);
  return block;
}

/** `changes` blocks get another content, one of few `kinds`, so that blocks recur within and across disks. */
export function changed(
  content: ModelContent,
  changes: number,
  random: () => number,
  kinds = 400,
): { content: number[]; indices: number[] } {
  const next = [...content];
  const indices = new Set<number>();
  for (let i = 0; i < changes; i++) {
    const index = below(random, next.length);
    next[index] = random() < 0.1 ? 0 : 1 + below(random, kinds);
    indices.add(index);
  }
  return { content: next, indices: [...indices].sort((a, b) => a - b) };
}

/** Stores `content` (only `indices` of it, over `base`) as a new restore point. */
export async function storePoint(
  repository: Repository,
  point: {
    group: string;
    content: ModelContent;
    base?: ContentRef;
    indices?: readonly number[];
    now: number;
    /** Told the id before it is published. */
    announce?: (id: string) => void;
    /** With a body as backups write it: so that it can be copied. */
    described?: boolean;
  },
): Promise<ModelPoint> {
  const session = await repository.beginSession();
  try {
    const ref = await storeContent(session, point);
    const id = ulid(point.now);
    point.announce?.(id);
    await session.publish({
      id,
      group: point.group,
      createdAt: new Date(point.now).toISOString(),
      contents: [ref],
      body: point.described ? describe(id, point.group, point.now, ref) : null,
    });
    return { id, group: point.group, content: point.content, ref };
  } finally {
    await session.close();
  }
}

/** The least that a manifest says of a VM with one disk. */
function describe(id: string, group: string, now: number, content: ContentRef): ManifestBody {
  const vm = { id: group, name: 'guest', generation: 2, version: '9.0', state: 'Running', processorCount: 1 } as const;
  const disk = { index: 0, id: `${group} 0`, path: 'disk.vhdx', size: content.size };
  const figures = { changedBytes: 0, readBytes: 0, newBytes: 0 };
  return {
    schema: 1,
    jobId: id,
    hostUri: 'simulated:',
    kind: 'vm',
    mode: 'full',
    consistency: 'crash',
    startedAt: new Date(now).toISOString(),
    basePointId: null,
    vm: { ...vm, memoryStartup: 0, dynamicMemory: false, disks: [], networkAdapters: [] },
    disks: [{ ...disk, ...figures, mode: 'full', rctId: null, content }],
    configuration: [],
    configurationBytes: 0,
    warnings: [],
  };
}

async function storeContent(
  session: WriteSession,
  point: { content: ModelContent; base?: ContentRef; indices?: readonly number[] },
): Promise<ContentRef> {
  const damaged = point.base ? await session.damagedBlocks(point.base) : [];
  const wanted = point.indices ?? point.content.map((_, index) => index);
  const indices = [...new Set([...wanted, ...damaged])].sort((a, b) => a - b);
  const writer = await session.openContent(point.content.length * BLOCK_SIZE, point.base);
  for (let at = 0; at < indices.length; at += session.maxRun) {
    const run = indices.slice(at, at + session.maxRun);
    await writer.write(run, async (buffer) => {
      run.forEach((index, i) => void blockBytes(point.content[index]!).copy(buffer, i * BLOCK_SIZE));
    });
  }
  return (await writer.finish()).ref;
}

/** @throws when a byte differs, or the repository's own error */
export async function requireContent(repository: Repository, ref: ContentRef, content: ModelContent): Promise<void> {
  const reader = await repository.openContent(ref);
  try {
    const seen = new Set<number>();
    for await (const { offset, data } of reader.stream()) {
      for (let at = 0; at < data.length; at += BLOCK_SIZE) {
        const index = (offset + at) / BLOCK_SIZE;
        if (!blockBytes(content[index] ?? 0).equals(data.subarray(at, at + BLOCK_SIZE)))
          throw new Error(`WRONG DATA in block ${index}`);
        seen.add(index);
      }
    }
    const lost = content.findIndex((seed, index) => seed !== 0 && !seen.has(index));
    if (lost >= 0) throw new Error(`WRONG DATA: block ${lost} was left out`);
  } finally {
    await reader.close();
  }
}

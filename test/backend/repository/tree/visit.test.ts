/** The walk through block maps that check, prune, repair, reading and writing share. */
import { setImmediate as pause } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { FAN_OUT, ID_LENGTH } from '../../../../backend/src/repository/format/constants.ts';
import { emptyNode, heightFor, setChild, type TreeNode } from '../../../../backend/src/repository/format/node.ts';
import type { ContentRef } from '../../../../backend/src/repository/port/contents.ts';
import type { Damage } from '../../../../backend/src/repository/port/damage.ts';
import type { StoredRepository } from '../../../../backend/src/repository/repository.ts';
import { walkBlocks } from '../../../../backend/src/repository/tree/tree-walk.ts';
import { visitTree } from '../../../../backend/src/repository/tree/visit.ts';
import { ulid } from '../../../../backend/src/support/ulid.ts';
import { closedAfterEach } from '../support/closing.ts';
import { MemoryStorage } from '../support/memory-storage.ts';
import {
  BLOCK,
  backup,
  createMemoryRepository,
  randomSource,
  readAll,
  sampleBytes,
  verifyAll,
} from '../support/model.ts';

const opened = closedAfterEach<StoredRepository>();

/** Nodes by id (hex), made of block numbers; a block's id says its number. */
class Trees {
  readonly nodes = new Map<string, TreeNode>();
  #count = 0;

  /** @returns id of the node of `level` over `blocks`, all below its span */
  add(level: number, blocks: readonly number[]): Buffer {
    const node = emptyNode(level);
    const span = FAN_OUT ** (level - 1);
    for (let slot = 0; slot < FAN_OUT; slot++) {
      const below = blocks.filter((block) => Math.floor(block / span) === slot);
      if (below.length === 0) continue;
      const inside = below.map((block) => block - slot * span);
      setChild(node, slot, level === 1 ? blockId(blocks, slot) : this.add(level - 1, inside));
    }
    const id = Buffer.alloc(ID_LENGTH);
    id.writeUInt32BE(++this.#count, 0);
    this.nodes.set(id.toString('hex'), node);
    return id;
  }

  readonly load = async (id: Buffer): Promise<TreeNode> => {
    const node = this.nodes.get(id.toString('hex'));
    if (node === undefined) throw new Error(`no node ${id.toString('hex', 0, 4)}`);
    return node;
  };
}

/** Different for every list, so that an id from another leaf shows. */
function blockId(blocks: readonly number[], slot: number): Buffer {
  const id = Buffer.alloc(ID_LENGTH, slot);
  id.writeUInt32LE(blocks.length, 4);
  return id;
}

const refOf = (root: Buffer, blocks: number): ContentRef => ({
  size: blocks * BLOCK,
  height: heightFor(blocks),
  root: root.toString('hex'),
});

/** A content of 3 levels and some of its blocks. */
function sample(): { trees: Trees; ref: ContentRef; blocks: number[]; count: number } {
  const random = randomSource(7);
  const count = 2 * FAN_OUT ** 2 + 100;
  const near = Array.from({ length: 40 }, () => Math.floor(random() * 300));
  const far = Array.from({ length: 200 }, () => Math.floor(random() * count));
  const blocks = [...new Set([...near, ...far, count - 1])].sort((a, b) => a - b);
  const trees = new Trees();
  return { trees, ref: refOf(trees.add(3, blocks), count), blocks, count };
}

describe('a visit', () => {
  it('meets every block once, in order, and leaves a node when all below it has been visited', async () => {
    const { trees, ref, blocks } = sample();
    const met: number[] = [];
    const way: string[] = [];
    await visitTree(ref, BLOCK, {
      enter: async (id, level, first) => {
        way.push(`${level} ${first}`);
        return trees.load(id);
      },
      leave: async (_id, level, first) => {
        expect(way.pop()).toBe(`${level} ${first}`);
      },
      block: (ids, at, block) => {
        expect(ids[at]).toBe(block % FAN_OUT);
        expect(way.at(-1)).toBe(`1 ${block - (block % FAN_OUT)}`);
        met.push(block);
      },
    });
    expect(met).toEqual(blocks);
    expect(way).toEqual([]);
  });

  it('waits for what a block takes before it goes on', async () => {
    const { trees, ref } = sample();
    let busy = false;
    await visitTree(ref, BLOCK, {
      enter: async (id) => {
        expect(busy).toBe(false);
        return trees.load(id);
      },
      block: (_ids, _at, block) => {
        expect(busy).toBe(false);
        if (block % 7 > 0) return undefined;
        busy = true;
        return pause().then(() => {
          busy = false;
        });
      },
    });
  });

  it('leaves out what enter does not give, and goes on beside what is missing', async () => {
    const { trees, ref, blocks } = sample();
    const [met, missing]: number[][] = [[], []];
    const none = (first: number) => first === FAN_OUT ** 2;
    const lost = (level: number, first: number) => level === 1 && first === FAN_OUT;
    const enter = async (id: Buffer, level: number, first: number) => {
      if (lost(level, first)) throw new Error('lost');
      return level === 2 && none(first) ? null : trees.load(id);
    };
    const block = (_ids: Buffer, _at: number, number: number) => void met!.push(number);
    const seen = (error: unknown, _id: Buffer, level: number, first: number) => {
      expect([(error as Error).message, level]).toEqual(['lost', 1]);
      missing!.push(first);
    };
    await visitTree(ref, BLOCK, { enter, block, missing: seen });
    expect(missing).toEqual([FAN_OUT]);
    const isThere = (number: number) => !none(FAN_OUT ** 2 * Math.floor(number / FAN_OUT ** 2));
    expect(met).toEqual(blocks.filter((number) => isThere(number) && Math.floor(number / FAN_OUT) !== 1));
    await expect(visitTree(ref, BLOCK, { enter, block })).rejects.toThrow('lost');
  });

  it('of a range enters only what is above it', async () => {
    const { trees, ref, blocks, count } = sample();
    const random = randomSource(11);
    for (let round = 0; round < 50; round++) {
      const from = Math.floor(random() * count);
      const to = from + Math.floor(random() * (round % 2 === 0 ? 600 : count));
      const entered: number[] = [];
      const load = async (id: Buffer, level: number) => {
        entered.push(level);
        return trees.load(id);
      };
      const met: number[] = [];
      for await (const run of walkBlocks(ref, BLOCK, load, { from, to }))
        for (let i = 0; i < run.count; i++) met.push(run.first + i);
      expect(met).toEqual(blocks.filter((block) => block >= from && block < to));
      if (to - from <= 600) expect(entered.length).toBeLessThanOrEqual(1 + 2 + 4);
    }
  });

  it('of a map in which one node stands for all others ends as soon as the visitor knows them', async () => {
    // 256^6 ways lead through it.
    const trees = new Trees();
    let id = trees.add(
      1,
      Array.from({ length: FAN_OUT }, (_, i) => i),
    );
    for (let level = 2; level <= 6; level++) {
      const node = emptyNode(level);
      for (let slot = 0; slot < FAN_OUT; slot++) setChild(node, slot, id);
      const above = trees.add(1, [level]);
      trees.nodes.set(above.toString('hex'), node);
      id = above;
    }
    const ref = { size: FAN_OUT ** 5 * 4096, height: 5, root: [...trees.nodes.keys()].at(-2)! };
    const seen = new Set<string>();
    let blocks = 0;
    const visitor = {
      enter: async (one: Buffer) => (seen.size === seen.add(one.toString('hex')).size ? null : trees.load(one)),
      block: () => {
        blocks += 1;
      },
    };
    await visitTree(ref, 4096, visitor);
    expect([seen.size, blocks]).toEqual([5, FAN_OUT]);
    seen.clear();
    await expect(visitTree({ ...ref, size: ref.size / 2 }, 4096, visitor)).rejects.toThrow(/beyond the end/);
    await expect(visitTree({ ...ref, height: 7 }, 4096, visitor)).rejects.toThrow(/do not belong together/);
  });
});

describe('a block map with blocks beyond the end of its content', () => {
  /** A restore point that counts, and one of its content cut short as a forged manifest says. */
  async function forged(): Promise<{ repository: StoredRepository; sound: string; bad: string; ref: ContentRef }> {
    const repository = await createMemoryRepository(new MemoryStorage());
    opened.push(repository);
    const { id: sound, ref } = await backup(repository, sampleBytes(5 * BLOCK, 1));
    const { manifests } = repository.core;
    const manifest = await manifests.get((await manifests.names())[0]!);
    const bad = { ...manifest, id: ulid(), contents: [{ ...ref, size: 3 * BLOCK }] };
    await manifests.publish(bad);
    return { repository, sound, bad: bad.id, ref: bad.contents[0]! };
  }

  it('is not read, and check says so', async () => {
    const { repository, sound, bad, ref } = await forged();
    // A map that a sound content has too is walked for that one.
    await repository.removeManifest(sound);
    const refused = { code: 'REPOSITORY_DAMAGED', message: expect.stringContaining('beyond the end of the content') };
    await expect(readAll(repository, ref)).rejects.toMatchObject(refused);
    const { damages } = await repository.check();
    expect(damages).toEqual([expect.objectContaining({ object: 'node', message: refused.message })]);
    expect(damages[0]!.message).toContain(bad);
    const found: Damage[] = [];
    const lost: number[][] = [];
    const onLoss = (...range: number[]) => void lost.push(range);
    await repository.verify([ref], { onDamage: (damage) => void found.push(damage), onLoss });
    expect(found).toEqual([expect.objectContaining({ message: expect.stringContaining('beyond the end') })]);
    expect(lost).toEqual([[0, 0, 3 * BLOCK]]);
  });

  it('keeps prune from deleting anything, and others from nothing', async () => {
    const { repository, sound, bad, ref } = await forged();
    await repository.removeManifest(sound);
    const pruned = await repository.prune();
    expect(pruned).toMatchObject({ packsDeleted: 0, blocked: [{ pointId: bad }] });
    expect((await repository.core.storage.list('packs/')).length).toBeGreaterThan(0);
    await repository.removeManifest(bad);
    const disk = sampleBytes(4 * BLOCK, 2);
    const { id } = await backup(repository, disk);
    expect(await verifyAll(repository)).toEqual([id]);
    expect(ref.root).not.toBeNull();
  });
});

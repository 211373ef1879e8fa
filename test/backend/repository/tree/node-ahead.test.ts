/**
 * Nodes that are read a pack at a time are those that are read one by one, and what is not as it should be is left to
 * that.
 */
import { describe, expect, it } from 'vitest';
import { RecordKind } from '../../../../backend/src/repository/format/constants.ts';
import { packName } from '../../../../backend/src/repository/format/names.ts';
import { childId } from '../../../../backend/src/repository/format/node.ts';
import type { StoredRepository } from '../../../../backend/src/repository/repository.ts';
import { NodeReadAhead } from '../../../../backend/src/repository/tree/node-ahead.ts';
import { MemoryStorage } from '../support/memory-storage.ts';
import { BLOCK, backup, createMemoryRepository, sampleBytes } from '../support/model.ts';
import { World } from '../support/process.ts';

/** A repository with block maps of two levels. */
async function stored() {
  const storage = new MemoryStorage();
  const repository: StoredRepository = await createMemoryRepository(storage, { environment: new World().process() });
  await backup(repository, sampleBytes(300 * BLOCK, 1));
  const [{ contents } = { contents: [] }] = await repository.listManifests();
  const { core } = repository;
  const root = Buffer.from(contents[0]!.root!, 'hex');
  const locate = (id: Buffer) => core.index.findSound(RecordKind.node, id)!;
  return { storage, repository, core, root, height: contents[0]!.height, locate };
}

describe('reading ahead', () => {
  it('gives the nodes there are, one pack at a time', async () => {
    const { storage, repository, core, root, height, locate } = await stored();
    expect(height).toBe(2);
    const reads: string[] = [];
    const read = storage.read.bind(storage);
    storage.read = (name, offset, target) => {
      reads.push(name);
      return read(name, offset, target);
    };
    const ahead = new NodeReadAhead(core);
    const top = (await ahead.load(locate(root), root, 2))!;
    const children = [0, 1].map((slot) => Buffer.from(childId(top, slot)!));
    for (const id of children) {
      const node = (await ahead.load(locate(id), id, 1))!;
      const seen = Array.from(node.present, (_, slot) => childId(node, slot)?.toString('hex') ?? null);
      const expected = await core.nodes.load(id, 1);
      expect(seen).toEqual(Array.from(expected.present, (_, slot) => childId(expected, slot)?.toString('hex') ?? null));
      expect(node.level).toBe(1);
    }
    // The last child has fewer blocks than the one before it in the same memory.
    expect(childId(top, 1)!.equals(children[1]!)).toBe(true);
    expect(new Set(reads).size).toBe(1);
    const ofNodes = new NodeReadAhead(core);
    reads.length = 0;
    for (const [id, level] of [[root, 2], ...children.map((child) => [child, 1] as const)] as const)
      await ofNodes.load(locate(id), id, level);
    expect(reads).toHaveLength(1);
    await repository.close();
  });

  it('gives nothing when anything is wrong', async () => {
    const { storage, repository, core, root, locate } = await stored();
    const location = locate(root);
    const load = (at = location, id = root, level = 2) => new NodeReadAhead(core).load(at, id, level);
    expect(await load()).not.toBeNull();
    expect(await load(location, root, 1)).toBeNull();
    expect(await load(location, Buffer.alloc(32, 1))).toBeNull();
    expect(await load({ ...location, offset: location.offset + 1 })).toBeNull();
    expect(await load({ ...location, storedLength: 2 ** 31 })).toBeNull();
    expect(await load({ ...location, packId: '0'.repeat(32) })).toBeNull();
    const name = packName(location.packId);
    const good = storage.objects.get(name)!;
    for (const at of [location.offset, location.offset + 30, location.offset + 130]) {
      const bad = Buffer.from(good);
      bad[at]! ^= 4;
      storage.objects.set(name, bad);
      expect(await load()).toBeNull();
    }
    storage.objects.set(name, good.subarray(0, -1));
    expect(await load()).toBeNull();
    storage.objects.delete(name);
    expect(await load()).toBeNull();
    await repository.close();
  });
});

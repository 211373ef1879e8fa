/**
 * A manifest that cannot be read: written back where anything knows it, never in the way of the others, and gone when a
 * person says so.
 */

import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { SqliteCatalog } from '../../../../backend/src/catalog/sqlite-catalog.ts';
import type { StoredRepository } from '../../../../backend/src/repository/repository.ts';
import { scratchForEach } from '../../support/scratch.ts';
import { CHEAP, PASSPHRASE } from '../support/encrypted.ts';
import { MemoryStorage } from '../support/memory-storage.ts';
import {
  BLOCK,
  backup,
  createMemoryRepository,
  GROUP,
  openMemory,
  readAll,
  sampleBytes,
  sha256,
  verifyAll,
} from '../support/model.ts';

const OTHER = '99999999-2222-3333-4444-555555555555';
const closing: StoredRepository[] = [];
afterEach(async () => {
  for (const one of closing.splice(0)) await one.close();
});

describe.each([
  ['plain', {}],
  ['encrypted', { passphrase: PASSPHRASE, kdfCost: CHEAP }],
])('in a repository that is %s', (_, options) => {
  const scratch = scratchForEach('lost-manifests');

  async function fixture() {
    const folder = await scratch();
    const storage = new MemoryStorage();
    await (await createMemoryRepository(storage, options)).close();
    /** @param machine whose catalog it has; one that has seen nothing when absent */
    const connect = async (machine?: string) => {
      const catalog = (id: string) =>
        new SqliteCatalog(machine === undefined ? null : join(folder, `${machine}.sqlite`), id);
      const repository = await openMemory(storage, undefined, { ...options, catalog });
      closing.push(repository);
      return repository;
    };
    const disks = [0, 1, 2].map((seed) => sampleBytes(12 * BLOCK, seed));
    const points: string[] = [];
    for (const [i, disk] of disks.entries())
      points.push((await backup(await connect('one'), disk, { group: i === 2 ? OTHER : GROUP })).id);
    const nameOf = (folderName: string, id: string) =>
      [...storage.objects.keys()].find((name) => name.startsWith(folderName) && name.endsWith(id))!;
    const flip = (name: string): void => {
      const bytes = Buffer.from(storage.objects.get(name)!);
      bytes[bytes.length - 40]! ^= 1;
      storage.objects.set(name, bytes);
    };
    const packs = () => [...storage.objects.keys()].filter((name) => name.startsWith('packs/')).sort();
    return { storage, connect, points, disks, nameOf, flip, packs };
  }

  it('repair writes it back from the ledger, on a machine that has seen nothing; the damaged bytes are kept', async () => {
    const { storage, connect, points, nameOf, flip } = await fixture();
    flip(nameOf('manifests/', points[1]!));
    expect((await (await connect()).check()).damages).toHaveLength(1);
    const result = await (await connect()).repair();
    expect(result).toMatchObject({ restoredPoints: [points[1]], damages: [] });
    expect(await verifyAll(await connect())).toEqual(points);
    expect([...storage.objects.keys()].filter((name) => name.startsWith('quarantine/manifests/'))).toHaveLength(1);
    expect(await (await connect()).repair()).toMatchObject({ restoredPoints: [], damages: [], quarantined: [] });
  });

  it('repair writes it back from what the machine knows when the ledger knows nothing, and does not forget it before', async () => {
    const { storage, connect, points, nameOf, flip } = await fixture();
    storage.objects.delete(nameOf('ledger/', points[0]!));
    flip(nameOf('manifests/', points[0]!));
    expect(await (await connect('two')).repair()).toMatchObject({
      restoredPoints: [],
      damages: [expect.objectContaining({ path: nameOf('manifests/', points[0]!) })],
    });
    expect(await (await connect('one')).repair()).toMatchObject({ restoredPoints: [points[0]], damages: [] });
    expect(await verifyAll(await connect())).toEqual(points);
  });

  it('prune keeps what it needs where the ledger knows it, and goes on', async () => {
    const { connect, points, nameOf, flip, packs } = await fixture();
    flip(nameOf('manifests/', points[0]!));
    await (await connect()).removeManifest(points[2]!);
    const before = packs().length;
    const pruned = await (await connect()).prune();
    expect(pruned.blocked).toEqual([]);
    expect(pruned.freedBytes).toBeGreaterThan(0);
    expect(packs().length).toBeLessThan(before);
    expect(await (await connect()).repair()).toMatchObject({ restoredPoints: [points[0]], damages: [] });
    expect(await verifyAll(await connect())).toEqual(points.slice(0, 2));
  });

  it('prune deletes nothing where nobody knows it, and says which it is; removing it is what gives the space back', async () => {
    const { storage, connect, points, nameOf, flip, packs } = await fixture();
    for (const id of [points[0]!, points[2]!]) storage.objects.delete(nameOf('ledger/', id));
    flip(nameOf('manifests/', points[0]!));
    await (await connect()).removeManifest(points[2]!);
    const before = packs();
    for (const dryRun of [true, false]) {
      const pruned = await (await connect()).prune({ dryRun });
      expect(pruned).toMatchObject({
        freedBytes: 0,
        packsDeleted: 0,
        blocked: [{ pointId: points[0], path: nameOf('manifests/', points[0]!) }],
      });
    }
    expect(packs()).toEqual(before);
    const repository = await connect();
    expect(await repository.findPoint(points[0]!.slice(0, 20).toLowerCase() + points[0]!.slice(20))).toBe(points[0]);
    await repository.removeManifest(points[0]!);
    const pruned = await (await connect()).prune();
    expect(pruned.blocked).toEqual([]);
    expect(packs().length).toBeLessThan(before.length);
    expect(await verifyAll(await connect())).toEqual([points[1]]);
    expect((await (await connect()).check()).damages).toEqual([]);
  });

  it('a block map that is damaged in a point that is kept: nothing is deleted, the point is named, and its removal helps', async () => {
    const { storage, connect, points, packs } = await fixture();
    const [manifest] = await (await connect()).listManifests();
    const root = manifest!.contents[0]!.root!;
    const location = (
      await (async () => {
        const repository = await connect();
        await repository.stats();
        return repository.core.index.findAll(3, Buffer.from(root, 'hex'));
      })()
    )[0]!;
    storage.objects.delete(`packs/${location.packId.slice(0, 2)}/${location.packId}`);
    await (await connect()).removeManifest(points[2]!);
    const before = packs();
    expect(await (await connect()).prune()).toMatchObject({
      freedBytes: 0,
      blocked: [{ pointId: points[0], message: expect.stringContaining('node') }],
    });
    expect(packs()).toEqual(before);
    await (await connect()).removeManifest(points[0]!);
    expect((await (await connect()).prune()).blocked).toEqual([]);
    expect(packs().length).toBeLessThan(before.length);
    const repository = await connect();
    const [left] = await repository.listManifests();
    expect(sha256(await readAll(repository, left!.contents[0]!))).toBe((left!.body as { sha256: string }).sha256);
  });

  it('a manifest that is gone without a tombstone comes back from the ledger or from what the machine knows', async () => {
    const { storage, connect, points, nameOf } = await fixture();
    const lost = nameOf('manifests/', points[0]!);
    storage.objects.delete(lost);
    expect(await (await connect()).repair()).toMatchObject({ restoredPoints: [points[0]], damages: [] });
    expect(await verifyAll(await connect())).toEqual(points);
    // What was removed stays removed.
    await (await connect()).removeManifest(points[1]!);
    expect(await (await connect('one')).repair()).toMatchObject({ restoredPoints: [], damages: [] });
    expect(await verifyAll(await connect())).toEqual([points[0], points[2]]);
  });
});

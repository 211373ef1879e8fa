/** Readers beside removals and prunes (docs/format.md §5, rule 11): what is pinned stays, and both sides are told. */
import { describe, expect, it } from 'vitest';
import type { ReaderPin } from '../../../../backend/src/repository/port/pins.ts';
import type { Repository } from '../../../../backend/src/repository/port/repository.ts';
import type { StoredRepository } from '../../../../backend/src/repository/repository.ts';
import { BLOCK, backup, readAll, sampleBytes } from '../support/model.ts';
import { processesAtWork } from '../support/processes.ts';

const HOUR = 3600 * 1000;
const { fixture } = processesAtWork();

const pinOf = async (repository: Repository, id: string, warnings: string[] = []): Promise<ReaderPin> =>
  repository.pin([await repository.readManifest(id)], { owner: 'test', warn: (text) => warnings.push(text) });

/** Two restore points with nothing in common, and a reader that has pinned the first. */
async function pinned() {
  const made = await fixture();
  const process = made.world.process('reader');
  const reader = await made.connect({}, process);
  const disk = sampleBytes(20 * BLOCK, 1);
  const first = await backup(reader, disk);
  await backup(reader, sampleBytes(20 * BLOCK, 2));
  const pin = await pinOf(reader, first.id);
  const other = await made.connect({}, made.world.process('pruner'));
  return { ...made, process, reader, disk, first, pin, other };
}

/** Removes a restore point and prunes. @returns what the prune gave back and said */
async function removeAndPrune(repository: StoredRepository, id: string) {
  await repository.removeManifest(id);
  const warnings: string[] = [];
  return { ...(await repository.prune({ warn: (text) => warnings.push(text) })), warnings };
}

describe('a reader pin', () => {
  it('keeps what it names when the restore point is removed and pruned; the space comes back when it ends', async () => {
    const { other, first, reader, disk, pin, names } = await pinned();
    const result = await removeAndPrune(other, first.id);
    expect(result.packsDeleted).toBe(0);
    expect(result.pendingBytes).toBeGreaterThan(20 * BLOCK * 0.4);
    expect(result.warnings.join()).toMatch(
      new RegExp(`${first.id} is being read by test on reader since .*; its space`),
    );
    expect((await readAll(reader, first.ref)).equals(disk)).toBe(true);
    expect((await other.check()).damages).toEqual([]);
    expect(await pin.removed()).toMatchObject([{ point: first.id, by: 'pruner', reason: 'removed' }]);
    await pin.end();
    expect(names('sessions/')).toEqual([]);
    const after = await other.prune();
    expect(after.pendingBytes).toBe(0);
    expect(after.freedBytes).toBeGreaterThan(20 * BLOCK * 0.4);
    await expect(readAll(reader, first.ref)).rejects.toMatchObject({ code: 'REPOSITORY_DAMAGED' });
  });

  it('keeps it when the reader comes between the survey of a prune and its deletions', async () => {
    const { world, connect } = await fixture();
    const reader = await connect({}, world.process('reader'));
    const disk = sampleBytes(20 * BLOCK, 1);
    const first = await backup(reader, disk);
    const remover = await connect({}, world.process('remover'));
    let pin: ReaderPin | undefined;
    // The restore point goes beside the prune: its survey knows nothing of it any more, and the reader was before the
    // removal.
    const pruner = await connect(
      {
        before: async (operation, name) => {
          if (pin !== undefined || operation !== 'list' || name !== 'packs/') return;
          pin = await pinOf(reader, first.id);
          await remover.removeManifest(first.id);
        },
      },
      world.process('pruner'),
    );
    expect(await pruner.prune()).toMatchObject({ packsDeleted: 0 });
    expect((await readAll(reader, first.ref)).equals(disk)).toBe(true);
    await pin!.end();
  });

  it('that comes when its packs are marked already is found by the sweep', async () => {
    const { world, connect, names } = await fixture();
    const reader = await connect({}, world.process('reader'));
    const disk = sampleBytes(20 * BLOCK, 1);
    const first = await backup(reader, disk);
    // Listed to the reader, not to the prune: as it would be for one that came late, and is removed before the sweep.
    const envelope = await reader.readManifest(first.id);
    let pin: ReaderPin | undefined;
    const pruner = await connect(
      {
        before: async (operation, name) => {
          if (pin !== undefined || operation !== 'put' || !name.startsWith('marks/')) return;
          await reader.core.tombstones.withdraw(first.id);
          await reader.core.manifests.publish(envelope);
          pin = await pinOf(reader, first.id);
          await reader.removeManifest(first.id);
        },
      },
      world.process('pruner'),
    );
    await reader.removeManifest(first.id);
    const warnings: string[] = [];
    const result = await pruner.prune({ warn: (text) => warnings.push(text) });
    expect(pin!.gone.size).toBe(0);
    expect(result.packsDeleted).toBe(0);
    expect(result.pendingBytes).toBeGreaterThan(20 * BLOCK * 0.4);
    expect(warnings.join()).toContain('is being read by test');
    expect(names('marks/')).toEqual([]);
    expect((await readAll(reader, first.ref)).equals(disk)).toBe(true);
    expect((await readAll(pruner, first.ref)).equals(disk)).toBe(true);
    await pin!.end();
    expect((await pruner.prune()).packsDeleted).toBe(2);
  });

  it('says which restore points were gone before they were pinned', async () => {
    const { world, connect } = await fixture();
    const reader = await connect({}, world.process('reader'));
    const { id } = await backup(reader, sampleBytes(BLOCK, 1));
    const manifest = await reader.readManifest(id);
    await (await connect()).removeManifest(id);
    const pin = await reader.pin([manifest], { owner: 'test' });
    expect([...pin.gone]).toEqual([id]);
    await pin.end();
  });

  it('makes no writer and no prune wait: what nobody reads is given back beside it', async () => {
    const { other, reader, pin } = await pinned();
    const [, second] = await reader.listManifests();
    const result = await removeAndPrune(other, second!.id);
    expect(result).toMatchObject({ packsDeleted: 2, pendingBytes: 0, warnings: [] });
    await pin.end();
  });

  it('of a reader that died protects no longer', async () => {
    const { world, process, other, first, pin, names } = await pinned();
    expect(pin.protects).toBe(true);
    world.kill(process);
    // Only its own machine knows; to others it lives until it expires.
    expect((await removeAndPrune(other, first.id)).packsDeleted).toBe(0);
    world.time += 26 * HOUR;
    expect((await other.prune()).packsDeleted).toBe(2);
    expect(names('sessions/')).toEqual([]);
  });

  it('is renewed while it reads, and begins anew after a long sleep', async () => {
    const { world, other, first, reader, disk, pin } = await pinned();
    for (let day = 0; day < 5; day++) {
      world.time += 20 * HOUR;
      await pin.renew();
      if (day === 2) await other.removeManifest(first.id);
      expect((await other.prune()).packsDeleted).toBe(0);
    }
    expect((await readAll(reader, first.ref)).equals(disk)).toBe(true);
    await pin.end();
  });

  it('that slept is protected again when nobody removed anything, and told when somebody did', async () => {
    const { world, other, reader, first } = await pinned();
    const warnings: string[] = [];
    const pin = await pinOf(reader, first.id, warnings);
    world.time += 60 * HOUR;
    await other.prune();
    expect(pin.protects).toBe(false);
    await pin.renew();
    expect(pin.protects).toBe(true);
    expect(warnings).toEqual([]);
    world.time += 60 * HOUR;
    expect((await removeAndPrune(other, first.id)).packsDeleted).toBe(2);
    await pin.renew();
    expect([...pin.gone]).toEqual([first.id]);
    expect(warnings.join()).toContain(`Restore point ${first.id} was removed while this machine was suspended`);
    await pin.end();
  });

  it('cannot be put on read-only storage: reading works without it, and one warning says so', async () => {
    const { world, connect } = await fixture();
    const disk = sampleBytes(20 * BLOCK, 1);
    const writer = await connect({}, world.process('writer'));
    const { id, ref } = await backup(writer, disk);
    const denied = Object.assign(new Error('read-only'), { code: 'EROFS', syscall: 'open' });
    const { toHvError } = await import('../../../../backend/src/support/errors.ts');
    const reader = await connect({ fail: (operation) => (operation === 'put' ? toHvError(denied) : undefined) });
    const warnings: string[] = [];
    const pin = await pinOf(reader, id, warnings);
    expect(pin).toMatchObject({ protects: false });
    expect(pin.gone.size).toBe(0);
    expect(warnings).toHaveLength(1);
    expect(warnings[0]).toMatch(/cannot be marked as in use .*if it is removed and pruned meanwhile/);
    expect((await readAll(reader, ref)).equals(disk)).toBe(true);
    await pin.end();
  });

  it('ends by a record where nothing can be deleted', async () => {
    const { world, storage, connect, names } = await fixture();
    const { toHvError } = await import('../../../../backend/src/support/errors.ts');
    const denied = toHvError(Object.assign(new Error('append-only'), { code: 'EACCES', syscall: 'unlink' }));
    const reader = await connect({ fail: (operation) => (operation === 'delete' ? denied : undefined) });
    const { id } = await backup(reader, sampleBytes(20 * BLOCK, 1));
    const pin = await pinOf(reader, id);
    await pin.end();
    expect(names('sessions/').filter((name) => name.endsWith('/end'))).toHaveLength(2);
    const trusted = await connect({}, world.process('trusted'));
    expect((await removeAndPrune(trusted, id)).packsDeleted).toBe(2);
    expect([...storage.objects.keys()].filter((name) => name.startsWith('sessions/'))).toEqual([]);
  });

  it('that cannot be read keeps everything', async () => {
    const { storage, other, first, pin, names } = await pinned();
    const [name] = names('sessions/').filter((one) => one.includes('/read-'));
    const bytes = storage.objects.get(name!)!;
    bytes[bytes.length - 40]! ^= 1;
    const result = await removeAndPrune(other, first.id);
    expect(result.packsDeleted).toBe(0);
    expect(result.pendingBytes).toBeGreaterThan(20 * BLOCK * 0.4);
    expect(result.warnings.join()).toContain('What an active reader needs cannot be determined');
    await pin.end();
    expect((await other.prune()).packsDeleted).toBe(2);
  });

  it('counts in an estimate of what a removal gives back', async () => {
    const { other, first, pin } = await pinned();
    const warnings: string[] = [];
    const without = new Set([first.id]);
    const dry = await other.prune({ dryRun: true, without, warn: (text) => warnings.push(text) });
    expect(dry).toMatchObject({ freedBytes: 0, packsDeleted: 0 });
    expect(dry.pendingBytes).toBeGreaterThan(20 * BLOCK * 0.4);
    expect(warnings).toHaveLength(1);
    await pin.end();
    expect((await other.prune({ dryRun: true, without })).freedBytes).toBeGreaterThan(20 * BLOCK * 0.4);
  });

  it('of many restore points takes few objects', async () => {
    const { connect, names } = await fixture();
    const repository = await connect();
    const { id } = await backup(repository, sampleBytes(BLOCK, 1));
    const manifest = await repository.readManifest(id);
    const pin = await repository.pin(Array(2500).fill(manifest), { owner: 'verify' });
    expect(names('sessions/').filter((name) => name.includes('/read-'))).toHaveLength(3);
    expect(pin.gone.size).toBe(0);
    await pin.end();
  });
});

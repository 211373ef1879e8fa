/**
 * Random histories of one VM against a plain-array model: content of every checkpoint, and exactly the changed
 * granules.
 */
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { RecoveryCheckpoint } from '../../../../backend/src/hosts/port.ts';
import type { GuestWrite } from '../../../../backend/src/hosts/simulated/index.ts';
import { randomSource } from '../../../fixtures/content.ts';
import { scratchForEach } from '../../support/scratch.ts';
import { GRANULE, MIB, SimWorld } from '../support.ts';

const SIZES = [3 * MIB + 512, 5 * MIB];

/** A moment that was sealed: what the disk held and which writes came after which. */
interface Seal {
  rctId: string;
  content: Buffer;
  /** Number of writes to the disk before it. */
  writes: number;
}
interface Standing {
  checkpoint: RecoveryCheckpoint;
  seals: Seal[];
}

class History {
  readonly world: SimWorld;
  readonly #random: () => number;
  /** Every write to each disk, in order: the ranges alone. */
  readonly #written: { offset: number; length: number }[][] = SIZES.map(() => []);
  readonly standing: Standing[] = [];
  /** Seals of reference points by id of the point, one seal a disk. */
  readonly points = new Map<string, Seal[]>();

  constructor(world: SimWorld, seed: number) {
    this.world = world;
    this.#random = randomSource(seed);
  }

  below(bound: number): number {
    return this.#random() % bound;
  }

  async write(): Promise<void> {
    const disk = this.below(SIZES.length);
    const writes: GuestWrite[] = [];
    for (let n = 1 + this.below(5); n > 0; n--) {
      const length = 1 + this.below([512, 5000, 70_000, MIB][this.below(4)]!);
      const offset = this.below(SIZES[disk]! - length + 1);
      const zeros = this.below(5) === 0;
      if (this.below(2) === 0) writes.push({ offset, fill: zeros ? 0 : 1 + this.below(255), length });
      else writes.push({ offset, data: Buffer.alloc(length, zeros ? 0 : this.below(256)) });
      this.#written[disk]!.push({ offset, length });
    }
    await this.world.write(disk, ...writes);
  }

  async checkpoint(): Promise<void> {
    const checkpoint = await this.world.checkpoint(`number ${this.below(1e6)}`);
    const content = this.world.snapshot();
    const seals = checkpoint.disks.map((disk, i) => ({
      rctId: disk.rctId!,
      content: content[i]!,
      writes: this.#written[i]!.length,
    }));
    this.standing.push({ checkpoint, seals });
  }

  async end(): Promise<void> {
    const [ended] = this.standing.splice(this.below(this.standing.length), 1);
    if (!ended) return;
    if (this.below(3) === 0) return await this.world.host.removeCheckpoint(ended.checkpoint.id);
    const point = await this.world.host.convertToReferencePoint(ended.checkpoint.id);
    expect(point.disks.map((disk) => disk.rctId)).toEqual(ended.seals.map((seal) => seal.rctId));
    this.points.set(point.id, ended.seals);
  }

  async forget(): Promise<void> {
    const id = [...this.points.keys()][this.below(this.points.size || 1)];
    if (id === undefined || this.points.size < 3) return;
    await this.world.host.removeReferencePoint(id);
    this.points.delete(id);
  }

  async verify(): Promise<void> {
    const listed = await this.world.host.listRecoveryCheckpoints(this.world.vmId);
    expect(listed.map((entry) => entry.id).sort()).toEqual(this.standing.map((entry) => entry.checkpoint.id).sort());
    for (const { checkpoint, seals } of this.standing) {
      for (const [disk, seal] of seals.entries()) {
        expect((await this.world.frozen(checkpoint, disk)).equals(seal.content)).toBe(true);
        for (const point of this.points.values()) await this.#verifyChanges(checkpoint, disk, point[disk]!, seal);
      }
    }
  }

  async #verifyChanges(checkpoint: RecoveryCheckpoint, disk: number, from: Seal, to: Seal): Promise<void> {
    if (from.writes > to.writes || from.rctId > to.rctId) return;
    const ranges = await this.world.changes(checkpoint, from.rctId, disk);
    const granules = new Set<number>();
    for (const { offset, length } of ranges) {
      expect(offset % GRANULE).toBe(0);
      expect((offset + length) % GRANULE === 0 || offset + length === SIZES[disk]).toBe(true);
      for (let at = offset; at < offset + length; at += GRANULE) granules.add(at / GRANULE);
    }
    const expected = new Set<number>();
    for (const { offset, length } of this.#written[disk]!.slice(from.writes, to.writes)) {
      for (let g = Math.floor(offset / GRANULE); g * GRANULE < offset + length; g++) expected.add(g);
    }
    expect([...granules]).toEqual([...expected].sort((a, b) => a - b));
  }
}

describe('simulated host, random histories', () => {
  const scratch = scratchForEach('sim-property');

  it.each([1, 2, 3, 4])('seed %i', async (seed) => {
    const world = await SimWorld.create(await scratch(), SIZES);
    world.host.pageSize = 3;
    const history = new History(world, seed);
    for (let step = 0; step < 60; step++) {
      const choice = history.below(10);
      if (choice < 5) await history.write();
      else if (choice < 7 && history.standing.length < 4) await history.checkpoint();
      else if (choice < 8) await history.end();
      else if (choice < 9) await history.forget();
      else await world.reopen();
      if (step % 6 === 0) await history.verify();
    }
    await history.checkpoint();
    await history.verify();
    while (history.standing.length > 0) await history.end();
    expect(await world.host.mergeState(world.vmId)).toEqual([]);
    for (const [disk, model] of world.models.entries()) expect((await world.current(disk)).equals(model)).toBe(true);
    // No file is left that nothing refers to.
    const disks = (await world.host.getVm('guest')).disks.map((disk) => disk.path);
    const files = await readdir(join(world.directory, 'Virtual Hard Disks'));
    expect(files.sort()).toEqual(
      disks
        .flatMap((path) => [join(path, '..', path), `${path}.rct`])
        .map((p) => p.split(/[\\/]/).at(-1)!)
        .sort(),
    );
    expect(await readdir(join(world.directory, 'Snapshots'))).toEqual([]);
    await world.host.close();
  });
});

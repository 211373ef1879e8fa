/**
 * Killed or without power at any file operation: the VHDX still opens, what was flushed is there, what was not is old
 * or new sector by sector, and whatever was going on can be done again.
 */
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import {
  createDifferencingVhdx,
  createVhdx,
  inspectDisk,
  mergeIntoParent,
  openDisk,
  resizeVhdx,
} from '../../../../backend/src/disk/index.ts';
import { checkLinkage } from '../../../../backend/src/disk/parent.ts';
import { below, pattern, seeded } from '../../../fuzz/random.ts';
import { scratchForEach } from '../../support/scratch.ts';
import { readAll } from '../support/content.ts';
import { MemoryFiles } from '../support/memory-files.ts';

const MIB = 2 ** 20;
const SECTOR = 512;
const scratch = scratchForEach('disk-crash');

/** Every state that a kill or a power cut after `count` operations may leave. */
function* aftermaths(
  start: MemoryFiles,
  files: MemoryFiles,
): Generator<{ count: number; left: MemoryFiles; how: string }> {
  const operations = [...files.operations];
  for (let count = 0; count <= operations.length; count++) {
    yield { count, left: MemoryFiles.killed(start, operations, count), how: `killed after ${count}` };
    yield { count, left: MemoryFiles.cut(start, operations, count, seeded(count)), how: `cut after ${count}` };
  }
}

/** Contents that each sector may have, newest last: one per write since the last flush. */
class History {
  readonly #versions: { startedAt: number; flushedAt: number; model: Buffer }[] = [];
  #model: Buffer;

  constructor(model: Buffer) {
    this.#model = Buffer.from(model);
    this.#versions.push({ startedAt: 0, flushedAt: 0, model: this.#model });
  }

  wrote(startedAt: number, offset: number, data: Buffer): void {
    this.#model = Buffer.from(this.#model);
    this.#model.set(data, offset);
    this.#versions.push({ startedAt, flushedAt: Number.POSITIVE_INFINITY, model: this.#model });
  }

  flushed(at: number): void {
    for (const version of this.#versions) version.flushedAt = Math.min(version.flushedAt, at);
  }

  get model(): Buffer {
    return this.#model;
  }

  check(content: Buffer, count: number, how: string): void {
    const durable = this.#versions.findLastIndex((version) => version.flushedAt <= count);
    const allowed = this.#versions.slice(durable).filter((version) => version.startedAt <= count);
    for (const { model } of allowed) if (content.equals(model)) return;
    for (let at = 0; at < content.length; at += SECTOR) {
      const sector = content.subarray(at, at + SECTOR);
      if (!allowed.some(({ model }) => sector.equals(model.subarray(at, at + SECTOR)))) {
        throw new Error(`${how} operations: the sector at ${at} has content it never had`);
      }
    }
  }
}

describe('VHDX cut short', () => {
  it.each([{ differencing: false }, { differencing: true }])(
    'while it is written (differencing: $differencing)',
    async ({ differencing }) => {
      const folder = await scratch();
      const size = 6 * MIB + 512;
      const [base, child] = [path.join(folder, 'base.vhdx'), path.join(folder, 'child.avhdx')];
      await createVhdx(base, { size, blockSize: MIB });
      const random = seeded(differencing ? 2 : 1);
      const filled = await openDisk(base, { writable: true });
      await filled.write(0, pattern(1, 2 * MIB));
      await filled.write(4 * MIB, pattern(2, 3000));
      const history = new History(await readAll(filled));
      await filled.close();
      if (differencing) await createDifferencingVhdx(child, base, { blockSize: MIB });

      const files = new MemoryFiles();
      for (const file of differencing ? [base, child] : [base]) files.put(file, await readFile(file));
      const start = files.copy();
      const top = differencing ? child : base;
      const options = { opener: files.open, ...(differencing ? { parent: base } : {}) };
      const disk = await openDisk(top, { ...options, writable: true });
      for (let step = 0; step < 30; step++) {
        const offset = below(random, size / SECTOR) * SECTOR;
        const length = Math.min(size - offset, (1 + below(random, step % 4 === 0 ? 2500 : 8)) * SECTOR);
        const data = step % 6 === 5 ? Buffer.alloc(length) : pattern(step + 10, length);
        const startedAt = files.operations.length;
        await disk.write(offset, data);
        history.wrote(startedAt, offset, data);
        if (step % 5 === 3) {
          await disk.flush();
          history.flushed(files.operations.length);
        }
      }
      await disk.close();
      history.flushed(files.operations.length);
      expect(files.operations.length).toBeGreaterThan(40);
      for (const { count, left, how } of aftermaths(start, files)) {
        const survivor = await openDisk(top, { opener: left.open, ...(differencing ? { parent: base } : {}) });
        history.check(await readAll(survivor), count, how);
        await survivor.close();
      }
    },
  );

  it('while a child is merged: the chain opens and reads the same, and merging again completes it', async () => {
    const folder = await scratch();
    const [base, child] = [path.join(folder, 'base.vhdx'), path.join(folder, 'child.avhdx')];
    await createVhdx(base, { size: 5 * MIB, blockSize: MIB });
    const first = await openDisk(base, { writable: true });
    await first.write(MIB, pattern(1, 2 * MIB));
    await first.close();
    await createDifferencingVhdx(child, base, { blockSize: MIB });
    const second = await openDisk(child, { writable: true });
    await second.write(0, pattern(2, 1024));
    await second.write(MIB + 4096, pattern(3, 9000));
    await second.writeZeros(2 * MIB, MIB);
    await second.write(4 * MIB, pattern(4, MIB));
    await second.close();
    await resizeVhdx(child, 7 * MIB);
    const files = new MemoryFiles();
    for (const file of [base, child]) files.put(file, await readFile(file));
    const start = files.copy();
    const open = (left: MemoryFiles) => openDisk(child, { opener: left.open, parent: base });
    const model = await readAll(await open(files));
    await mergeIntoParent(child, { parent: base, opener: files.open });

    let round = 0;
    for (const { left, how } of aftermaths(start, files)) {
      checkLinkage(await inspectDisk(child, { opener: left.open }), await inspectDisk(base, { opener: left.open }));
      const chain = await readAll(await open(left));
      if (!chain.equals(model)) throw new Error(`${how} operations: the chain reads otherwise`);
      if (round++ % 7 !== 0) continue;
      await mergeIntoParent(child, { parent: base, opener: left.open });
      const merged = await readAll(await openDisk(base, { opener: left.open }));
      if (!merged.equals(model)) throw new Error(`${how} operations: merged again, the parent reads otherwise`);
      checkLinkage(await inspectDisk(child, { opener: left.open }), await inspectDisk(base, { opener: left.open }));
    }
  });

  it('while it grows: the old size or the new, the content the same', async () => {
    const file = path.join(await scratch(), 'grow.vhdx');
    await createVhdx(file, { size: 3 * MIB + 512, blockSize: 2 * MIB });
    const disk = await openDisk(file, { writable: true });
    await disk.write(0, pattern(1, 3 * MIB + 512));
    await disk.close();
    const files = new MemoryFiles();
    files.put(file, await readFile(file));
    const start = files.copy();
    // Large enough for the BAT to be moved.
    const newSize = 2 ** 39;
    await resizeVhdx(file, newSize, { opener: files.open });
    const sizes = new Set<number>();
    for (const { left, how } of aftermaths(start, files)) {
      const survivor = await openDisk(file, { opener: left.open });
      sizes.add(survivor.size);
      const content = Buffer.alloc(Math.min(survivor.size, 6 * MIB));
      await survivor.read(0, content);
      const expected = Buffer.alloc(content.length);
      expected.set(pattern(1, 3 * MIB + 512));
      if (!content.equals(expected)) throw new Error(`${how} operations: the content changed`);
      let data = 0;
      for await (const extent of survivor.extents()) if (extent.kind === 'data') data += extent.length;
      expect(data).toBeLessThanOrEqual(4 * MIB);
    }
    expect([...sizes]).toEqual([3 * MIB + 512, newSize]);
  });
});

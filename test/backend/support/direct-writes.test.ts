/** Writing past the page cache leaves the same file as any other way of writing does. */
import { mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { NewFile } from '../../../backend/src/disk/new-file.ts';
import { alignedSharedMemory } from '../../../backend/src/support/aligned-memory.ts';
import { DirectWrites } from '../../../backend/src/support/direct-writes.ts';
import { openFile } from '../../../backend/src/support/file.ts';
import { GatheredWrites } from '../../../backend/src/support/gathered-writes.ts';

const folder = mkdtempSync(join(tmpdir(), 'hvbackup-direct-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const probe = join(folder, 'probe');
writeFileSync(probe, '');
const available = await DirectWrites.open(probe);
await available?.close();

const MIB = 1 << 20;

describe.skipIf(available === null)('direct writes (skipped where the temporary folder is not on ext4 or XFS)', () => {
  it('take aligned pieces, leave the rest to the caller, and none of them is lost', async () => {
    const size = 24 * MIB;
    const memory = Buffer.from(alignedSharedMemory(4 * MIB));
    const model = Buffer.alloc(size);
    const path = join(folder, 'image');
    const target = await NewFile.create(path);
    await target.file.truncate(size);
    let seed = 7;
    const random = (below: number) => {
      seed = (seed * 1103515245 + 12345) % 2147483648;
      return seed % below;
    };
    for (let round = 0; round < 200; round++) {
      // Mostly as the repository delivers, now and then any offset, length and address.
      const odd = round % 4 === 0;
      const at = odd ? random(MIB) : 4096 * random(200);
      const length = Math.min(
        odd ? 1 + random(2 * MIB) : 65536 * (1 + random(30)) + (random(2) ? 512 : 0),
        4 * MIB - at,
      );
      const data = memory.subarray(at, at + length);
      data.fill(1 + random(255));
      const offset = odd ? random(size - length) : 4096 * random(Math.floor((size - length) / 4096));
      await target.write(offset, data);
      data.copy(model, offset);
    }
    await target.publish();
    expect(readFileSync(path).equals(model)).toBe(true);
  });

  it('are really made from aligned memory, and given up for good with memory that is not', async () => {
    const path = join(folder, 'fallback');
    writeFileSync(path, '');
    truncateSync(path, 4 * MIB);
    const direct = (await DirectWrites.open(path))!;
    const memory = Buffer.from(alignedSharedMemory(MIB)).fill(1);
    expect(await direct.write(0, memory)).toBe(MIB);
    expect(await direct.write(MIB + 512, memory)).toBe(0);
    expect(await direct.write(2 * MIB, memory.subarray(0, 128 * 1024 + 100))).toBe(128 * 1024);
    expect(await direct.write(3 * MIB, memory.subarray(8, 8 + 512 * 1024))).toBe(0);
    expect(await direct.write(0, memory)).toBe(0);
    await direct.close();
    expect(readFileSync(path).subarray(0, MIB).equals(memory)).toBe(true);
  });
});

describe('gathered writes', () => {
  it.skipIf(available === null)('bring pieces of any length, handed in together, in their order', async () => {
    const path = join(folder, 'gathered');
    const file = await openFile(path, 'create');
    const gathered = (await GatheredWrites.open(file))!;
    const pieces = [1, 4096, 70_000, MIB, 3 * MIB + 17, 5, 900_000, 2 * MIB, 65_536].map((length, i) =>
      Buffer.alloc(length, i + 1),
    );
    const shared = Buffer.from(new SharedArrayBuffer(MIB + 3)).fill(99);
    const all = [...pieces, shared.subarray(3), ...pieces.toReversed()];
    const model = Buffer.concat(all);
    // A piece is its owner's again as soon as it was taken.
    await Promise.all(
      all.map((piece) => gathered.append(Buffer.from(piece)).then(() => piece === shared && piece.fill(0))),
    );
    await gathered.end();
    await file.close();
    expect(readFileSync(path).equals(model)).toBe(true);
  });

  it('tell what a write failed with, and do not wait for memory for ever', async () => {
    const path = join(folder, 'failing');
    const file = await openFile(path, 'create');
    let writes = 0;
    const failing = {
      write: async () => {
        writes += 1;
        throw new Error('no space');
      },
      close: async () => undefined,
    };
    const gathered = new GatheredWrites(file, failing);
    const results = await Promise.allSettled(Array.from({ length: 12 }, () => gathered.append(Buffer.alloc(MIB, 1))));
    expect(results.filter(({ status }) => status === 'rejected').length).toBeGreaterThan(0);
    await expect(gathered.end()).rejects.toThrow('no space');
    await expect(gathered.end()).rejects.toThrow('no space');
    expect(writes).toBeLessThanOrEqual(3);
    await file.close();
  });
});

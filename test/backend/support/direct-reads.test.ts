/** Reading past the page cache gives what any other way of reading gives. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { alignedMemory, alignedSharedMemory, isAligned } from '../../../backend/src/support/aligned-memory.ts';
import { openUncached } from '../../../backend/src/support/direct-reads.ts';
import { openFile } from '../../../backend/src/support/file.ts';
import { noise } from '../../fixtures/content.ts';

const folder = mkdtempSync(join(tmpdir(), 'hvbackup-direct-reads-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const MIB = 1 << 20;
const content = noise(9 * MIB + 1234, 5);
const path = join(folder, 'file');
writeFileSync(path, content);

describe('a file opened past the page cache', () => {
  it('reads any offset and length into any memory', async () => {
    const file = await openUncached(path, 'read');
    const memories = [
      Buffer.from(alignedSharedMemory(4 * MIB)),
      Buffer.from(alignedMemory(4 * MIB)),
      Buffer.alloc(4 * MIB),
    ];
    let seed = 11;
    const random = (below: number) => {
      seed = (seed * 1103515245 + 12345) % 2147483648;
      return seed % below;
    };
    const reads = Array.from({ length: 300 }, async (_, round) => {
      const length = 1 + random(round % 3 === 0 ? 200_000 : 2 * MIB);
      const offset = random(content.length - length);
      const memory = memories[round % 3]!;
      // Most lie to a page as the file does; some do not, and are read through the cache.
      const at = round % 5 === 0 ? random(MIB) : 4096 * random(200) + (offset % 4096);
      return { offset, length, memory, at };
    });
    for (const { offset, length, memory, at } of await Promise.all(reads)) {
      const [before, behind] = [memory[at - 1], memory[at + length]];
      const target = memory.subarray(at, at + length);
      await file.readFully(offset, target);
      expect(target.equals(content.subarray(offset, offset + length))).toBe(true);
      expect([memory[at - 1], memory[at + length]]).toEqual([before, behind]);
    }
    await file.close();
  });

  it('says where the file ends as any other does', async () => {
    const target = Buffer.from(alignedMemory(MIB));
    for (const open of [openUncached, openFile]) {
      const file = await open(path, 'read');
      // Neither begins nor ends with a page: the end of the file lies in the first, the whole or the last part of such
      // a read.
      for (const beyond of [1, 200, 3000, 5000, 70_000, 300_000]) {
        const odd = content.length + beyond - 400_000;
        const shifted = target.subarray(odd % 4096, (odd % 4096) + 400_000);
        expect(await file.readUpTo(odd, shifted)).toBe(400_000 - beyond);
        expect(shifted.subarray(0, 400_000 - beyond).equals(content.subarray(odd))).toBe(true);
      }
      const offset = 9 * MIB - 8192;
      expect(await file.readUpTo(offset, target)).toBe(8192 + 1234);
      expect(target.subarray(0, 8192 + 1234).equals(content.subarray(offset))).toBe(true);
      await expect(file.readFully(offset, target)).rejects.toMatchObject({ code: 'IO_ERROR' });
      expect(await file.readUpTo(20 * MIB, target)).toBe(0);
      await file.close();
      await file.close();
    }
  });

  it('sees what another handle has written and not flushed', async () => {
    const other = join(folder, 'written');
    writeFileSync(other, Buffer.alloc(2 * MIB));
    const [reader, writer] = [await openUncached(other, 'read'), await openFile(other, 'write')];
    const target = Buffer.from(alignedMemory(2 * MIB));
    for (let value = 1; value < 20; value++) {
      await writer.writeFully(value * 4096 + 7, Buffer.alloc(MIB, value));
      await reader.readFully(0, target);
      expect(target.subarray(value * 4096 + 7, value * 4096 + 7 + MIB).every((byte) => byte === value)).toBe(true);
    }
    await writer.close();
    await reader.close();
  });

  it('knows aligned memory from other memory', () => {
    const aligned = new Uint8Array(alignedMemory(MIB));
    expect(isAligned(aligned, 8192, 4096)).toBe(process.platform === 'linux');
    expect(isAligned(aligned.subarray(512), 512, 4096)).toBe(process.platform === 'linux');
    expect(isAligned(aligned.subarray(512), 0, 4096)).toBe(false);
    expect(isAligned(new Uint8Array(MIB), 0, 4096)).toBe(false);
  });
});

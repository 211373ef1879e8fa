import { createHash, randomBytes } from 'node:crypto';
import { Worker } from 'node:worker_threads';
import { describe, expect, it } from 'vitest';
import { writePageList } from '../../../../backend/src/repository/engine/page-list.ts';
import { idAt, META_FIELDS, Meta } from '../../../../backend/src/repository/engine/slot.ts';
import type { TaskRequest } from '../../../../backend/src/repository/engine/tasks.ts';
import { SlotSet, WorkerPool } from '../../../../backend/src/repository/engine/worker-pool.ts';
import { trimmedLength } from '../../../../backend/src/repository/engine/zeros.ts';
import { blockId, listLength } from '../../../../backend/src/repository/format/block-scheme.ts';
import { RecordKind } from '../../../../backend/src/repository/format/constants.ts';
import { copyBytes, zeroBytes } from '../../../../backend/src/support/copy-bytes.ts';
import { BLOCK, sampleBytes } from '../support/model.ts';

/** Version 1: no pages. */
const SCHEME = { blockSize: BLOCK, pageSize: 0, idKey: null };

describe('trimmedLength', () => {
  it('finds the last byte that is not zero', () => {
    const bytes = Buffer.alloc(200_000);
    expect(trimmedLength(bytes, 0, bytes.length)).toBe(0);
    for (const last of [0, 1, 63, 64, 65, 4095, 4096, 65_535, 65_536, 99_999, 131_072, 199_998, 199_999]) {
      bytes.fill(0);
      bytes[last] = 1;
      expect(trimmedLength(bytes, 0, bytes.length)).toBe(last + 1);
      if (last >= 1000) expect(trimmedLength(bytes, 1000, bytes.length)).toBe(last - 999);
      bytes[0] = 1;
      expect(trimmedLength(bytes, 0, bytes.length)).toBe(last + 1);
    }
  });
});

describe('the codec workers', () => {
  it.each([
    ['in plain', SCHEME, undefined],
    [
      'encrypted',
      { ...SCHEME, pageSize: 16_384, idKey: Uint8Array.from(randomBytes(32)) },
      { key: Uint8Array.from(randomBytes(32)), place: Uint8Array.from(randomBytes(32)) },
    ],
  ])('hash, encode and decode what lies in a shared slot, %s', async (_how, scheme, cipher) => {
    const ciphers = cipher === undefined ? [] : [cipher];
    const pool = new WorkerPool(scheme, 2);
    const slots = new SlotSet(pool);
    const slot = await slots.acquire();
    const plain = Buffer.concat([
      sampleBytes(BLOCK, 1),
      Buffer.alloc(BLOCK),
      randomBytes(BLOCK),
      Buffer.alloc(BLOCK, 5),
    ]);
    plain.copy(slot.input);
    for (let block = 0; block < 4; block++) {
      slot.meta[block * META_FIELDS + Meta.kind] = RecordKind.block;
      slot.meta[block * META_FIELDS + Meta.plain] = block * BLOCK;
      slot.meta[block * META_FIELDS + Meta.plainLength] = BLOCK;
    }
    await pool.run({ task: 'digest', slot: slot.number, count: 4, ciphers: [] });
    const lengths = [0, 1, 2, 3].map((block) => slot.meta[block * META_FIELDS + Meta.rawLength]!);
    expect([lengths[1], lengths[3]]).toEqual([0, BLOCK]);
    const named = Buffer.alloc(listLength(scheme, BLOCK) || BLOCK, 5);
    if (scheme.pageSize > 0) writePageList(named, Buffer.alloc(BLOCK, 5), 0, BLOCK, scheme.pageSize);
    expect(idAt(slot, 3).equals(blockId(scheme, named))).toBe(true);
    for (let block = 0; block < 4; block++) slot.meta[block * META_FIELDS + Meta.wanted] = lengths[block]! > 0 ? 1 : 0;
    const { length } = await pool.run({
      task: 'encode',
      slot: slot.number,
      count: 4,
      setting: 'default',
      sequence: 0,
      cipher,
    });
    expect(length).toBeLessThan(2 * BLOCK);
    slot.output.copy(slot.input, 0, 0, length);
    const { failures } = await pool.run({ task: 'decode', slot: slot.number, count: 4, ciphers });
    expect(failures.map((failure) => failure.block)).toEqual([1]);
    for (const block of [0, 2, 3])
      expect(
        slot.output
          .subarray(block * BLOCK, (block + 1) * BLOCK)
          .equals(plain.subarray(block * BLOCK, (block + 1) * BLOCK)),
      ).toBe(true);
    await pool.close();
  });

  it('that die or fail are an error, not a wait', async () => {
    for (const code of ['process.exit(3)', 'throw new Error("broken")', 'setTimeout(() => process.exit(1), 50)']) {
      const pool = new WorkerPool(SCHEME, 1, () => new Worker(code, { eval: true }));
      const slot = pool.takeSlot();
      const request = { task: 'digest', slot: slot.number, count: 1, ciphers: [] } satisfies TaskRequest;
      await expect(pool.run(request)).rejects.toMatchObject({ code: 'INTERNAL' });
      await expect(pool.run(request)).rejects.toMatchObject({ code: 'INTERNAL' });
      await pool.close();
    }
  });

  it('hand slots out up to the bound, then in turn', async () => {
    const pool = new WorkerPool(SCHEME, 0);
    const slots = new SlotSet(pool, 2);
    const first = await slots.acquire();
    await slots.acquire();
    expect(slots.tryAcquire()).toBeUndefined();
    const waiting = slots.acquire();
    slots.release(first);
    expect(await waiting).toBe(first);
    await pool.close();
  });
});

describe('copyBytes', () => {
  it('copies all that fits, to shared memory and to plain', () => {
    for (const memory of [new SharedArrayBuffer(1000), new ArrayBuffer(1000)])
      for (const [length, at] of [
        [0, 5],
        [1, 0],
        [1, 999],
        [3, 997],
        [400, 13],
        [400, 800],
        [7, 1000],
        [7, 1001],
      ] as const) {
        const target = Buffer.from(memory).fill(0xee);
        const source = randomBytes(length);
        const expected = Buffer.alloc(1000, 0xee);
        const fits = Math.max(0, Math.min(length, 1000 - at));
        for (let i = 0; i < fits; i++) expected[at + i] = source[i]!;
        expect(copyBytes(source, target, at)).toBe(fits);
        expect(target.equals(expected)).toBe(true);
      }
  });
});

describe('zeroBytes', () => {
  it('fills exactly what it is told, however long', () => {
    for (const memory of [new SharedArrayBuffer(300_000), new ArrayBuffer(300_000)])
      for (const [start, end] of [
        [0, 300_000],
        [0, 0],
        [5, 5],
        [7, 3],
        [1, 2],
        [100, 65_636],
        [3, 65_540],
        [299_999, 300_000],
        [12_345, 290_001],
      ] as const) {
        const target = Buffer.from(memory).fill(0xee);
        const expected = Buffer.alloc(300_000, 0xee);
        if (start < end) expected.fill(0, start, end);
        zeroBytes(target, start, end);
        expect(target.equals(expected), `${start} to ${end}`).toBe(true);
      }
  });
});

describe('page lists', () => {
  it('hold the SHA-256 of each page without its trailing zeros, whatever its bytes', () => {
    const page = 64;
    const count = 4000;
    const bytes = randomBytes(page * count);
    for (let i = 0; i < count; i += 3) bytes.fill(0, i * page + (i % (page + 1)), (i + 1) * page);
    bytes[bytes.length - 1] = 1;
    const list = Buffer.from(new SharedArrayBuffer(count * 32 + 1)).subarray(1);
    expect(writePageList(list, bytes, 0, bytes.length, page)).toBe(count * 32);
    for (let i = 0; i < count; i++) {
      let end = (i + 1) * page;
      while (end > i * page && bytes[end - 1] === 0) end -= 1;
      const content = bytes.subarray(i * page, end);
      const expected = end === i * page ? Buffer.alloc(32) : createHash('sha256').update(content).digest();
      expect(list.subarray(i * 32, (i + 1) * 32).equals(expected), `page ${i}`).toBe(true);
    }
  });
});

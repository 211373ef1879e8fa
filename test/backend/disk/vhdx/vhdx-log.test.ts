/** Dirty logs: which entries count, replay in memory and for real, and logs that must not be believed. */
import { readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { createVhdx, openDisk } from '../../../../backend/src/disk/index.ts';
import { updateHeaders } from '../../../../backend/src/disk/vhdx/headers.ts';
import { openLayout } from '../../../../backend/src/disk/vhdx/layout.ts';
import { openFile } from '../../../../backend/src/support/file.ts';
import { newGuid } from '../../../../backend/src/support/guid.ts';
import { type Change, logEntry, placeEntry } from '../../../fuzz/log-builder.ts';
import { pattern, seeded } from '../../../fuzz/random.ts';
import { scratchForEach } from '../../support/scratch.ts';
import { hasTool, tool } from '../../support/tools.ts';
import { readAll } from '../support/content.ts';
import { MemoryFiles } from '../support/memory-files.ts';

const MIB = 2 ** 20;
const LOG_OFFSET = MIB;
const BAT_OFFSET = 3 * MIB;
const scratch = scratchForEach('disk-log');

interface Dirty {
  file: string;
  guid: string;
  log: Buffer;
  size: number;
  /** First payload block of the file: block 0 of the disk. */
  block: number;
  save(): Promise<void>;
}

/** A disk of 4 MiB with block 0 allocated, whose headers say that the log is in use. */
async function dirtyDisk(): Promise<Dirty> {
  const file = path.join(await scratch(), 'dirty.vhdx');
  await createVhdx(file, { size: 4 * MIB, blockSize: MIB });
  const disk = await openDisk(file, { writable: true });
  await disk.write(0, pattern(1, MIB));
  await disk.close();
  const guid = newGuid();
  const layout = await openLayout(await openFile(file, 'write'), 'write');
  await updateHeaders(layout.file, layout.headers, { logGuid: guid });
  await layout.file.close();
  const log = Buffer.alloc(MIB);
  const size = layout.fileSize;
  const save = async (): Promise<void> => {
    const bytes = await readFile(file);
    log.copy(bytes, LOG_OFFSET);
    await writeFile(file, bytes);
  };
  return { file, guid, log, size, block: size - MIB, save };
}

const sector = (tag: number): Buffer => pattern(tag, 4096);

/** Content through the log in memory, and after a replay for real; both must be the same. */
async function bothWays(file: string): Promise<Buffer> {
  const before = await readFile(file);
  const reading = await openDisk(file);
  expect(reading.info.log).toBe('dirty');
  const content = await readAll(reading);
  const odd = Buffer.alloc(10_000);
  await reading.read(3001, odd);
  expect(odd.equals(content.subarray(3001, 13_001))).toBe(true);
  await reading.close();
  expect((await readFile(file)).equals(before)).toBe(true);
  await (await openDisk(file, { writable: true })).close();
  const replayed = await openDisk(file);
  expect(replayed.info.log).toBe('clean');
  expect((await readAll(replayed)).equals(content)).toBe(true);
  await replayed.close();
  if (hasTool('qemu-img')) expect(tool('qemu-img', 'check', file)).toContain('No errors');
  return content;
}

describe('a dirty VHDX log', () => {
  it('applies the sequence that the newest entry begins, in order; stale, foreign and torn entries do not count', async () => {
    const { file, guid, log, size, block, save } = await dirtyDisk();
    const entry = (sequence: number, tail: number, changes: Change[], of = guid): Buffer =>
      logEntry({ sequence, tail, guid: of, changes, flushedSize: size, lastSize: size });
    let at = 8192;
    at = placeEntry(log, at, entry(3, 8192, [{ at: block, data: sector(99) }]));
    const tail = at;
    at = placeEntry(log, at, entry(4, tail, [{ at: block, data: Buffer.concat([sector(2), sector(3)]) }]));
    at = placeEntry(
      log,
      at,
      entry(5, tail, [
        { at: block + 4096, data: sector(4) },
        { at: block + 8192, zeros: 8192 },
      ]),
    );
    const torn = entry(6, tail, [{ at: block, data: sector(98) }]);
    torn[5000]! ^= 1;
    placeEntry(log, at, torn);
    placeEntry(log, 65536, entry(9, 65536, [{ at: block, data: sector(97) }], newGuid()));
    await save();
    const expected = Buffer.alloc(4 * MIB);
    expected.set(pattern(1, MIB));
    expected.set(sector(2), 0);
    expected.set(sector(4), 4096);
    expected.fill(0, 8192, 16384);
    expect((await bothWays(file)).equals(expected)).toBe(true);
  });

  it('goes around the end of the log, and changes the BAT and a file that is not yet long enough', async () => {
    const { file, guid, log, size, save } = await dirtyDisk();
    const bat = Buffer.from((await readFile(file)).subarray(BAT_OFFSET, BAT_OFFSET + 4096));
    bat.writeBigUInt64LE(((BigInt(size) / BigInt(MIB)) << 20n) | 6n, 16);
    const tail = MIB - 8192;
    const options = { tail, guid, flushedSize: size, lastSize: size + MIB };
    const next = placeEntry(
      log,
      tail,
      logEntry({
        ...options,
        sequence: 7,
        changes: [
          { at: BAT_OFFSET, data: bat },
          { at: size, data: sector(5) },
        ],
      }),
    );
    placeEntry(
      log,
      next,
      logEntry({
        ...options,
        sequence: 8,
        changes: [
          { at: size + 8192, data: sector(6) },
          { at: size, zeros: 4096 },
        ],
      }),
    );
    await save();
    const expected = Buffer.alloc(4 * MIB);
    expected.set(pattern(1, MIB));
    expected.set(sector(6), 2 * MIB + 8192);
    expect((await bothWays(file)).equals(expected)).toBe(true);
  });

  it('later zeros win over earlier data and the other way round, whatever they overlap', async () => {
    const { file, guid, log, size, block, save } = await dirtyDisk();
    const random = seeded(4);
    const expected = Buffer.alloc(4 * MIB);
    expected.set(pattern(1, MIB));
    let at = 0;
    for (let sequence = 1; sequence <= 20; sequence++) {
      const changes = Array.from({ length: 4 }, (): Change => {
        const from = Math.floor(random() * 40) * 4096;
        if (random() < 0.5) {
          const zeros = (1 + Math.floor(random() * 10)) * 4096;
          expected.fill(0, from, from + zeros);
          return { at: block + from, zeros };
        }
        const data = sector(Math.floor(random() * 200));
        expected.set(data, from);
        return { at: block + from, data };
      });
      at = placeEntry(log, at, logEntry({ sequence, tail: 0, guid, changes, flushedSize: size, lastSize: size }));
    }
    await save();
    expect((await bothWays(file)).equals(expected)).toBe(true);
  });

  it('is refused when it is marked as in use but says nothing, or tells of a longer file', async () => {
    const empty = await dirtyDisk();
    await expect(openDisk(empty.file)).rejects.toMatchObject({
      code: 'DISK_CORRUPT',
      message: expect.stringContaining('0x100000'),
    });
    await expect(openDisk(empty.file, { writable: true })).rejects.toMatchObject({ code: 'DISK_CORRUPT' });
    const short = await dirtyDisk();
    const { guid, block, size } = short;
    const changes = [{ at: block, data: sector(1) }];
    placeEntry(
      short.log,
      0,
      logEntry({ sequence: 1, tail: 0, guid, changes, flushedSize: size + MIB, lastSize: size + MIB }),
    );
    await short.save();
    await expect(openDisk(short.file)).rejects.toMatchObject({ code: 'DISK_CORRUPT' });
  });

  it('never writes to headers or to itself', async () => {
    for (const at of [0, 65536, LOG_OFFSET]) {
      const { file, guid, log, size, save } = await dirtyDisk();
      placeEntry(
        log,
        0,
        logEntry({ sequence: 1, tail: 0, guid, changes: [{ at, data: sector(1) }], flushedSize: size, lastSize: size }),
      );
      await save();
      await expect(openDisk(file, { writable: true })).rejects.toMatchObject({ code: 'DISK_CORRUPT' });
    }
  });

  it('can be cut short while it is replayed: replaying again completes it', async () => {
    const { file, guid, log, size, block, save } = await dirtyDisk();
    const options = { tail: 0, guid, flushedSize: size, lastSize: size + MIB };
    const next = placeEntry(
      log,
      0,
      logEntry({
        ...options,
        sequence: 1,
        changes: [
          { at: block, data: sector(2) },
          { at: block + 65536, zeros: 65536 },
        ],
      }),
    );
    placeEntry(log, next, logEntry({ ...options, sequence: 2, changes: [{ at: block + 4096, data: sector(3) }] }));
    await save();
    const files = new MemoryFiles();
    files.put(file, await readFile(file));
    const start = files.copy();
    const model = await readAll(await openDisk(file, { opener: files.open }));
    await (await openDisk(file, { opener: files.open, writable: true })).close();
    for (let count = 0; count <= files.operations.length; count++) {
      for (const left of [
        MemoryFiles.killed(start, files.operations, count),
        MemoryFiles.cut(start, files.operations, count, seeded(count)),
      ]) {
        expect((await readAll(await openDisk(file, { opener: left.open }))).equals(model)).toBe(true);
      }
    }
  });

  it.skipIf(!hasTool('qemu-io'))(
    'is read as qemu reads it when qemu-io was killed (skipped without qemu-io)',
    async () => {
      const file = path.join(await scratch(), 'killed.vhdx');
      tool('qemu-img', 'create', '-q', '-f', 'vhdx', '-o', 'subformat=dynamic,block_size=1M', file, '16M');
      try {
        tool('qemu-io', '-f', 'vhdx', '-c', 'write -P 7 1M 64k', '-c', 'write -P 8 9M 64k', '-c', 'sigraise 9', file);
      } catch {
        // Killed as asked.
      }
      const disk = await openDisk(file);
      const content = await readAll(disk);
      await disk.close();
      tool('qemu-img', 'check', '-q', '-r', 'all', file);
      const raw = `${file}.raw`;
      tool('qemu-img', 'convert', '-f', 'vhdx', '-O', 'raw', file, raw);
      expect((await readFile(raw)).equals(content)).toBe(true);
    },
  );
});

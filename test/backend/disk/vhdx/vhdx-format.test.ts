/** VHDX structures: what is rendered parses to the same, at the offsets of the specification. */
import { describe, expect, it } from 'vitest';
import { describeParentPath, parentCandidates } from '../../../../backend/src/disk/parent.ts';
import { readBatEntry, writeBatEntry } from '../../../../backend/src/disk/vhdx/format/bat-entry.ts';
import {
  parseFileIdentifier,
  parseHeader,
  renderFileIdentifier,
  renderHeader,
} from '../../../../backend/src/disk/vhdx/format/header.ts';
import {
  locatorToParent,
  parentToLocator,
  parseLocator,
  renderLocator,
} from '../../../../backend/src/disk/vhdx/format/locator.ts';
import { parseMetadataTable, renderMetadataTable } from '../../../../backend/src/disk/vhdx/format/metadata-table.ts';
import { parseRegionTable, renderRegionTable } from '../../../../backend/src/disk/vhdx/format/region-table.ts';
import { bitmapIndex, blockFromIndex, geometryOf, payloadIndex } from '../../../../backend/src/disk/vhdx/geometry.ts';
import { bitRuns, setBits } from '../../../../backend/src/disk/vhdx/sector-bitmap.ts';
import { isZero, nonZeroStretches, readU64LE, writeU64LE } from '../../../../backend/src/support/bytes.ts';
import { crc32c, crc32cWithout } from '../../../../backend/src/support/crc32c.ts';
import { newGuid } from '../../../../backend/src/support/guid.ts';
import { below, seeded } from '../../../fuzz/random.ts';

const MIB = 2 ** 20;

describe('VHDX format', () => {
  it('CRC-32C: known values, in pieces, around a checksum', () => {
    const digits = Buffer.from('123456789');
    expect(crc32c(digits)).toBe(0xe3069283);
    expect(crc32c(digits.subarray(4), crc32c(digits.subarray(0, 4)))).toBe(0xe3069283);
    expect(crc32c(Buffer.alloc(32, 0xff))).toBe(0x62a8ab43);
    const data = Buffer.from('abcd1234efgh');
    expect(crc32cWithout(data, 4)).toBe(crc32c(Buffer.from('abcd\0\0\0\0efgh')));
  });

  it('headers and file identifier', () => {
    const header = {
      sequenceNumber: 2n ** 63n + 5n,
      fileWriteGuid: newGuid(),
      dataWriteGuid: newGuid(),
      logGuid: newGuid(),
      logVersion: 0,
      version: 1,
      logLength: MIB,
      logOffset: 2 ** 45,
    };
    const bytes = renderHeader(header);
    expect(bytes.length).toBe(4096);
    expect(parseHeader(bytes)).toEqual(header);
    bytes[4000]! ^= 1;
    expect(parseHeader(bytes)).toBeNull();
    expect(parseFileIdentifier(renderFileIdentifier('Größe'))).toBe('Größe');
    expect(parseFileIdentifier(Buffer.alloc(520))).toBeNull();
  });

  it('region and metadata tables', () => {
    const regions = [{ id: newGuid(), offset: 2 ** 46, length: 3 * MIB, required: true }];
    const table = renderRegionTable(regions);
    expect(parseRegionTable(table)).toEqual(regions);
    table[100]! ^= 1;
    expect(parseRegionTable(table)).toBeNull();
    const entries = [
      { id: newGuid(), offset: 65536, length: 8, isUser: false, isVirtualDisk: true, isRequired: true },
      { id: newGuid(), offset: 65544, length: 16, isUser: true, isVirtualDisk: false, isRequired: false },
    ];
    expect(parseMetadataTable(renderMetadataTable(entries))).toEqual(entries);
  });

  it('parent locators', () => {
    const parent = {
      linkage: [newGuid(), newGuid()],
      relativePath: '..\\b\\ä.vhdx',
      volumePath: '\\\\?\\Volume{0eba351e-5634-46d6-a8cf-4ddc2d6ac0b9}\\b',
      absolutePath: 'C:\\b\\ä.vhdx',
    };
    const bytes = renderLocator(parentToLocator(parent));
    expect(locatorToParent(parseLocator(bytes)!)).toEqual(parent);
    for (let length = 0; length < bytes.length; length += 3) expect(parseLocator(bytes.subarray(0, length))).toBeNull();
    expect(describeParentPath('/x/a/child.avhdx', '/x/b/base.vhdx').relativePath).toBe('..\\b\\base.vhdx');
    expect(describeParentPath('/x/child.avhdx', '/x/base.vhdx').relativePath).toBe('.\\base.vhdx');
  });

  it.skipIf(process.platform === 'win32')(
    'parents that Windows named are looked for beside the child (not on Windows)',
    () => {
      const child = { path: '/disks/child.avhdx', parent: { linkage: [], absolutePath: 'C:\\VMs\\base.vhdx' } };
      expect(parentCandidates(child as never).places).toEqual(['/disks/base.vhdx']);
      const both = { ...child, parent: { linkage: [], relativePath: '..\\up\\base.vhdx' } };
      expect(parentCandidates(both as never).places).toEqual(['/up/base.vhdx', '/disks/base.vhdx']);
    },
  );

  it('BAT entries up to the last place a file can have', () => {
    const bytes = Buffer.alloc(16);
    for (const place of [0, MIB, 4095 * MIB, 4096 * MIB, 2 ** 46, 2 ** 53 - MIB]) {
      writeBatEntry(bytes, 8, 6, place);
      expect(readBatEntry(bytes, 8)).toEqual({ state: 6, fileOffset: place, reserved: 0 });
      expect(bytes.readBigUInt64LE(8)).toBe((BigInt(place / MIB) << 20n) | 6n);
    }
  });

  it('the BAT interleaves one sector bitmap entry after each chunk', () => {
    const geometry = geometryOf(2 ** 46, MIB, 512, true);
    expect(geometry).toMatchObject({ chunkRatio: 4096, blockCount: 2 ** 26, batEntries: 2 ** 26 + 2 ** 14 });
    expect(geometryOf(2 ** 46, MIB, 512, false).batEntries).toBe(2 ** 26 + 2 ** 14 - 1);
    expect(geometryOf(2 ** 46, 256 * MIB, 512, false).chunkRatio).toBe(16);
    expect(geometryOf(2 ** 46, MIB, 4096, false).chunkRatio).toBe(32768);
    expect([0, 4095, 4096, 8192].map((block) => payloadIndex(geometry, block))).toEqual([0, 4095, 4097, 8194]);
    expect([0, 1].map((chunk) => bitmapIndex(geometry, chunk))).toEqual([4096, 8193]);
    for (let index = 0; index < 20_000; index++) {
      const block = blockFromIndex(geometry, index);
      expect(payloadIndex(geometry, block) >= index && (block === 0 || payloadIndex(geometry, block - 1) < index)).toBe(
        true,
      );
    }
  });

  it('sector bitmaps: bit 0 is the lowest of the first byte', () => {
    const random = seeded(1);
    const bits = Array.from({ length: 400 }, () => false);
    const bytes = Buffer.alloc(52);
    for (let step = 0; step < 20; step++) {
      const from = below(random, 400);
      const to = from + below(random, 401 - from);
      setBits(bytes, 2, from, to);
      bits.fill(true, from, to);
      bits.forEach((bit, index) => {
        expect(((bytes[2 + (index >> 3)]! >> (index & 7)) & 1) === 1).toBe(bit);
      });
      const [start, end] = [below(random, 200), 200 + below(random, 201)];
      const runs = [...bitRuns(bytes, 2, start, end)];
      expect(runs.flatMap((run) => Array.from({ length: run.to - run.from }, () => run.present))).toEqual(
        bits.slice(start, end),
      );
      for (const [index, run] of runs.entries()) if (index > 0) expect(run.present).not.toBe(runs[index - 1]!.present);
      if (step % 5 === 4) {
        bits.fill(false);
        bytes.fill(0);
      }
    }
  });

  it('bytes: 64-bit fields and zeros', () => {
    const bytes = Buffer.alloc(16);
    for (const value of [0, 1, 2 ** 32, 2 ** 53 - 1]) {
      writeU64LE(bytes, value, 3);
      expect(readU64LE(bytes, 3)).toBe(value);
    }
    bytes.fill(0xff);
    expect(readU64LE(bytes, 0)).toBeGreaterThan(Number.MAX_SAFE_INTEGER);
    const large = Buffer.alloc(3 * MIB);
    expect(isZero(large)).toBe(true);
    large[2 * MIB + 5] = 1;
    expect(isZero(large)).toBe(false);
    expect([...nonZeroStretches(large, 65536)]).toEqual([{ start: 2 * MIB, end: 2 * MIB + 65536 }]);
    large[MIB * 3 - 1] = 1;
    expect([...nonZeroStretches(large.subarray(0, 3 * MIB), 2 * MIB)]).toEqual([{ start: 2 * MIB, end: 3 * MIB }]);
  });
});

/** Hostile and broken files: each rule that is broken is named, with its place. */
import { describe, expect, it } from 'vitest';
import { isLater } from '../../../../backend/src/hosts/configuration/hvs/format/file-header.ts';
import { bytes, int, node, text } from '../../../../backend/src/hosts/configuration/hvs/values.ts';
import { openHvs, renderHvs } from '../../../../backend/src/hosts/configuration/index.ts';
import { repairChecksums } from '../../../fuzz/configuration-checksums.ts';

/** Keys at 0x300a (a), 0x302d+… in the order below; the first object entry at 0x2008. */
const TREE = [node('a', node('b', int('c', 1))), text('t', 'xy'), bytes('long', new Uint8Array(3000).fill(7))];
const FIRST = 0x300a;
const SIZE_OF_NODE = 21 + 2 + 12;
const B = FIRST + SIZE_OF_NODE;
const C = B + SIZE_OF_NODE;
const T = C + 21 + 2 + 8;
const LONG = T + 21 + 2 + 4 + 4;

const open = (change: (file: Buffer) => void, repair = true) => {
  const file = Buffer.from(renderHvs(TREE));
  change(file);
  if (repair) repairChecksums(file);
  return openHvs(file, 'x.vmcx');
};

describe('a damaged file', () => {
  it('is read as long as one header is valid', async () => {
    for (const at of [0, 0x1000]) {
      const hvs = await open((file) => file.fill(0, at, at + 46), false);
      expect(await hvs.tree()).toEqual(TREE);
    }
  });

  it('may have its newer header in either place, and a sequence number that wrapped round', async () => {
    expect([isLater(1, 0), isLater(0, 1), isLater(0, 0xffff), isLater(0xffff, 0), isLater(5, 5)]).toEqual([
      true,
      false,
      true,
      false,
      false,
    ]);
    const hvs = await open((file) => {
      file.writeUInt16LE(0xffff, 8);
      file.writeBigUInt64LE(99n, 26);
    });
    expect(await hvs.tree()).toEqual(TREE);
  });

  it.each<[string, (file: Buffer) => void, boolean, string]>([
    ['both headers', (file) => [file.writeUInt8(9, 8), file.writeUInt8(9, 0x1008)], false, 'neither header'],
    ['headers of one number', (file) => [file.writeUInt16LE(1, 0x1008), file.writeUInt8(1, 14)], true, 'same sequence'],
    ['the alignment', (file) => file.writeUInt32LE(0x1800, 22), true, 'alignment of 6144'],
    ['the place of the log', (file) => file.writeBigUInt64LE(0x1000n, 26), true, 'log an impossible place'],
    ['the end of the log', (file) => file.writeBigUInt64LE(1n << 63n, 26), true, 'leaves the file'],
    ["the log's signature", (file) => file.writeUInt8(0, 0x4000), true, "log's header"],
    ['the object table', (file) => file.writeUInt8(0, 0x2000), true, 'no object table'],
    ['the count of objects', (file) => file.writeUInt32LE(0xffffffff, 0x2004), true, 'leaves the file'],
    ['an object', (file) => file.writeUInt8(0, 0x2008 + 17), false, 'object table has a wrong checksum'],
    ['the place of an object', (file) => file.writeBigUInt64LE(1n << 60n, 0x200d), true, 'impossible place'],
    ['an object outside', (file) => file.writeBigUInt64LE(1n << 40n, 0x200d), true, 'leaves the file'],
    ['an object in the headers', (file) => file.writeBigUInt64LE(0x1000n, 0x200d), true, 'overlaps the headers'],
    ['an object over the log', (file) => file.writeUInt32LE(0x1001, 0x2015), true, 'the log overlaps a key table'],
    ['a circle of object tables', circle, true, 'form a circle'],
    ['a key table', (file) => file.writeUInt8(0, 0x3000), true, 'key table is not valid'],
    ['a key table of no size', (file) => file.writeUInt32LE(0, 0x2015), true, 'key table is not valid'],
    ['the header of a key table', (file) => file.writeUInt8(9, 0x3004), false, 'key table is not valid'],
    ['the index of a key table', (file) => file.writeUInt16LE(0, 0x3002), true, 'key table is not valid'],
    ['a key', (file) => file.writeUInt8(9, C + 24), false, 'key has a wrong checksum'],
    ['a key that is marked free', (file) => file.writeUInt8(1, T), false, 'marked free'],
    ['a key table that is there twice', twice, true, 'key table 1 exists twice'],
    ['an object table without its last entry', (file) => file.writeUInt32LE(1, 0x2004), true, 'no business there'],
    ['an object table without entries', (file) => file.writeUInt32LE(0, 0x2004), true, 'has no entries'],
    ['a key of no size', (file) => file.writeUInt32LE(0, C + 2), true, 'does not fit into key table 1'],
    ['a key over the end', (file) => file.writeUInt32LE(0xffffffff, C + 2), true, 'does not fit into key table 1'],
    ['a name over the end', (file) => file.writeUInt8(255, C + 20), true, 'does not fit into key table 1'],
    ['a value over the end', (file) => file.writeUInt32LE(0xffffff, T + 23), true, 'does not fit into its key'],
    ['a name without end', (file) => file.writeUInt8(0x41, C + 22), true, 'name of a key'],
    ['a name that is no UTF-8', (file) => file.writeUInt8(0xff, C + 21), true, 'name of a key'],
    ['a name with a slash', (file) => file.writeUInt8(0x2f, C + 21), true, 'name of a key'],
    ['a parent that is no node', (file) => file.writeUInt32LE(C - 0x3000, T + 8), true, 'parent of key "t"'],
    ['a parent that does not exist', (file) => file.writeUInt16LE(9, T + 6), true, 'parent of key "t"'],
    ['a parent beside the root', (file) => file.writeUInt32LE(1, T + 8), true, 'parent of key "t"'],
    ['keys in a circle', (file) => keyBelow(file, FIRST, B), true, '3 keys form a circle'],
    ['a key below itself', (file) => keyBelow(file, B, B), true, '2 keys form a circle'],
    ['a long value that is no object', (file) => file.writeUInt8(1, LONG + 30), true, 'no object table lists'],
    ['a long value that is too long', (file) => file.writeUInt32LE(0x1001, LONG + 26), true, 'no object table lists'],
    ['a long number', (file) => file.writeUInt8(1, C + 1), true, 'a long int cannot be'],
  ])('%s', async (_, change, repair, message) => {
    const error = open(change, repair);
    await expect(error).rejects.toMatchObject({ code: 'CONFIGURATION_CORRUPT' });
    await expect(error).rejects.toThrow(message);
    await expect(error).rejects.toThrow(/x\.vmcx$/);
  });

  it.each<[string, (file: Buffer) => void, string]>([
    ['format 3.1', (file) => [file.writeUInt8(1, 10), file.writeUInt8(3, 11)], '3.1 is not known'],
    ['an unknown object in use', (file) => file.writeUInt8(9, 0x2008), 'unknown type 9'],
    ['an unknown type of key', (file) => file.writeUInt8(2, C), 'unknown type 2'],
    ['a log without end', (file) => file.writeBigUInt64LE(1n << 40n, 34), 'its log has'],
    ['another signature', (file) => [file.fill(0, 0, 4), file.fill(0, 0x1000, 0x1004)], 'signature is missing'],
  ])('%s is not supported', async (_, change, message) => {
    await expect(open(change)).rejects.toMatchObject({ code: 'CONFIGURATION_UNSUPPORTED' });
    await expect(open(change)).rejects.toThrow(message);
  });

  it('may be no such file at all', async () => {
    for (const file of [Buffer.alloc(0), Buffer.from('<?xml version="1.0"?>'), Buffer.alloc(1 << 16)]) {
      await expect(openHvs(file)).rejects.toMatchObject({ code: 'CONFIGURATION_UNSUPPORTED' });
    }
  });

  it('has no second key for a value', async () => {
    const file = Buffer.from(renderHvs([bytes('l', new Uint8Array(3000)), bytes('m', new Uint8Array(3000))]));
    const second = FIRST + 21 + 2 + 12;
    file.copy(file, second + 23, FIRST + 23, FIRST + 35);
    repairChecksums(file);
    await expect(openHvs(file)).rejects.toThrow('another key has');
  });

  it('cut anywhere gives an error or the whole content', async () => {
    const file = Buffer.from(renderHvs(TREE));
    for (let size = 0; size < file.length; size += 331) {
      const outcome = await openHvs(file.subarray(0, size)).then(
        (hvs) => hvs.tree().catch((error) => error.code),
        (error) => error.code,
      );
      if (typeof outcome === 'string') expect(outcome).toMatch(/^CONFIGURATION_/);
      else expect(outcome).toEqual(TREE);
    }
  });
});

/** The last entry of the object table names the table itself. */
function circle(file: Buffer): void {
  const last = 0x2008 + 226 * 18;
  file.writeUInt8(1, last);
  file.writeBigUInt64LE(0x2000n, last + 5);
  file.writeUInt32LE(0x1000, last + 13);
}

/** Table 1 again, where there was the long value. */
function twice(file: Buffer): void {
  const value = file.readUIntLE(0x2008 + 18 + 5, 6);
  file.copy(file, value, 0x3000, 0x4000);
  file.writeUInt8(2, 0x2008 + 18);
}

const keyBelow = (file: Buffer, key: number, parent: number): void => {
  file.writeUInt16LE(1, key + 6);
  file.writeUInt32LE(parent - 0x3000, key + 8);
};

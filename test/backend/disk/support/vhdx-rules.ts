/**
 * An independent reading of the VHDX rules ([MS-VHDX] section 2), for files that we wrote: byte offsets are written
 * out, nothing of the product is used. Throws on the first rule that is broken.
 */
import { readFileSync } from 'node:fs';

const MIB = 1 << 20;

function crc32c(bytes: Buffer, skip: number): number {
  let crc = 0xffffffff;
  for (let at = 0; at < bytes.length; at++) {
    crc ^= at >= skip && at < skip + 4 ? 0 : bytes[at]!;
    for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0x82f63b78 : crc >>> 1;
  }
  return ~crc >>> 0;
}

function rule(fine: boolean, what: string): void {
  if (!fine) throw new Error(`VHDX rule broken: ${what}`);
}

/** @param file path, or the file's bytes */
export function checkVhdxRules(file: string | Buffer): { allocated: number; partial: number } {
  const all = typeof file === 'string' ? readFileSync(file) : file;
  rule(all.length % MIB === 0, 'the file is whole megabytes');
  rule(all.toString('latin1', 0, 8) === 'vhdxfile', 'signature');
  const headers = [MIB / 16, MIB / 8].map((at) => all.subarray(at, at + 4096));
  for (const header of headers) {
    rule(header.toString('latin1', 0, 4) === 'head', 'header signature');
    rule(header.readUInt32LE(4) === crc32c(header, 4), 'header checksum');
    rule(header.readUInt16LE(66) === 1 && header.readUInt16LE(64) === 0, 'versions');
    rule(
      header.subarray(48, 64).every((byte) => byte === 0),
      'the log is empty',
    );
    rule(
      header.subarray(80).every((byte) => byte === 0),
      'reserved bytes of the header',
    );
    rule(header.readUInt32LE(68) % MIB === 0 && header.readUInt32LE(68) > 0, 'log length');
    rule(header.readUInt32LE(72) % MIB === 0 && header.readUInt32LE(72) >= MIB, 'log offset');
  }
  rule(headers[0]!.readBigUInt64LE(8) !== headers[1]!.readBigUInt64LE(8), 'sequence numbers differ');
  rule(headers[0]!.subarray(16, 48).equals(headers[1]!.subarray(16, 48)), 'both headers name the same content');

  const used: { start: number; end: number; what: string }[] = [{ start: 0, end: MIB, what: 'header section' }];
  const claim = (start: number, length: number, what: string): void => {
    rule(start % MIB === 0, `${what} is aligned`);
    rule(start + length <= all.length, `${what} is within the file`);
    used.push({ start, end: start + length, what });
  };
  claim(headers[0]!.readUInt32LE(72), headers[0]!.readUInt32LE(68), 'log');

  const tables = [3, 4].map((index) => all.subarray((index * MIB) / 16, ((index + 1) * MIB) / 16));
  for (const table of tables) {
    rule(table.toString('latin1', 0, 4) === 'regi', 'region table signature');
    rule(table.readUInt32LE(4) === crc32c(table, 4), 'region table checksum');
  }
  rule(tables[0]!.equals(tables[1]!), 'both region tables are the same');
  const region = (guid: string): { offset: number; length: number } => {
    for (let index = 0; index < tables[0]!.readUInt32LE(8); index++) {
      const entry = tables[0]!.subarray(16 + 32 * index, 48 + 32 * index);
      if (entry.toString('hex', 0, 16) !== guid) continue;
      rule(entry.readUInt32LE(28) === 1, 'region is required');
      return { offset: Number(entry.readBigUInt64LE(16)), length: entry.readUInt32LE(24) };
    }
    throw new Error(`VHDX rule broken: region ${guid}`);
  };
  const bat = region('6677c22d23f600429d64115e9bfd4a08');
  const metadata = region('06a27c8b90479a4bb8fe575f050f886e');
  claim(bat.offset, bat.length, 'BAT');
  claim(metadata.offset, metadata.length, 'metadata');

  const meta = all.subarray(metadata.offset, metadata.offset + metadata.length);
  rule(meta.toString('latin1', 0, 8) === 'metadata', 'metadata signature');
  const item = (guid: string): Buffer | null => {
    for (let index = 0; index < meta.readUInt16LE(10); index++) {
      const entry = meta.subarray(32 + 32 * index, 64 + 32 * index);
      const offset = entry.readUInt32LE(16);
      rule(offset >= MIB / 16, 'items lie behind the table');
      if (entry.toString('hex', 0, 16) === guid) return meta.subarray(offset, offset + entry.readUInt32LE(20));
    }
    return null;
  };
  const parameters = item('3767a1ca36fa434db3b633f0aa44e76b')!;
  const blockSize = parameters.readUInt32LE(0);
  const differencing = (parameters.readUInt32LE(4) & 2) !== 0;
  const size = Number(item('2442a52f1bcd7648b2115dbed83bf4b8')!.readBigUInt64LE());
  const sector = item('1dbf41816fa90947ba47f233a8faab5f')!.readUInt32LE();
  rule(differencing === (item('2d5fd3a80bb34d45abf7d3d84834ab0c') !== null), 'parent locator');

  const ratio = (2 ** 23 * sector) / blockSize;
  const blocks = Math.ceil(size / blockSize);
  const chunks = Math.ceil(blocks / ratio);
  const last = differencing ? chunks * (ratio + 1) : blocks + Math.floor((blocks - 1) / ratio);
  rule(last * 8 <= bat.length, 'BAT length');
  let allocated = 0;
  let partial = 0;
  const bitmaps = new Set<number>();
  const needed = new Set<number>();
  for (let index = 0; index < bat.length / 8; index++) {
    const raw = all.readBigUInt64LE(bat.offset + index * 8);
    const state = Number(raw & 7n);
    const place = Number(raw >> 20n) * MIB;
    rule((raw & 0xffff8n) === 0n, 'reserved bits of a BAT entry');
    const isBitmap = index % (ratio + 1) === ratio;
    const block = index - Math.floor(index / (ratio + 1));
    if (isBitmap) {
      rule(state === 0 || (state === 6 && differencing && index < last), `state ${state} of a sector bitmap`);
      if (state === 6) {
        claim(place, MIB, `sector bitmap ${index}`);
        bitmaps.add(Math.floor(index / (ratio + 1)));
      } else rule(place === 0, 'no offset without a block');
    } else if (state === 6 || state === 7) {
      rule(block < blocks, 'blocks within the disk');
      claim(place, blockSize, `block ${block}`);
      allocated++;
      if (state === 7) {
        rule(differencing, 'partial blocks only in differencing disks');
        needed.add(Math.floor(block / ratio));
        partial++;
      }
    } else rule((state === 0 || state === 2) && place === 0, `state ${state} of block ${block}`);
  }
  for (const chunk of needed) rule(bitmaps.has(chunk), `chunk ${chunk} has its sector bitmap`);
  used.sort((a, b) => a.start - b.start);
  for (const [index, one] of used.entries()) {
    rule(index === 0 || used[index - 1]!.end <= one.start, `${one.what} overlaps`);
  }
  return { allocated, partial };
}

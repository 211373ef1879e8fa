/**
 * A qcow2 reader and checker of its own, straight from the specification (QEMU, docs/interop/qcow2): reads a small
 * image whole, and counts every reference to every cluster again.
 */
import { inflateRawSync, zstdDecompressSync } from 'node:zlib';

const OFFSET = 0x00ff_ffff_ffff_fe00n;

export interface Qcow2Content {
  content: Buffer;
  compressed: number;
  plain: number;
}

/** @throws Error when a rule of the format is broken */
export function readQcow2(file: Buffer): Qcow2Content {
  const require = (fine: boolean, what: string): void => {
    if (!fine) throw new Error(`qcow2: ${what}`);
  };
  const u64 = (at: number): bigint => file.readBigUInt64BE(at);
  require(file.readUInt32BE(0) === 0x514649fb && file.readUInt32BE(4) === 3, 'magic and version');
  require(u64(8) === 0n &&
    file.readUInt32BE(32) === 0 &&
    file.readUInt32BE(60) === 0, 'no backing file, cipher, snapshots');
  const clusterBits = file.readUInt32BE(20);
  const clusterSize = 2 ** clusterBits;
  const size = Number(u64(24));
  const zstd = file[104] === 1;
  require(u64(72) === (zstd ? 8n : 0n) && u64(80) === 0n && u64(88) === 0n, 'features');
  require(file.readUInt32BE(96) === 4 &&
    file.readUInt32BE(100) === 112 &&
    u64(112) === 0n, 'refcount order, length, end');
  require(file.length % clusterSize === 0, 'a whole number of clusters');

  const counts = new Uint16Array(file.length / clusterSize);
  const refer = (offset: number, length: number, aligned = true): void => {
    require(!aligned || offset % clusterSize === 0, `0x${offset.toString(16)} is not aligned`);
    require(offset > 0 && offset + length <= file.length, `0x${offset.toString(16)} is outside the file`);
    for (let at = Math.floor(offset / clusterSize); at * clusterSize < offset + length; at++) counts[at]!++;
  };
  counts[0] = 1;
  const content = Buffer.alloc(size);
  const result = { content, compressed: 0, plain: 0 };
  const entries = clusterSize / 8;
  const l1Size = file.readUInt32BE(36);
  const l1 = Number(u64(40));
  require(l1Size * entries * clusterSize >= size, 'the L1 table covers the disk');
  refer(l1, l1Size * 8);
  for (let index = 0; index < l1Size; index++) {
    const entry = u64(l1 + index * 8);
    if (entry === 0n) continue;
    require(entry >> 63n === 1n && (entry & ~OFFSET & ~(1n << 63n)) === 0n, 'L1 entry');
    const l2 = Number(entry & OFFSET);
    refer(l2, clusterSize);
    for (let at = 0; at < entries; at++) {
      const guest = (index * entries + at) * clusterSize;
      const mapped = u64(l2 + at * 8);
      if (mapped === 0n) continue;
      require(guest < size, 'nothing is mapped beyond the disk');
      readCluster(mapped).copy(content, guest, 0, Math.min(clusterSize, size - guest));
    }
  }

  function readCluster(mapped: bigint): Buffer {
    if ((mapped & (1n << 62n)) === 0n) {
      require(mapped >> 63n === 1n && (mapped & ~OFFSET & ~(1n << 63n)) === 0n, 'L2 entry');
      const offset = Number(mapped & OFFSET);
      refer(offset, clusterSize);
      result.plain++;
      return file.subarray(offset, offset + clusterSize);
    }
    require(mapped >> 63n === 0n, 'compressed clusters are not marked as copied');
    const x = 70 - clusterBits;
    const offset = Number(mapped & ((1n << BigInt(x)) - 1n));
    const sectors = Number((mapped >> BigInt(x)) & ((1n << BigInt(clusterBits - 8)) - 1n));
    const end = Math.floor(offset / 512) * 512 + (sectors + 1) * 512;
    refer(offset, end - offset, false);
    result.compressed++;
    const packed = file.subarray(offset, end);
    const data = zstd ? zstdDecompressSync(firstFrame(packed)) : inflateRawSync(packed, { windowBits: 12 });
    require(data.length === clusterSize, 'a compressed cluster is a whole one');
    return data;
  }

  const table = Number(u64(48));
  const tableClusters = file.readUInt32BE(56);
  refer(table, tableClusters * clusterSize);
  const perBlock = clusterSize / 2;
  const blocks = Array.from({ length: (tableClusters * clusterSize) / 8 }, (_, index) =>
    Number(u64(table + index * 8)),
  );
  for (const block of blocks) if (block !== 0) refer(block, clusterSize);
  counts.forEach((count, cluster) => {
    const block = blocks[Math.floor(cluster / perBlock)] ?? 0;
    const stored = block === 0 ? 0 : file.readUInt16BE(block + (cluster % perBlock) * 2);
    require(stored === count, `cluster ${cluster} has ${count} references, ${stored} are counted`);
  });
  return result;
}

/** Cuts off what follows the frame: Node's decoder refuses trailing bytes, others stop at the end. RFC 8878, 3.1.1. */
function firstFrame(packed: Buffer): Buffer {
  const descriptor = packed[4]!;
  const single = (descriptor & 0x20) !== 0;
  const sizes = [single ? 1 : 0, 2, 4, 8];
  let at = 5 + (single ? 0 : 1) + [0, 1, 2, 4][descriptor & 3]! + sizes[descriptor >>> 6]!;
  for (;;) {
    const header = packed.readUIntLE(at, 3);
    const isRle = ((header >>> 1) & 3) === 1;
    at += 3 + (isRle ? 1 : header >>> 3);
    if (header & 1) break;
  }
  return packed.subarray(0, at + ((descriptor & 4) !== 0 ? 4 : 0));
}

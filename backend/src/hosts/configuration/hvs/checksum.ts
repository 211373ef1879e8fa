/** CRC-32 (ISO 3309, the polynomial of zlib) over a structure whose own checksum field counts as zeros. */
import { crc32 } from 'node:zlib';

const ZEROS = Buffer.alloc(4);

/** @param field offset of the four bytes of the checksum in `bytes` */
export function crc32Without(bytes: Uint8Array, field: number): number {
  const head = crc32(ZEROS, crc32(bytes.subarray(0, field)));
  return crc32(bytes.subarray(field + 4), head);
}

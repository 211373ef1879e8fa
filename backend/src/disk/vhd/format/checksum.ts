/** The checksum of footer and dynamic header: one's complement of the sum of all bytes but its own. */

/** @param field offset of the four bytes of the checksum, which count as zeros. @returns unsigned 32 bits */
export function vhdChecksum(bytes: Uint8Array, field: number): number {
  let sum = 0;
  for (let at = 0; at < bytes.length; at++) if (at < field || at >= field + 4) sum += bytes[at]!;
  return ~sum >>> 0;
}

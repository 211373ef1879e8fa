/** CRC-32C (Castagnoli, reflected polynomial 0x82f63b78), as VHDX and others use it. Four bytes a step. */
const TABLES = buildTables();

function buildTables(): Uint32Array[] {
  const first = Uint32Array.from({ length: 256 }, (_, index) => {
    let value = index;
    for (let bit = 0; bit < 8; bit++) value = value & 1 ? (value >>> 1) ^ 0x82f63b78 : value >>> 1;
    return value;
  });
  const tables = [first];
  for (let step = 1; step < 4; step++) {
    const previous = tables[step - 1]!;
    tables.push(Uint32Array.from(previous, (value) => first[value & 0xff]! ^ (value >>> 8)));
  }
  return tables;
}

/**
 * @param seed result of an earlier call, to go on over data that comes in pieces
 * @returns unsigned 32 bits
 */
export function crc32c(bytes: Uint8Array, seed = 0): number {
  const [one, two, three, four] = TABLES as [Uint32Array, Uint32Array, Uint32Array, Uint32Array];
  let crc = ~seed;
  let at = 0;
  const whole = bytes.length - (bytes.length % 4);
  while (at < whole) {
    crc ^= bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24);
    crc = four[crc & 0xff]! ^ three[(crc >>> 8) & 0xff]! ^ two[(crc >>> 16) & 0xff]! ^ one[crc >>> 24]!;
    at += 4;
  }
  while (at < bytes.length) crc = one[(crc ^ bytes[at++]!) & 0xff]! ^ (crc >>> 8);
  return ~crc >>> 0;
}

/** The checksum of a structure whose own checksum field, four bytes at `field`, counts as zeros. */
export function crc32cWithout(bytes: Uint8Array, field: number): number {
  const before = crc32c(bytes.subarray(0, field));
  return crc32c(bytes.subarray(field + 4), crc32c(new Uint8Array(4), before));
}

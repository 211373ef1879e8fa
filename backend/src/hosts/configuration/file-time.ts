/** FILETIME: 64 bits, units of 100 ns since 1601-01-01 UTC ([MS-DTYP] 2.3.3), as configuration files keep moments. */

/** Between 1601 and 1970, ms. */
const EPOCH_DISTANCE = 11_644_473_600_000n;
const TICKS_PER_MS = 10_000n;
/** Year 9999, ms since 1970: what ISO 8601 can say in four digits. */
const LATEST = 253_402_300_799_999n;

/** @returns ISO 8601; undefined when it is no such time */
export function fromFileTime(bytes: Uint8Array | undefined): string | undefined {
  if (bytes?.length !== 8) return undefined;
  const ticks = Buffer.from(bytes).readBigUInt64LE(0);
  const ms = ticks / TICKS_PER_MS - EPOCH_DISTANCE;
  return ticks === 0n || ms > LATEST ? undefined : new Date(Number(ms)).toISOString();
}

/** @param time ISO 8601. @returns eight bytes; null when it is no time, or one before 1601 */
export function toFileTime(time: string): Uint8Array | null {
  const ms = Date.parse(time);
  if (Number.isNaN(ms)) return null;
  const ticks = (BigInt(ms) + EPOCH_DISTANCE) * TICKS_PER_MS;
  if (ticks < 0n) return null;
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64LE(ticks, 0);
  return bytes;
}

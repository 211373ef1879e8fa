/** What the header of a zstd frame says of its content (RFC 8878 §3.1.1.1). */

const MAGIC = 0xfd2fb528;
/** Bytes of a dictionary id, by the lowest two bits of the descriptor. */
const DICTIONARY_ID = [0, 1, 2, 4];

/** Length of the content, bytes, as claimed and not proven; undefined when it is not stored, or this is no frame. */
export function claimedLength(frame: Buffer): number | undefined {
  if (frame.length < 6 || frame.readUInt32LE(0) !== MAGIC) return undefined;
  const descriptor = frame[4]!;
  const singleSegment = (descriptor & 0x20) !== 0;
  const at = 5 + (singleSegment ? 0 : 1) + DICTIONARY_ID[descriptor & 3]!;
  const kind = descriptor >> 6;
  const bytes = kind === 0 ? (singleSegment ? 1 : 0) : 1 << kind;
  if (bytes === 0 || at + bytes > frame.length) return undefined;
  if (bytes === 8) return Number(frame.readBigUInt64LE(at));
  return frame.readUIntLE(at, bytes) + (bytes === 2 ? 256 : 0);
}

/** Ranged gets of a slot: every record comes to its place whole, whatever is read along with it. */
import { describe, expect, it } from 'vitest';
import { createSlotMemory, META_FIELDS, Meta, viewSlot } from '../../../../backend/src/repository/engine/slot.ts';
import { recordRoom } from '../../../../backend/src/repository/format/block-scheme.ts';
import { Encoding, RECORD_HEADER_LENGTH, RecordKind } from '../../../../backend/src/repository/format/constants.ts';
import { packName } from '../../../../backend/src/repository/format/names.ts';
import type { RecordLocation } from '../../../../backend/src/repository/records/record-index.ts';
import { type BlockSource, planGets } from '../../../../backend/src/repository/tree/read-plan.ts';
import { randomSource, sampleBytes } from '../support/model.ts';

const GRAIN = 4096;
const SCHEME = { blockSize: 256 * 1024, pageSize: 4096, idKey: null };
const CAPACITY = 8;
const ROOM = recordRoom(SCHEME);

/** Packs full of records of all lengths, in place of a storage. */
function packs(random: () => number, largest: number) {
  const contents = new Map<string, Buffer>();
  const records: RecordLocation[] = [];
  for (let pack = 0; pack < 3; pack++) {
    const packId = String(pack).repeat(32);
    let offset = 96;
    for (let ordinal = 0; ordinal < 12; ordinal++) {
      const storedLength = 1 + Math.floor(random() * largest);
      const facts = { kind: RecordKind.block, encoding: Encoding.zstd, rawLength: SCHEME.blockSize };
      records.push({ ...facts, packId, offset, storedLength, packNumber: pack, ordinal });
      offset += RECORD_HEADER_LENGTH + storedLength + (random() < 0.2 ? Math.floor(random() * 9000) : 0);
    }
    contents.set(packName(packId), sampleBytes(offset + Math.floor(random() * 3000), pack + 1));
  }
  return { contents, records };
}

const overlap = (a: { at: number; length: number }, b: { at: number; length: number }): boolean =>
  a.at < b.at + b.length && b.at < a.at + a.length;

describe('planGets', () => {
  it.each([
    ['of all lengths', 150_000, GRAIN],
    ['that leave no room', ROOM - RECORD_HEADER_LENGTH, GRAIN],
    ['that are tiny', 300, GRAIN],
    ['where pages do not matter', 150_000, 1],
  ])('brings records %s to their places', (_, largest, grain) => {
    const random = randomSource(largest + grain);
    const { contents, records } = packs(random, largest);
    let aligned = 0;
    let all = 0;
    for (let round = 0; round < 200; round++) {
      const slot = viewSlot(createSlotMemory(0, SCHEME, CAPACITY));
      const one = () => records[Math.floor(random() * records.length)]!;
      const sources = Array.from({ length: CAPACITY }, (): BlockSource | undefined => {
        if (random() < 0.1) return undefined;
        if (random() < 0.7) return { location: one() };
        const base = one();
        return { location: one(), base, ...(random() < 0.5 ? { baseLength: Math.ceil(base.storedLength / 3) } : {}) };
      });
      const lengthOf = ({ packId }: RecordLocation) => contents.get(packName(packId))!.length;
      const gets = planGets(slot, sources, { grain, packLength: lengthOf });
      for (const [i, get] of gets.entries()) {
        const from = contents.get(get.name)!;
        expect(get.offset >= 0 && get.offset + get.length <= from.length).toBe(true);
        expect(get.at >= 0 && get.at + get.length <= slot.input.length).toBe(true);
        expect(gets.slice(i + 1).some((other) => overlap(get, other))).toBe(false);
        from.copy(slot.input, get.at, get.offset, get.offset + get.length);
        all += 1;
        if (get.at % grain === 0 && get.offset % grain === 0 && get.length % grain === 0) aligned += 1;
      }
      const expectPart = (location: RecordLocation, at: number, bodyLength: number) => {
        const length = RECORD_HEADER_LENGTH + bodyLength;
        const wanted = contents.get(packName(location.packId))!.subarray(location.offset, location.offset + length);
        expect(slot.input.subarray(at, at + length).equals(wanted)).toBe(true);
      };
      for (const [block, source] of sources.entries()) {
        const meta = slot.meta.subarray(block * META_FIELDS, (block + 1) * META_FIELDS);
        expect(meta[Meta.kind]).toBe(source?.location.kind ?? 0);
        if (source === undefined) continue;
        expectPart(source.location, meta[Meta.offset]!, meta[Meta.storedLength]!);
        expect(meta[Meta.storedLength]).toBe(source.location.storedLength);
        if (source.base) expectPart(source.base, meta[Meta.baseOffset]!, meta[Meta.baseLength]!);
        if (source.base) expect(meta[Meta.baseLength]).toBe(source.baseLength ?? source.base.storedLength);
      }
    }
    // Only the last records of a pack reach beyond its last page.
    if (largest < ROOM / 2) expect(aligned / all).toBeGreaterThan(largest > GRAIN ? 0.75 : 0.5);
  });
});

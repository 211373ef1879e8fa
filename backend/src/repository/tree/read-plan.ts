/** How a slot full of blocks is fetched: which records, with which ranged gets, each into which part of the slot. */
import { copyBytes } from '../../support/copy-bytes.ts';
import { META_FIELDS, Meta, type Slot } from '../engine/slot.ts';
import { RECORD_HEADER_LENGTH } from '../format/constants.ts';
import { packName } from '../format/names.ts';
import type { RecordLocation } from '../records/record-index.ts';

export interface RangedGet {
  name: string;
  offset: number;
  /** Part of the slot's input. */
  at: number;
  length: number;
  /** Blocks of the slot it brings, or what they are made over. */
  blocks: number[];
}

/** The records that give a block. */
export interface BlockSource {
  location: RecordLocation;
  /** A whole record of its base, when `location` is a delta. */
  base?: RecordLocation;
  /** Bytes to read of the base's body: its page list, where that is enough. Default: all of it. */
  baseLength?: number;
  /** The base's header and so much of its body, when they have been read before. */
  baseBytes?: Buffer;
}

/** A record to be read, and for which block. */
interface Part {
  location: RecordLocation;
  /** Of header and body, or the beginning of the body. */
  length: number;
  block: number;
  isBase: boolean;
}

/** Records this close together are fetched by one get; the bytes between are read for nothing. */
const MAX_GAP = 4096;

/** What reading is like where the packs lie. */
export interface ReadOptions {
  /** Bytes; reads that begin and end at multiples of it cost least. */
  grain: number;
  /** Bytes of a pack, when known. */
  packLength(location: RecordLocation): number | undefined;
}

const PLAIN: ReadOptions = { grain: 1, packLength: () => undefined };

/**
 * Lays out the records of `sources` (by block of the slot; undefined where there is none) in the slot's input and
 * notes for the worker where each lies.
 */
export function planGets(
  slot: Slot,
  sources: readonly (BlockSource | undefined)[],
  options: ReadOptions = PLAIN,
): RangedGet[] {
  const order: Part[] = [];
  // What needs no reading lies at the end of the input.
  let room = slot.input.length;
  for (const [block, source] of sources.entries()) {
    const meta = block * META_FIELDS;
    slot.meta[meta + Meta.kind] = source?.location.kind ?? 0;
    if (source === undefined) continue;
    const { location, base, baseBytes } = source;
    order.push({ location, length: RECORD_HEADER_LENGTH + location.storedLength, block, isBase: false });
    if (baseBytes !== undefined) {
      room -= baseBytes.length;
      copyBytes(baseBytes, slot.input, room);
      slot.meta[meta + Meta.baseOffset] = room;
      slot.meta[meta + Meta.baseLength] = baseBytes.length - RECORD_HEADER_LENGTH;
    }
    if (base === undefined || baseBytes !== undefined) continue;
    const length = RECORD_HEADER_LENGTH + (source.baseLength ?? base.storedLength);
    order.push({ location: base, length, block, isBase: true });
  }
  order.sort((a, b) => byPlace(a.location, b.location));
  const { grain } = options;
  const gets: (RangedGet & { pack: RecordLocation })[] = [];
  let used = 0;
  let spare = room - order.reduce((sum, part) => sum + part.length, 0);
  for (const { location, length, block, isBase } of order) {
    const name = packName(location.packId);
    const last = gets.at(-1);
    const gap = last && last.name === name ? location.offset - (last.offset + last.length) : Number.NaN;
    let at: number;
    if (last && gap < 0 && location.offset + length <= last.offset + last.length) {
      // The same record again.
      at = last.at + location.offset - last.offset;
      last.blocks.push(block);
    } else if (last && gap >= 0 && gap <= Math.min(MAX_GAP, spare)) {
      at = used + gap;
      last.length += gap + length;
      used = last.at + last.length;
      spare -= gap;
      last.blocks.push(block);
    } else {
      // To a page as it lies in the pack, in pages of its own.
      const aligned = roundUp(used, grain) + (location.offset % grain);
      at = aligned - used <= spare ? aligned : used;
      spare -= at - used;
      gets.push({ name, offset: location.offset, at, length, blocks: [block], pack: location });
      used = at + length;
    }
    const meta = block * META_FIELDS;
    slot.meta[meta + (isBase ? Meta.baseOffset : Meta.offset)] = at;
    slot.meta[meta + (isBase ? Meta.baseLength : Meta.storedLength)] = length - RECORD_HEADER_LENGTH;
  }
  return widened(gets, room, options);
}

/**
 * Lets gets begin and end with a page where there is room: what comes along is read for nothing, and lies between the
 * records.
 */
function widened(
  gets: readonly (RangedGet & { pack: RecordLocation })[],
  room: number,
  { grain, packLength }: ReadOptions,
): RangedGet[] {
  let free = 0;
  return gets.map(({ pack, ...get }, i) => {
    const lead = get.offset % grain;
    const next = gets[i + 1]?.at ?? room;
    const fits = grain > 1 && get.at % grain === lead && get.at - lead >= free;
    if (fits) {
      get.offset -= lead;
      get.at -= lead;
      get.length += lead;
      const tail = roundUp(get.length, grain) - get.length;
      const inPack = get.offset + get.length + tail <= (packLength(pack) ?? 0);
      // The next one's own pages begin before it.
      if (inPack && get.at + get.length + tail <= next - (next % grain)) get.length += tail;
    }
    free = get.at + get.length;
    return get;
  });
}

const roundUp = (bytes: number, grain: number): number => Math.ceil(bytes / grain) * grain;

function byPlace(a: RecordLocation, b: RecordLocation): number {
  if (a.packId === b.packId) return a.offset - b.offset;
  return a.packId < b.packId ? -1 : 1;
}

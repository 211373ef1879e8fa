/**
 * The fast sequential way through a content: slots of blocks are fetched by ranged gets and decoded and checked by the
 * workers ahead of the consumer, who gets them in order.
 */
import { isHvError, throwIfCancelled, toHvError } from '../../support/errors.ts';
import type { RepositoryCore } from '../core.ts';
import type { RecordCipher } from '../engine/record-cipher.ts';
import { idAt, META_FIELDS, Meta, type Slot } from '../engine/slot.ts';
import { SlotSet } from '../engine/worker-pool.ts';
import { listLength, recordRoom } from '../format/block-scheme.ts';
import { ID_LENGTH, RECORD_HEADER_LENGTH, RecordKind } from '../format/constants.ts';
import type { ContentRef } from '../port/contents.ts';
import type { Damage } from '../port/damage.ts';
import { CipherList } from '../records/pack-ciphers.ts';
import type { RecordLocation } from '../records/record-index.ts';
import { type BlockSource, planGets } from './read-plan.ts';
import { walkBlocks } from './tree-walk.ts';
import { requireRef } from './visit.ts';

export interface StreamOptions {
  signal?: AbortSignal;
  /**
   * Pieces handed out before the last one that stay as they are; default: none, each is over when the next is asked
   * for.
   */
  keep?: number;
  onDamage?: (damage: Damage, offset: number, length: number) => void;
}

/** Blocks of one slot on their way. */
interface Batch {
  slot: Slot;
  /** Block numbers, ascending. */
  blocks: number[];
  /** Resolves to the blocks (positions in the slot) that stayed unreadable. */
  done: Promise<Set<number>>;
}

export async function* streamContent(
  core: RepositoryCore,
  ref: ContentRef,
  options: StreamOptions,
): AsyncGenerator<{ offset: number; data: Buffer }> {
  const { keep = 0 } = options;
  const slots = new SlotSet(core.pool, core.pool.slotsPerUser + keep);
  const queue: Batch[] = [];
  /** Handed out, the oldest first. */
  const kept: Slot[] = [];
  const source = batches(core, ref, slots, options);
  let ended = false;
  // One slot is with the consumer; the others are being filled.
  const ahead = Math.max(1, core.pool.slotsPerUser - 1);
  try {
    for (;;) {
      while (!ended && queue.length < ahead) {
        const next = await source.next();
        if (next.done) ended = true;
        else queue.push(next.value);
      }
      throwIfCancelled(options.signal);
      const batch = queue[0];
      if (batch === undefined) return;
      const unreadable = await batch.done;
      yield* runsOf(batch, unreadable, ref.size);
      queue.shift();
      kept.push(batch.slot);
      if (kept.length > keep) slots.release(kept.shift()!);
    }
  } finally {
    // The consumer stopped, or something failed: what is under way still writes into the slots.
    await Promise.allSettled(queue.map((batch) => batch.done));
    for (const slot of [...kept, ...queue.map((batch) => batch.slot)]) slots.release(slot);
    slots.dispose();
  }
}

async function* batches(
  core: RepositoryCore,
  ref: ContentRef,
  slots: SlotSet,
  options: StreamOptions,
): AsyncGenerator<Batch, void> {
  const { blockSize } = core.config;
  const { blocks } = requireRef(ref, blockSize);
  const { onDamage } = options;
  const lost = (error: unknown, first: number, count: number): void => {
    const offset = first * blockSize;
    report(error, offset, Math.min(count * blockSize, ref.size - offset), onDamage);
  };
  const load = core.nodes.load.bind(core.nodes);
  let open: { slot: Slot; blocks: number[] } | undefined;
  const start = (batch: { slot: Slot; blocks: number[] }): Batch => {
    const done = fetchBatch(core, batch.slot, batch.blocks, lost);
    done.catch(() => undefined);
    return { ...batch, done };
  };
  try {
    for await (const run of walkBlocks(ref, blockSize, load, { from: 0, to: blocks }, onDamage && lost)) {
      for (let i = 0; i < run.count; i++) {
        open ??= { slot: await slots.acquire(), blocks: [] };
        run.ids.copy(open.slot.ids, open.blocks.length * ID_LENGTH, i * ID_LENGTH, (i + 1) * ID_LENGTH);
        open.blocks.push(run.first + i);
        if (open.blocks.length < open.slot.capacity) continue;
        const full = open;
        open = undefined;
        yield start(full);
      }
    }
    if (open !== undefined) {
      const rest = open;
      open = undefined;
      yield start(rest);
    }
  } finally {
    if (open !== undefined) slots.release(open.slot);
  }
}

/**
 * Fetches and decodes a slot; what fails is read again singly.
 * @param onlyProve nothing is left in the slot's output; deltas are held against the page lists of their bases, which
 *   another caller proves, and not put together
 * @param known where the records are, as far as the caller knows
 * @returns positions that stayed unreadable
 */
export async function fetchBatch(
  core: RepositoryCore,
  slot: Slot,
  blocks: readonly number[],
  lost: (error: unknown, first: number, count: number) => void,
  onlyProve = false,
  known: readonly (BlockSource | undefined)[] = [],
): Promise<Set<number>> {
  const single = new Set<number>();
  const sources = blocks.map((_, position) => {
    const source = known[position] ?? findSource(core, idAt(slot, position), onlyProve);
    if (source === undefined) single.add(position);
    return source;
  });
  const ciphers = await noteCiphers(core, slot, sources);
  const options = { grain: core.storage.grain ?? 1, packLength: (at: RecordLocation) => core.index.packLength(at) };
  await Promise.all(
    planGets(slot, sources, options).map(async (get) => {
      try {
        await core.storage.read(get.name, get.offset, slot.input.subarray(get.at, get.at + get.length));
      } catch (error) {
        if (!isHvError(error, 'FILE_NOT_FOUND', 'REPOSITORY_DAMAGED', 'IO_ERROR')) throw error;
        for (const position of get.blocks) single.add(position);
      }
    }),
  );
  const { failures } = await core.pool.run({
    task: 'decode',
    slot: slot.number,
    count: blocks.length,
    ciphers,
    onlyProve,
  });
  for (const failure of failures) single.add(failure.block);
  const unreadable = new Set<number>();
  for (const position of single) {
    try {
      const raw = await core.reader.read(RecordKind.block, Buffer.from(idAt(slot, position)));
      if (onlyProve) continue;
      const start = position * slot.blockSize;
      const length = raw.copy(slot.output, start, 0, slot.blockSize);
      slot.output.fill(0, start + length, start + slot.blockSize);
    } catch (error) {
      unreadable.add(position);
      lost(error, blocks[position]!, 1);
    }
  }
  return unreadable;
}

/** The records to read for a block; undefined when it takes a closer look. */
function findSource(core: RepositoryCore, id: Buffer, onlyProve: boolean): BlockSource | undefined {
  const fits = (location: RecordLocation | undefined): location is RecordLocation =>
    location !== undefined && RECORD_HEADER_LENGTH + location.storedLength <= recordRoom(core.scheme);
  const [location] = core.index.findAll(RecordKind.block, id);
  if (!fits(location)) return undefined;
  if (location.base === undefined) return { location };
  const [base] = core.index.findWhole(location.base);
  if (!fits(base)) return undefined;
  if (!onlyProve) return { location, base };
  // Of a base that is known to be damaged the list may be right: it takes all of it.
  if (!core.index.isSound(base)) return undefined;
  return { location, base, baseLength: listLength(core.scheme, base.rawLength) };
}

/** Notes for the worker which cipher each record needs. A pack without a readable header leaves its blocks undone. */
async function noteCiphers(
  core: RepositoryCore,
  slot: Slot,
  sources: (BlockSource | undefined)[],
): Promise<RecordCipher[]> {
  if (core.keys === null) return [];
  // By pack: a slot has many records and few packs.
  const places = new Map<string, number[]>();
  const note = (packId: string, at: number) => {
    const known = places.get(packId);
    if (known === undefined) places.set(packId, [at]);
    else known.push(at);
  };
  for (const [block, source] of sources.entries()) {
    if (source === undefined) continue;
    note(source.location.packId, block * META_FIELDS + Meta.cipher);
    if (source.base !== undefined) note(source.base.packId, block * META_FIELDS + Meta.baseCipher);
  }
  const list = new CipherList(core.ciphers);
  const fill = async ([packId, all]: [string, number[]]) => {
    // Without a cipher the worker fails, and the block is read singly.
    let number = -1;
    try {
      number = await list.numberOf(packId);
    } catch (error) {
      if (!isHvError(error, 'FILE_NOT_FOUND', 'REPOSITORY_DAMAGED', 'IO_ERROR', 'NOT_SUPPORTED')) throw error;
    }
    for (const at of all) slot.meta[at] = number;
  };
  await Promise.all([...places].map(fill));
  return list.ciphers;
}

/** Consecutive readable blocks of a batch, cut at the end of the content. */
function* runsOf(
  batch: Batch,
  unreadable: ReadonlySet<number>,
  size: number,
): Generator<{ offset: number; data: Buffer }> {
  const { slot, blocks } = batch;
  for (let from = 0; from < blocks.length; ) {
    if (unreadable.has(from)) {
      from += 1;
      continue;
    }
    let to = from + 1;
    while (to < blocks.length && blocks[to] === blocks[to - 1]! + 1 && !unreadable.has(to)) to += 1;
    const offset = blocks[from]! * slot.blockSize;
    const length = Math.min((to - from) * slot.blockSize, size - offset);
    const start = from * slot.blockSize;
    yield { offset, data: slot.output.subarray(start, start + length) };
    from = to;
  }
}

/** Reports a piece of the content that cannot be read, or throws when no one has asked for such reports. */
function report(error: unknown, offset: number, length: number, onDamage: StreamOptions['onDamage']): void {
  const problem = toHvError(error);
  if (problem.code === 'REPOSITORY_DAMAGED') problem.data.diskOffset = offset;
  if (onDamage === undefined || !isHvError(problem, 'REPOSITORY_DAMAGED', 'IO_ERROR', 'NOT_SUPPORTED')) throw problem;
  onDamage(toDamage(problem), offset, length);
}

/** The place is in the other fields: the message need not say it again. */
export function toDamage(problem: { message: string; data: Record<string, unknown> }): Damage {
  const { object, path, offset, id } = problem.data;
  return {
    object: typeof object === 'string' ? object : 'block',
    path: typeof path === 'string' ? path : '',
    ...(typeof offset === 'number' ? { offset } : {}),
    ...(typeof id === 'string' ? { id } : {}),
    message: typeof path === 'string' ? withoutPlace(problem.message, path) : problem.message,
  };
}

const withoutPlace = (message: string, path: string): string =>
  path !== '' && message.startsWith(path)
    ? message.slice(path.length).replace(/^(?: at 0x[0-9a-f]+)?: (?=.)/, '')
    : message;

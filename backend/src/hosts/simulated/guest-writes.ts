/**
 * What the guest writes. Every batch: changed granules durable in the RCT journal, then the data, then a flush; so
 * after a kill the journal may name too much, never too little. Batches are bounded, and between two of them others get
 * their turn.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { WritableBlockDevice } from '../../disk/device.ts';
import { HvError } from '../../support/errors.ts';
import { newGuid } from '../../support/guid.ts';
import { type HostContext, reach } from './context.ts';
import { openForWriting } from './disk-files.ts';
import { absolute } from './layout.ts';
import { locked } from './locked.ts';
import { GRANULARITY, JournalWriter } from './rct-journal.ts';
import { granulesOf } from './rct-ranges.ts';
import { diskAt, layer } from './rows.ts';
import { compactWhenLarge, saveMark, verifyDisk } from './tracking.ts';

/** One write of the guest: bytes, or one byte repeated. Offsets and lengths in bytes. */
export type GuestWrite = { offset: number; data: Uint8Array } | { offset: number; fill: number; length: number };

export interface GuestWritesResult {
  writes: number;
  /** Bytes written, overlaps counted twice. */
  bytes: number;
}

const BATCH_WRITES = 1000;
const BATCH_BYTES = 16 << 20;
/** A longer write is cut into pieces of this many bytes. */
const PIECE_BYTES = 4 << 20;
/** Others get a turn at least this often, ms, … */
const TURN_EVERY = 100;
/** … of this many ms: longer than a waiting process pauses between two tries for the lock. */
const TURN_FOR_OTHERS = 12;

/**
 * Writes to a disk as the guest does, in the order given; durable when it returns. Accepted in any state of the VM: a
 * tester need not start one. When it fails, the batches before the failing one are written.
 * @throws VM_NOT_FOUND, VM_DISK_NOT_FOUND, DISK_OUT_OF_RANGE (nothing of the batch is written), HOST_BUSY, DISK_FULL
 */
export async function guestWrites(
  ctx: HostContext,
  vmId: string,
  index: number,
  writes: Iterable<GuestWrite> | AsyncIterable<GuestWrite>,
): Promise<GuestWritesResult> {
  const guest = new Guest(ctx, vmId, index);
  const done = { writes: 0, bytes: 0 };
  try {
    let lastTurn = performance.now();
    for await (const batch of batches(writes, done)) {
      if (performance.now() - lastTurn > TURN_EVERY) {
        await sleep(TURN_FOR_OTHERS);
        lastTurn = performance.now();
      }
      await locked(ctx, () => guest.write(batch));
    }
  } finally {
    await guest.detach();
  }
  return done;
}

interface Piece {
  offset: number;
  data: Uint8Array;
}

async function* batches(
  writes: Iterable<GuestWrite> | AsyncIterable<GuestWrite>,
  done: GuestWritesResult,
): AsyncGenerator<Piece[]> {
  let batch: Piece[] = [];
  let bytes = 0;
  for await (const write of writes) {
    done.writes++;
    for (const piece of pieces(write)) {
      if (batch.length === BATCH_WRITES || bytes + piece.data.length > BATCH_BYTES) {
        yield batch;
        batch = [];
        bytes = 0;
      }
      batch.push(piece);
      bytes += piece.data.length;
      done.bytes += piece.data.length;
    }
  }
  if (batch.length > 0) yield batch;
}

function* pieces(write: GuestWrite): Generator<Piece> {
  const length = 'data' in write ? write.data.length : write.length;
  if (!Number.isSafeInteger(write.offset) || !Number.isSafeInteger(length) || write.offset < 0 || length < 0) {
    throw new HvError('USAGE', `No possible write: ${length} bytes at ${write.offset}`);
  }
  const filled = 'data' in write ? undefined : Buffer.alloc(Math.min(length, PIECE_BYTES), write.fill);
  for (let at = 0; at < length; at += PIECE_BYTES) {
    const count = Math.min(PIECE_BYTES, length - at);
    const data = 'data' in write ? write.data.subarray(at, at + count) : filled!.subarray(0, count);
    yield { offset: write.offset + at, data };
  }
}

interface OpenDisk {
  layerId: number;
  /** DataWriteGuid that this host gave the file when it opened it. */
  guid: string;
  device: WritableBlockDevice;
  journal: JournalWriter | undefined;
}

/**
 * The open disk of one call, kept from batch to batch as long as no other process has written to it or changed its
 * chain.
 */
class Guest {
  readonly #ctx: HostContext;
  readonly #vmId: string;
  readonly #index: number;
  #open: OpenDisk | undefined;

  constructor(ctx: HostContext, vmId: string, index: number) {
    this.#ctx = ctx;
    this.#vmId = vmId;
    this.#index = index;
  }

  /** Under the lock. */
  async write(batch: Piece[]): Promise<void> {
    const { state } = this.#ctx;
    try {
      const { device, journal, layerId, guid } = await this.#attach();
      for (const { offset, data } of batch) this.#requireInside(device.size, offset, data.length);
      const ranges = batch.map(({ offset, data }) => ({ offset, length: data.length }));
      await journal?.append(granulesOf(ranges, GRANULARITY));
      reach('guest-write:recorded');
      for (const { offset, data } of batch) {
        await device.write(offset, data);
        reach('guest-write:partly');
      }
      await device.flush();
      reach('guest-write:written');
      const disk = diskAt(state, this.#vmId, this.#index);
      state.transaction(() => {
        state.run('UPDATE layers SET guid = ?, pending_guid = NULL WHERE id = ?', guid, layerId);
        if (journal) saveMark(state, disk.key, journal.mark);
      });
      if (journal && (await compactWhenLarge(this.#ctx, diskAt(state, this.#vmId, this.#index)))) await this.detach();
    } catch (error) {
      await this.detach().catch(() => undefined);
      throw error;
    }
  }

  async #attach(): Promise<OpenDisk> {
    if (this.#open && this.#isCurrent(this.#open)) return this.#open;
    await this.detach();
    const { disk, chain, journal } = await verifyDisk(this.#ctx, this.#vmId, this.#index);
    const active = chain.at(-1)!;
    const guid = newGuid();
    this.#ctx.state.run('UPDATE layers SET pending_guid = ? WHERE id = ?', guid, active.id);
    const device = await openForWriting(
      chain.map(({ path }) => absolute(this.#ctx.root, path)),
      guid,
    );
    this.#open = { layerId: active.id, guid, device, journal: undefined };
    if (journal) this.#open.journal = await JournalWriter.open(absolute(this.#ctx.root, disk.journal), journal);
    return this.#open;
  }

  #isCurrent({ layerId, guid, journal }: OpenDisk): boolean {
    const disk = diskAt(this.#ctx.state, this.#vmId, this.#index);
    return (
      disk.active_layer === layerId &&
      layer(this.#ctx.state, layerId).guid === guid &&
      disk.tracker === (journal?.tracker ?? null) &&
      (!journal || (disk.generation === journal.mark.generation && disk.journal_length === journal.mark.length))
    );
  }

  #requireInside(size: number, offset: number, length: number): void {
    if (offset + length <= size) return;
    throw new HvError(
      'DISK_OUT_OF_RANGE',
      `A write of ${length} bytes at ${offset} goes beyond the end of disk ${this.#index} (${size} bytes)`,
      {
        advice: 'Write inside the disk.',
        data: { vmId: this.#vmId, disk: this.#index, offset, length, size },
      },
    );
  }

  /** Closes the files. */
  async detach(): Promise<void> {
    const open = this.#open;
    this.#open = undefined;
    await open?.journal?.close();
    await open?.device.close();
  }
}

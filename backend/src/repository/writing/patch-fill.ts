/**
 * Reads what a batch of patches needs, from repository and disk side by side, with a bounded number of reads at once.
 */
import { allDone, runLimited } from '../../support/concurrency.ts';
import { zeroBytes } from '../../support/copy-bytes.ts';
import { isHvError } from '../../support/errors.ts';
import type { RepositoryCore } from '../core.ts';
import type { RecordCipher } from '../engine/record-cipher.ts';
import { META_FIELDS, Meta, type Slot } from '../engine/slot.ts';
import { packName } from '../format/names.ts';
import type { ReadContent } from '../port/writing.ts';
import { CipherList } from '../records/pack-ciphers.ts';
import type { DiskPart, OldPart, PatchBatch } from './patch-plan.ts';

/** Reads asked for at once: as many as keep the threads that read from falling asleep, which costs more than a read. */
const PARALLEL_READS = 32;

export interface Filled {
  ciphers: RecordCipher[];
  /** Entries whose old record could not be read. */
  failed: Set<number>;
}

/** @param size of the content, bytes: beyond it are zeros. @throws what reading the disk fails with */
export async function fillBatch(
  core: RepositoryCore,
  slot: Slot,
  batch: PatchBatch,
  size: number,
  read: ReadContent,
): Promise<Filled> {
  for (const { at, length } of batch.zeros) zeroBytes(slot.input, at, at + length);
  const list = new CipherList(core.ciphers);
  const failed = new Set<number>();
  const readOld = async ({ entry, location, length, at }: OldPart) => {
    try {
      slot.meta[entry * META_FIELDS + Meta.baseCipher] = await list.numberOf(location.packId);
      await core.storage.read(packName(location.packId), location.offset, slot.input.subarray(at, at + length));
    } catch (error) {
      if (!isHvError(error, 'FILE_NOT_FOUND', 'REPOSITORY_DAMAGED', 'IO_ERROR', 'NOT_SUPPORTED')) throw error;
      failed.add(entry);
    }
  };
  // Both are over before the slot is used, also when one fails.
  await allDone([
    runLimited(batch.old, PARALLEL_READS, readOld),
    runLimited(batch.disk, PARALLEL_READS, (part) => readPart(slot, part, size, read)),
  ]);
  return { ciphers: list.ciphers, failed };
}

/** Fills whole blocks, one behind the other. */
export function fillWhole(slot: Slot, indices: readonly number[], size: number, read: ReadContent): Promise<void> {
  const { blockSize } = slot;
  const parts = indices.map((index, i) => ({ offset: index * blockSize, length: blockSize, at: i * blockSize }));
  return runLimited(parts, PARALLEL_READS, (part) => readPart(slot, part, size, read));
}

async function readPart(slot: Slot, { offset, length, at }: DiskPart, size: number, read: ReadContent): Promise<void> {
  const there = Math.max(0, Math.min(length, size - offset));
  zeroBytes(slot.input, at + there, at + length);
  if (there > 0) await read(offset, slot.input.subarray(at, at + there));
}

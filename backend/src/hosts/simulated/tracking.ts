/**
 * Change tracking of a disk: started at the first recovery checkpoint (as Hyper-V does), sealed at every one, and ended
 * for good as soon as the files show that it cannot be complete. What the state remembers is only ever compared with
 * the files, never believed.
 */
import type { ErrorCode } from '../../support/error-codes.ts';
import { isHvError } from '../../support/errors.ts';
import { removeFile } from '../../support/file.ts';
import { newGuid } from '../../support/guid.ts';
import type { HostContext } from './context.ts';
import { type DiskFacts, readDiskFacts } from './disk-files.ts';
import { absolute } from './layout.ts';
import { formatRctId, parseRctId } from './rct-id.ts';
import {
  compactJournal,
  createJournal,
  GRANULARITY,
  type Journal,
  type JournalMark,
  JournalWriter,
  readJournal,
} from './rct-journal.ts';
import { chainOf, type DiskRow, diskAt, journalMark, type LayerRow } from './rows.ts';
import type { State } from './state.ts';

/** A journal is rewritten when it has grown to this many bytes and to four times what its last rewrite left. */
const COMPACT_ABOVE = 1 << 20;

export interface VerifiedDisk {
  disk: DiskRow;
  /** Chain of files, base first; the guest writes to the last. */
  chain: LayerRow[];
  /** Id of the base, size of the active file: as the files are now. */
  facts: DiskFacts;
  /** Undefined when the disk is not tracked (any more). */
  journal: Journal | undefined;
}

/**
 * Looks at the disk's files and journal; ends tracking when it cannot be complete. Under the lock.
 * @throws FILE_NOT_FOUND, DISK_CORRUPT, … when a file of the chain cannot be read
 */
export async function verifyDisk(ctx: HostContext, vmId: string, index: number): Promise<VerifiedDisk> {
  const disk = diskAt(ctx.state, vmId, index);
  const chain = chainOf(ctx.state, disk.active_layer)!;
  const all: DiskFacts[] = [];
  for (const layer of chain) all.push(await readDiskFacts(absolute(ctx.root, layer.path)));
  const facts = { ...all.at(-1)!, id: all[0]!.id };
  const changed = chain.filter((layer, i) => ![layer.guid, layer.pending_guid].includes(all[i]!.dataWriteGuid));
  // First end the tracking, then accept the files as they are: a crash in between must not hide the change.
  const journal = await verifyTracking(ctx, disk, facts, changed);
  for (const [i, layer] of chain.entries()) adoptGuid(ctx.state, layer, all[i]!.dataWriteGuid);
  return { disk: diskAt(ctx.state, vmId, index), chain: chainOf(ctx.state, disk.active_layer)!, facts, journal };
}

function adoptGuid(state: State, layer: LayerRow, guid: string): void {
  if (layer.guid === guid && layer.pending_guid === null) return;
  state.run('UPDATE layers SET guid = ?, pending_guid = NULL WHERE id = ?', guid, layer.id);
}

async function verifyTracking(
  ctx: HostContext,
  disk: DiskRow,
  facts: DiskFacts,
  changed: LayerRow[],
): Promise<Journal | undefined> {
  const mark = journalMark(disk);
  if (!mark) return undefined;
  const end = (code: ErrorCode, reason: string): Promise<void> => endTracking(ctx, disk, code, reason);
  if (facts.id !== disk.tracked_id) {
    await end('TRACKING_ID_INVALID', `the disk was replaced: its id was ${disk.tracked_id} and is ${facts.id}`);
  } else if (facts.size !== disk.tracked_size) {
    await end('TRACKING_ID_INVALID', `the disk was resized from ${disk.tracked_size} to ${facts.size} bytes`);
  } else if (changed.length > 0) {
    await end('TRACKING_CHANGED_OFFLINE', `${changed[0]!.path} was changed by another program`);
  } else {
    try {
      return await readJournal(absolute(ctx.root, disk.journal), mark);
    } catch (error) {
      if (!isHvError(error, 'TRACKING_LOST')) throw error;
      await end('TRACKING_LOST', error.message);
    }
  }
  return undefined;
}

/** Every id of the present tracker is answered with `code` from now on. Under the lock. */
export async function endTracking(ctx: HostContext, disk: DiskRow, code: ErrorCode, reason: string): Promise<void> {
  if (disk.tracker !== null) {
    ctx.state.transaction(() => {
      ctx.state.run('INSERT OR REPLACE INTO ended_trackers VALUES (?, ?, ?)', disk.tracker, code, reason);
      ctx.state.run('UPDATE disks SET tracker = NULL WHERE key = ?', disk.key);
    });
  }
  await removeFile(absolute(ctx.root, disk.journal));
}

/**
 * Seals the disk's tracking, starting it when there is none. Under the lock.
 * @returns the RCT id of this moment
 */
export async function sealTracking(ctx: HostContext, { disk, facts, journal }: VerifiedDisk): Promise<string> {
  const file = absolute(ctx.root, disk.journal);
  if (journal) {
    const counter = journal.lastSeal + 1;
    const writer = await JournalWriter.open(file, journal);
    try {
      await writer.seal(counter);
      saveMark(ctx.state, disk.key, writer.mark);
    } finally {
      await writer.close();
    }
    return formatRctId({ tracker: disk.tracker!, counter });
  }
  const header = {
    granularity: GRANULARITY,
    tracker: newGuid(),
    diskId: facts.id,
    diskSize: facts.size,
    generation: 1,
  };
  const mark = await createJournal(file, header, 1);
  ctx.state.run(
    'UPDATE disks SET tracker = ?, generation = ?, journal_length = ?, compacted_length = ?, tracked_id = ?, tracked_size = ? WHERE key = ?',
    mark.tracker,
    mark.generation,
    mark.length,
    mark.length,
    facts.id,
    facts.size,
    disk.key,
  );
  return formatRctId({ tracker: mark.tracker, counter: 1 });
}

/** Remembers how much of the journal is durable, so that less is recognised as damage. */
export function saveMark(state: State, diskKey: number, mark: JournalMark): void {
  state.run('UPDATE disks SET generation = ?, journal_length = ? WHERE key = ?', mark.generation, mark.length, diskKey);
}

/** Rewrites the journal when it has grown enough to be worth it. @returns whether it did. Under the lock. */
export async function compactWhenLarge(ctx: HostContext, disk: DiskRow): Promise<boolean> {
  const mark = journalMark(disk);
  if (!mark || mark.length < Math.max(COMPACT_ABOVE, 4 * disk.compacted_length!)) return false;
  const file = absolute(ctx.root, disk.journal);
  const journal = await readJournal(file, mark);
  const rewritten = await compactJournal(file, journal, oldestNeeded(ctx.state, disk, journal.lastSeal));
  ctx.state.transaction(() => {
    saveMark(ctx.state, disk.key, rewritten);
    ctx.state.run('UPDATE disks SET compacted_length = ? WHERE key = ?', rewritten.length, disk.key);
  });
  return true;
}

/**
 * The oldest seal that may still be queried from: of a reference point, of a checkpoint, or of the newest freeze,
 * which a backup that died before converting may come back with.
 */
function oldestNeeded(state: State, disk: DiskRow, lastSeal: number): number {
  const ids = [
    ...state
      .all<{ disks: string }>('SELECT disks FROM reference_points WHERE vm_id = ?', disk.vm_id)
      .flatMap((row) =>
        (JSON.parse(row.disks) as StoredReferenceDisk[]).flatMap((entry) => [entry.rctId, entry.frozenRctId]),
      ),
    ...state
      .all<{ rct_id: string | null }>('SELECT rct_id FROM checkpoint_disks WHERE disk_key = ?', disk.key)
      .map((row) => row.rct_id),
    disk.frozen_rct_id,
  ];
  const counters = ids
    .map((id) => parseRctId(id ?? ''))
    .filter((id) => id?.tracker === disk.tracker)
    .map((id) => id!.counter);
  return Math.min(lastSeal, ...counters);
}

/** A disk of a reference point as the state keeps it. */
export interface StoredReferenceDisk {
  diskId: string;
  rctId: string;
  /** The id sealed at the freeze; the same, unless an injected fault makes it differ. */
  frozenRctId: string;
}

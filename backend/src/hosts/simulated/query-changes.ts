/** Answering "what changed since this RCT id": from the journal file, for a checkpoint, in pages. */
import type { ChangedRange } from '../../disk/device.ts';
import type { ErrorCode } from '../../support/error-codes.ts';
import { HvError } from '../../support/errors.ts';
import type { HostContext } from './context.ts';
import { pendingFault, strikes } from './faults.ts';
import { absolute } from './layout.ts';
import { parseRctId, type RctId } from './rct-id.ts';
import { changesBetween, readJournal } from './rct-journal.ts';
import type { GranuleSet } from './rct-ranges.ts';
import { checkpoint, checkpointDisks, type DiskRow, journalMark } from './rows.ts';

/** Ranges a page, unless the caller gives a limit. */
export const PAGE_SIZE = 1000;

const ADVICE = 'Take a full backup of this disk.';

/**
 * @param since RCT id that was sealed at an earlier checkpoint of the same disk
 * @throws CHECKPOINT_NOT_FOUND, VM_DISK_NOT_FOUND, TRACKING_LOST, TRACKING_ID_INVALID, TRACKING_CHANGED_OFFLINE,
 *   TRACKING_INCONSISTENT
 */
export async function* queryChanges(
  ctx: HostContext,
  checkpointId: string,
  index: number,
  since: string,
  pageSize: number,
): AsyncGenerator<ChangedRange[]> {
  const { vm_id: vmId } = checkpoint(ctx.view, checkpointId);
  const disk = checkpointDisks(ctx.view, checkpointId).find((row) => row.position === index);
  if (!disk) throw new HvError('VM_DISK_NOT_FOUND', `The checkpoint ${checkpointId} has no disk ${index}`);
  await failOnRequest(ctx, vmId, index);
  const until = parseRctId(disk.rct_id ?? '');
  const from = parseRctId(since);
  if (!until) throw tracking('TRACKING_LOST', `Disk ${index} is not tracked`, since);
  if (!from) throw tracking('TRACKING_ID_INVALID', 'This is no RCT id', since);
  if (from.tracker !== until.tracker) throw endedTracker(ctx, from, since);
  const row = ctx.view.get<DiskRow>('SELECT * FROM disks WHERE key = ?', disk.disk_key);
  const mark = row && journalMark(row);
  // Tracking ended while the checkpoint stood: the files were changed by another, or the journal was lost.
  if (!row || mark?.tracker !== until.tracker) throw endedTracker(ctx, until, since);
  const journal = await readJournal(absolute(ctx.root, row.journal), mark);
  const changed = changesBetween(journal, from.counter, until.counter);
  yield* pages(changed, journal.header.granularity, disk.size, pageSize);
}

function* pages(set: GranuleSet, granularity: number, size: number, pageSize: number): Generator<ChangedRange[]> {
  for (let at = 0; at < set.length; at += 2 * pageSize) {
    const page: ChangedRange[] = [];
    for (let i = at; i < Math.min(at + 2 * pageSize, set.length); i += 2) {
      const offset = set[i]! * granularity;
      page.push({ offset, length: Math.min(set[i + 1]! * granularity, size) - offset });
    }
    yield page;
  }
}

async function failOnRequest(ctx: HostContext, vmId: string, index: number): Promise<void> {
  if (!pendingFault(ctx.view, 'query-fails', vmId, index)) return;
  if (!(await ctx.lock.run(async () => strikes(ctx.state, 'query-fails', vmId, index)))) return;
  throw new HvError('TRACKING_INCONSISTENT', `The changed ranges of disk ${index} could not be read`, {
    advice: ADVICE,
    data: { vmId, disk: index },
  });
}

function endedTracker(ctx: HostContext, id: RctId, since: string): HvError {
  const ended = ctx.view.get<{ code: ErrorCode; reason: string }>(
    'SELECT code, reason FROM ended_trackers WHERE tracker = ?',
    id.tracker,
  );
  return ended
    ? tracking(ended.code, ended.reason, since)
    : tracking('TRACKING_ID_INVALID', 'The RCT id was not given out for this disk', since);
}

const tracking = (code: ErrorCode, message: string, rctId: string): HvError =>
  new HvError(code, `${message} (${rctId})`, { advice: ADVICE, data: { rctId } });

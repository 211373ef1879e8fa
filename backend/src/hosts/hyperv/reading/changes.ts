/**
 * Changed ranges, page after page. Locally the helper asks virtdisk for the whole disk and hands the answer out in
 * pages; for another host WMI is asked region by region, going on from what it says it processed: asking once would
 * lose changes.
 */
import type { ChangedRange } from '../../../disk/device.ts';
import { HvError, hex } from '../../../support/errors.ts';
import { idUnknown } from '../errors.ts';
import type { Helper } from '../helper/helper.ts';
import { ChangePage } from '../wmi.ts';

export interface ChangeQuery {
  path: string;
  rctId: string;
  /** Size of the disk, bytes. */
  size: number;
  method: 'virtdisk' | 'wmi';
  /** The snapshot that is compared with the id, within a VHD set. Method `wmi` only. */
  snapshotId?: string;
}

/**
 * Stands for the RCT id of a disk whose own cannot be asked for, where it is read by exports: the reference point is
 * then all that is known of its last backup.
 */
export const UNKNOWN_ID = 'reference-point';

const ADVICE = 'Take a full backup of this disk.';

/** By virtdisk.dll where the helper has it, otherwise over WMI. @throws TRACKING_*, also for UNKNOWN_ID */
export async function* trackedChanges(
  helper: Helper,
  { path, size }: Pick<ChangeQuery, 'path' | 'size'>,
  rctId: string,
): AsyncGenerator<ChangedRange[]> {
  if (rctId === UNKNOWN_ID) throw idUnknown(path);
  const { virtDisk } = await helper.state();
  const method = virtDisk.available ? 'virtdisk' : 'wmi';
  yield* queryChanges(helper, { path, rctId, size, method });
}

/** @throws TRACKING_* when the answer would not be complete */
export async function* queryChanges(helper: Helper, query: ChangeQuery): AsyncGenerator<ChangedRange[]> {
  const seen = new Ascending(query);
  yield* query.method === 'virtdisk' ? listPages(helper, query, seen) : regionPages(helper, query, seen);
}

async function* listPages(helper: Helper, query: ChangeQuery, seen: Ascending): AsyncGenerator<ChangedRange[]> {
  for (let next = 0; ; ) {
    const page = await ask(helper, query, next, query.size);
    if (!('next' in page)) throw broken(query, 'the answer has no position');
    if (page.size !== query.size)
      throw broken(query, `the host answers for ${page.size} bytes of a disk of ${query.size}`);
    const ranges = seen.take(page.ranges);
    if (page.next !== next + ranges.count)
      throw broken(query, `${ranges.count} ranges came where ${page.next - next} were announced`);
    next = page.next;
    if (ranges.list.length > 0) yield ranges.list;
    if (next >= page.total) return;
    if (ranges.count === 0) throw broken(query, `the host stopped after ${next} of ${page.total} ranges`);
  }
}

async function* regionPages(helper: Helper, query: ChangeQuery, seen: Ascending): AsyncGenerator<ChangedRange[]> {
  let longest = query.size;
  for (let offset = 0; offset < query.size; ) {
    const length = Math.min(longest, query.size - offset);
    const page = await ask(helper, query, offset, length);
    if ('refused' in page) {
      // Documented as less than the size; a shipping client passes the size. Below half it is not the length.
      if (longest < query.size) throw broken(query, `the host refuses the region at ${hex(offset)}`);
      longest = Math.max(1 << 16, Math.ceil(query.size / 2 / 65_536) * 65_536);
      if (longest >= query.size) longest = query.size - 512;
      if (longest <= 0) throw broken(query, `the host refuses the region at ${hex(offset)}`);
      continue;
    }
    if (!('processed' in page)) throw broken(query, 'the answer does not contain what was processed');
    if (page.processed <= 0) throw broken(query, `the host processed nothing at ${hex(offset)}`);
    if (page.processed > length) throw broken(query, `the host processed more than was asked for at ${hex(offset)}`);
    const { list } = seen.take(page.ranges);
    if (list.length > 0) yield list;
    offset += page.processed;
  }
}

async function ask(helper: Helper, query: ChangeQuery, offset: number, length: number) {
  const { path, rctId, method, snapshotId } = query;
  const params = { path, rctId, method, snapshotId, offset, length };
  const answer = await helper.request('queryChanges', params, { repeat: true });
  return ChangePage.parse(answer);
}

function broken({ path, rctId }: ChangeQuery, why: string): HvError {
  return new HvError('TRACKING_INCONSISTENT', `The changed ranges of ${path} cannot be relied on: ${why}`, {
    advice: ADVICE,
    data: { path, rctId },
  });
}

/** Unpacks ranges and checks that they ascend and stay inside the disk; ranges that touch across pages are united. */
class Ascending {
  readonly #query: ChangeQuery;
  #end = 0;
  #started = false;

  constructor(query: ChangeQuery) {
    this.#query = query;
  }

  take(packed: string): { list: ChangedRange[]; count: number } {
    const bytes = Buffer.from(packed, 'base64');
    if (bytes.length % 16 !== 0) throw broken(this.#query, 'the answer is cut short');
    const list: ChangedRange[] = [];
    for (let at = 0; at < bytes.length; at += 16) {
      const from = Number(bytes.readBigUInt64LE(at));
      const stop = from + Number(bytes.readBigUInt64LE(at + 8));
      if (!Number.isSafeInteger(stop) || stop > this.#query.size) {
        throw broken(this.#query, `a range at ${hex(from)} ends at ${hex(stop)}, behind the disk's end`);
      }
      // WMI may cut a range at a region's border, or repeat what it began before.
      const offset = Math.max(from, this.#started ? this.#end : 0);
      if (stop <= offset) continue;
      const last = list.at(-1);
      if (last && offset === last.offset + last.length) last.length = stop - last.offset;
      else list.push({ offset, length: stop - offset });
      this.#end = stop;
      this.#started = true;
    }
    return { list, count: bytes.length / 16 };
  }
}

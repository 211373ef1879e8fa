/**
 * RCT ids as Hyper-V prints them: `rctX:5bfde23b:ce75:4303:b54f:6c18394f105c:00000001` (observed on real hosts;
 * docs/hyperv.md). The GUID names the tracker of one disk, the hexadecimal counter the moment that was sealed. That the
 * last part is a counter is assumed; nothing outside this host relies on it.
 */
import { parseGuid } from '../../support/guid.ts';

export interface RctId {
  /** Lower-case GUID with dashes. */
  tracker: string;
  /** From 1; the changes of epoch N are those between seal N and seal N+1. */
  counter: number;
}

const SHAPE = /^rctX:([0-9a-f]{8}):([0-9a-f]{4}):([0-9a-f]{4}):([0-9a-f]{4}):([0-9a-f]{12}):([0-9a-f]{8})$/i;

/** Text of an RCT id. */
export function formatRctId(id: RctId): string {
  return `rctX:${id.tracker.replaceAll('-', ':')}:${id.counter.toString(16).padStart(8, '0')}`;
}

/** @returns null when `text` is no RCT id */
export function parseRctId(text: string): RctId | null {
  const match = SHAPE.exec(text);
  if (!match) return null;
  const tracker = parseGuid(match.slice(1, 6).join('-'));
  return tracker === null ? null : { tracker, counter: Number.parseInt(match[6]!, 16) };
}

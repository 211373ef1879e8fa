/** The picture in text: one line a restore point, with bars for what was read and what was stored. */
import { bytesText } from '../lib/hvbackup.ts';

export interface StoryPoint {
  restorePointId: string;
  vmName: string;
  mode: string;
  consistency: string;
  durationMs: number;
  disks: { readBytes: number; newBytes: number }[];
}

const WIDTH = 20;

/** @param scale bytes that fill a bar */
export function pointLine(point: StoryPoint, scale: number): string {
  const read = point.disks.reduce((sum, disk) => sum + disk.readBytes, 0);
  const stored = point.disks.reduce((sum, disk) => sum + disk.newBytes, 0);
  return [
    point.restorePointId.padEnd(27),
    point.vmName.padEnd(16),
    point.mode.padEnd(12),
    `${bar(read, scale)} ${bytesText(read).padStart(9)}`,
    `${bar(stored, scale)} ${bytesText(stored).padStart(9)}`,
    `${(point.durationMs / 1000).toFixed(1).padStart(5)} s`,
  ].join(' ');
}

function bar(bytes: number, scale: number): string {
  // Anything at all shows as at least one mark.
  const marks = bytes === 0 ? 0 : Math.max(1, Math.round((bytes / scale) * WIDTH));
  return '█'.repeat(marks).padEnd(WIDTH, '·');
}

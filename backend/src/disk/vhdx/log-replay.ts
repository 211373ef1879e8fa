/**
 * Applies a dirty log to the file itself, when it is opened to be written ([MS-VHDX] 2.3.3). Safe to kill: idempotent.
 */
import { zeros } from '../../support/bytes.ts';
import type { RandomAccessFile } from '../../support/file.ts';
import { MIB } from './format/constants.ts';
import type { ActiveLog } from './log.ts';
import { readLoggedSector } from './log-overlay.ts';

/** Afterwards all changes are durable; the caller then marks the log as empty in the headers. */
export async function replayLog(file: RandomAccessFile, log: ActiveLog): Promise<void> {
  for (const change of log.changes) {
    if (change.kind === 'data') await file.writeFully(change.fileOffset, await readLoggedSector(file, change));
    else await writeZeros(file, change.fileOffset, change.length);
  }
  if ((await file.size()) < log.lastFileOffset) await file.truncate(log.lastFileOffset);
  await file.sync();
}

/** Beyond the end of the file a hole does; a damaged log must not be able to fill the disk. */
async function writeZeros(file: RandomAccessFile, offset: number, length: number): Promise<void> {
  const size = await file.size();
  const end = offset + length;
  for (let at = offset; at < Math.min(end, size); at += MIB) {
    await file.writeFully(at, zeros(Math.min(MIB, Math.min(end, size) - at)));
  }
  if (end > size) await file.truncate(end);
}

/** Files that stop working: from one operation on nothing changes any more, as after a kill. */
import { HvError } from '../../../../backend/src/support/errors.ts';
import { type FileOpener, openFile, type RandomAccessFile } from '../../../../backend/src/support/file.ts';

export interface Stopping {
  opener: FileOpener;
  /** Changing operations performed so far: writes, truncations, flushes. */
  count(): number;
  /** Closes what a killed process would have left to the system. */
  close(): Promise<void>;
}

/** @param limit operations that still work */
export function stoppingOpener(limit: number): Stopping {
  let count = 0;
  const guard = async (action: () => Promise<void>): Promise<void> => {
    if (count >= limit) throw new HvError('IO_ERROR', 'stopped by the test');
    count++;
    await action();
  };
  const files: RandomAccessFile[] = [];
  const opener: FileOpener = async (path, mode) => {
    const file = await openFile(path, mode);
    files.push(file);
    const wrapped: RandomAccessFile = {
      path: file.path,
      size: () => file.size(),
      readFully: (offset, target) => file.readFully(offset, target),
      readUpTo: (offset, target) => file.readUpTo(offset, target),
      writeFully: (offset, data) => guard(() => file.writeFully(offset, data)),
      truncate: (size) => guard(() => file.truncate(size)),
      sync: () => guard(() => file.sync()),
      close: () => file.close(),
    };
    return wrapped;
  };
  const close = async (): Promise<void> => {
    for (const file of files) await file.close();
  };
  return { opener, count: () => count, close };
}

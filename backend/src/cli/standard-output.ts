/** Standard output of the process. Where it is a file Node's own stream loses what a nearly full disk does not take. */
import { closeSync, fstatSync, writeSync } from 'node:fs';
import { Writable } from 'node:stream';
import { isatty } from 'node:tty';

const STDOUT = 1;

/** A file (or `/dev/full`): whole writes, and closed at the end, which is when a share reports that it has no room. */
class FileOutput extends Writable {
  override _write(chunk: Buffer, _encoding: string, done: (error?: Error | null) => void): void {
    try {
      // write(2) may take a part only; Node's stream for files takes that for the whole.
      for (let at = 0; at < chunk.length; ) at += writeSync(STDOUT, chunk, at);
      done();
    } catch (error) {
      done(error as Error);
    }
  }

  override _final(done: (error?: Error | null) => void): void {
    try {
      closeSync(STDOUT);
      done();
    } catch (error) {
      done(error as Error);
    }
  }
}

export function standardOutput(): Writable {
  return isFile() ? new FileOutput() : process.stdout;
}

function isFile(): boolean {
  try {
    const stat = fstatSync(STDOUT);
    return stat.isFile() || (stat.isCharacterDevice() && !isatty(STDOUT));
  } catch {
    // Windows knows handles that it cannot describe.
    return false;
  }
}

/**
 * Waits until all of it has left the process; ends it unless it is the process's own.
 * @returns what a write failed with, null when none did
 */
export async function allWritten(stream: Writable): Promise<Error | null> {
  if (stream.errored) return stream.errored;
  return new Promise((resolve) => {
    stream.once('error', resolve);
    const done = (error?: Error | null): void => resolve(error ?? stream.errored ?? null);
    if (stream === process.stdout) stream.write('', done);
    else stream.end(done);
  });
}

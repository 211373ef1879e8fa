/**
 * `hvbackup serve`: a session on stdin and stdout. Stdout carries the protocol and nothing else; logs go to stderr.
 * When stdin ends, when stdout is no longer read, or on a signal, every job is cancelled and cleaned up, then the
 * process ends.
 */
import type { Readable, Writable } from 'node:stream';
import { MAX_LINE_BYTES } from './handshake.ts';
import { createInvoke } from './invoke.ts';
import { LineSplitter } from './lines.ts';
import type { Operations } from './methods.ts';
import { Session } from './session.ts';

export interface ServeOptions {
  operations: Operations;
  input: Readable;
  output: Writable;
  log: (message: string) => void;
  /** Aborted: cancel every job, clean up, end. */
  signal?: AbortSignal;
}

/**
 * Resolves when the session is over and everything was flushed.
 * @returns what writing to `output` failed with; null when nothing did, or when the client has just gone away
 */
export async function serve({ operations, input, output, log, signal }: ServeOptions): Promise<Error | null> {
  let failure: Error | null = null;
  const session = new Session({
    invoke: createInvoke(operations, log),
    log,
    send: (message) => {
      if (!output.writable) return;
      output.write(`${JSON.stringify(message)}\n`);
    },
    canSendMore: () => !output.writableNeedDrain,
  });
  const stop = (): void => {
    input.destroy();
  };
  output.on('error', (error: NodeJS.ErrnoException) => {
    log(`stdout: ${error.message}`);
    if (error.code !== 'EPIPE') failure ??= error;
    stop();
  });
  signal?.addEventListener('abort', stop, { once: true });
  void session.shutdown.then(stop);

  const lines = new LineSplitter(MAX_LINE_BYTES);
  try {
    if (!signal?.aborted) {
      for await (const chunk of input) for (const line of lines.push(chunk as Buffer)) session.receive(line);
      for (const line of lines.end()) session.receive(line);
    }
  } catch (error) {
    // Destroying the stream to stop ends the loop with this error.
    if ((error as NodeJS.ErrnoException).code !== 'ERR_STREAM_PREMATURE_CLOSE')
      log(`stdin: ${(error as Error).message}`);
  }
  session.cancelAll();
  await session.idle();
  if (output.writable) await new Promise<void>((resolve) => output.write('', () => resolve()));
  return failure;
}

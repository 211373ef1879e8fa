/**
 * The one way to standard output and standard error: whatever a person reads passes {@link printable} here, so that no
 * name of a VM, a file or a server can move the cursor, hide text or turn its direction. Documents for programs stay
 * exact.
 */
import type { Writable } from 'node:stream';
import { printable, printableJson } from '../support/printable.ts';
import type { ProgressEvent } from '../support/progress.ts';
import { ProgressLine } from './progress-line.ts';
import { allWritten } from './standard-output.ts';

export type ErrorStream = Writable & { isTTY?: boolean; columns?: number };

export class Terminal {
  readonly #stdout: Writable;
  readonly #stderr: ErrorStream;
  readonly #line: ProgressLine | null;
  #failure: Error | null = null;

  constructor(stdout: Writable, stderr: ErrorStream) {
    this.#stdout = stdout;
    this.#stderr = stderr;
    this.#line = stderr.isTTY ? new ProgressLine(stderr) : null;
    stdout.on('error', (error: Error) => this.#failed(error));
    // What cannot be said on stderr cannot be said anywhere: the work goes on.
    stderr.on('error', () => {});
  }

  /** The result, for people. */
  print(lines: readonly string[]): void {
    if (lines.length > 0) this.#out(lines.map(printable).join('\n'));
  }

  /** The result, for programs. */
  document(value: object): void {
    this.#out(printableJson(value));
  }

  /** A line on stderr, at once. */
  note(message: string): void {
    this.clear();
    this.#stderr.write(`${printable(message)}\n`);
  }

  progress(event: ProgressEvent): void {
    this.#line?.show(event);
  }

  /** Takes the line of progress away. */
  clear(): void {
    this.#line?.clear();
  }

  /** Waits until everything has been written. @returns the first failure of stdout; null when all of it was taken */
  async ended(): Promise<Error | null> {
    this.clear();
    const last = await allWritten(this.#stdout);
    if (last !== null) this.#failed(last);
    return this.#failure;
  }

  #out(text: string): void {
    this.clear();
    this.#stdout.write(`${text}\n`, (error) => error && this.#failed(error));
  }

  #failed(error: Error): void {
    this.#failure ??= error;
  }
}

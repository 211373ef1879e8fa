/** The line that shows, on a terminal, what is being done: phase, percent, rate, remaining time. */
import type { Writable } from 'node:stream';
import { type MeteredProgress, ProgressMeter } from '../protocol/progress-meter.ts';
import { Throttle } from '../protocol/throttle.ts';
import { printable } from '../support/printable.ts';
import type { ProgressEvent } from '../support/progress.ts';
import { formatBytes, formatDuration, formatRate } from './units.ts';

const CLEAR_LINE = '\r\u001b[K';
const INTERVAL_MS = 200;

export class ProgressLine {
  readonly #stream: Writable & { columns?: number };
  readonly #throttle: Throttle<ProgressEvent>;
  readonly #meter = new ProgressMeter();
  #shown = false;

  /** @param stream a terminal: stderr */
  constructor(stream: Writable & { columns?: number }) {
    this.#stream = stream;
    this.#throttle = new Throttle(INTERVAL_MS, (event) => this.#draw(event));
  }

  show(event: ProgressEvent): void {
    this.#throttle.push(event);
  }

  /** Takes the line off the terminal, so that something else can be written. */
  clear(): void {
    this.#throttle.stop();
    if (this.#shown) this.#stream.write(CLEAR_LINE);
    this.#shown = false;
  }

  #draw(event: ProgressEvent): void {
    const width = Math.max(20, (this.#stream.columns ?? 80) - 1);
    this.#stream.write(CLEAR_LINE + [...progressText(this.#meter.measure(event))].slice(0, width).join(''));
    this.#shown = true;
  }
}

/** Whole seconds: an estimate claims no more. */
const formatRemaining = (ms: number): string =>
  ms <= 59_000 ? `${Math.ceil(ms / 1000)} s` : formatDuration(Math.ceil(ms / 1000) * 1000);

/** `web01 disk 0: read 42 % of 127 GiB, 310 MiB/s, 4 min 02 s left` */
function progressText(event: MeteredProgress): string {
  const subject = [event.vmName, event.disk === undefined ? undefined : `disk ${event.disk}`].filter(Boolean).join(' ');
  const details: string[] = [];
  if (event.doneBytes !== undefined && event.totalBytes) {
    const percent = Math.min(100, Math.floor((event.doneBytes * 100) / event.totalBytes));
    details.push(`${percent} % of ${formatBytes(event.totalBytes)}`);
  } else if (event.doneBytes !== undefined) details.push(formatBytes(event.doneBytes));
  if (event.bytesPerSecond !== undefined) details.push(formatRate(event.bytesPerSecond));
  if (event.remainingMs !== undefined) details.push(`${formatRemaining(event.remainingMs)} left`);
  if (event.message) details.push(event.message);
  const what = `${event.phase}${details.length > 0 ? ` ${details.join(', ')}` : ''}`;
  return printable(subject ? `${subject}: ${what}` : what);
}

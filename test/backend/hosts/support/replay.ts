/** A helper that answers from a recorded trace: what a real host said, run through the adapter again, anywhere. */

import type { Helper, HelperState } from '../../../../backend/src/hosts/hyperv/helper/helper.ts';
import { unwrap } from '../../../../backend/src/hosts/hyperv/helper/lines.ts';
import type { TracedExchange } from '../../../../backend/src/hosts/hyperv/helper/trace-format.ts';
import { HvError } from '../../../../backend/src/support/errors.ts';

/** @throws USAGE with the line number for a line that is no exchange */
export function parseTrace(text: string): TracedExchange[] {
  return text
    .split('\n')
    .map((line, index) => ({ line: line.trim(), number: index + 1 }))
    .filter(({ line }) => line !== '')
    .map(({ line, number }) => {
      try {
        const exchange = JSON.parse(line) as TracedExchange;
        if (typeof exchange.method !== 'string' || typeof exchange.answer.ok !== 'boolean')
          throw new Error('no exchange');
        return exchange;
      } catch (error) {
        throw new HvError('USAGE', `Line ${number} of the trace cannot be read`, {
          data: { line: number },
          cause: error,
        });
      }
    });
}

/**
 * Answers each request with the next recorded answer to the same method and parameters, and with the last of them again
 * when all were given. @throws what the host answered; NOT_SUPPORTED for what was not recorded
 */
export class ReplayHelper implements Pick<Helper, 'request' | 'state' | 'close'> {
  readonly #exchanges: TracedExchange[];
  readonly #given = new Map<string, number>();

  constructor(exchanges: TracedExchange[]) {
    this.#exchanges = exchanges;
  }

  async state(): Promise<HelperState> {
    const opened = this.#exchanges.find((exchange) => exchange.method === 'open');
    if (!opened) throw notRecorded('open', {});
    return unwrap(opened.answer, 'open') as HelperState;
  }

  async request<T>(method: string, params: object): Promise<T> {
    const key = JSON.stringify([method, params]);
    const all = this.#exchanges.filter((entry) => JSON.stringify([entry.method, entry.params]) === key);
    if (all.length === 0) throw notRecorded(method, params);
    const turn = this.#given.get(key) ?? 0;
    this.#given.set(key, turn + 1);
    return unwrap(all[Math.min(turn, all.length - 1)]!.answer, method) as T;
  }

  async close(): Promise<void> {}
}

const notRecorded = (method: string, params: object): HvError =>
  new HvError('NOT_SUPPORTED', `The trace has no answer to ${method} with these parameters`, {
    data: { method, params },
  });

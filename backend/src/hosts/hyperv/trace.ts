/**
 * The recorder (`Start-VMBackupTrace`): every exchange with the helper as one line of JSON, for a test to replay and for a person to send.
 * Neither passwords nor content of disks pass through the helper; names, paths and ids do, and are replaced where asked for.
 */
import { appendFileSync } from 'node:fs';
import type { HelperAnswer } from './lines.ts';

export interface Trace {
  exchange(method: string, params: object, answer: HelperAnswer): void;
}

/** One recorded exchange. */
export interface TracedExchange {
  time: string;
  method: string;
  params: object;
  answer: HelperAnswer;
}

/** Appends to `file`; a trace that cannot be written must not stop a backup. */
export function fileTrace(file: string): Trace {
  return {
    exchange(method, params, answer) {
      const line: TracedExchange = { time: new Date().toISOString(), method, params, answer };
      try {
        appendFileSync(file, `${JSON.stringify(line)}\n`);
      } catch {}
    },
  };
}

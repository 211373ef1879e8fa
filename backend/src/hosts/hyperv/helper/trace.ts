/**
 * The recorder (`Start-VMBackupTrace`): every exchange with the helper as one line of JSON, for a test to replay and
 * for a person to send. Content of disks does not pass through the helper, and a password never as part of a request;
 * names, paths and ids do. Names and paths are replaced where asked for (anonymize.ts).
 */
import { appendFileSync } from 'node:fs';
import type { Anonymizer } from './anonymize.ts';
import type { HelperAnswer } from './lines.ts';
import type { TracedExchange } from './trace-format.ts';

export interface Trace {
  exchange(method: string, params: object, answer: HelperAnswer): void;
}

/**
 * Appends to `file`; a trace that cannot be written must not stop a backup.
 * @param anonymizer replaces names
 */
export function fileTrace(file: string, anonymizer?: Anonymizer): Trace {
  return {
    exchange(method, params, answer) {
      const line: TracedExchange = { time: new Date().toISOString(), method, params, answer };
      try {
        appendFileSync(file, `${JSON.stringify(anonymizer?.exchange(line) ?? line)}\n`);
      } catch {}
    },
  };
}

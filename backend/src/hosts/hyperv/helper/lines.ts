/**
 * The helper's lines (docs/helper-protocol.md): requests go as base64 of JSON inside one constant command, answers and
 * progress come as `@hvh ID KIND BASE64`. Base64 has no character that means anything to PowerShell.
 */
import { ERROR_CODES, type ErrorCode } from '../../../support/error-codes.ts';
import { HvError } from '../../../support/errors.ts';

const PROTOCOL_VERSION = 1;

export type HelperAnswer =
  | { ok: true; result: unknown }
  | { ok: false; error: { code: string; message: string; advice?: string; data?: Record<string, unknown> } };

export interface HelperProgress {
  /** Id of the WMI job that was started, the moment there is one. */
  jobId?: string;
  method?: string;
  percent?: number;
  doneBytes?: number;
  totalBytes?: number;
}

export interface HelperLine {
  id: number;
  kind: 'r' | 'p';
  value: unknown;
}

/** The command for one request. Nothing but digits, letters, `+`, `/` and `=` of it depends on values. */
export function renderRequest(id: number, method: string, params: object): string {
  const json = JSON.stringify({ v: PROTOCOL_VERSION, id, method, params });
  return `Invoke-HelperRequest '${Buffer.from(json, 'utf8').toString('base64')}'`;
}

const LINE = /@hvh (\d{1,15}) ([rp]) ([A-Za-z0-9+/]*={0,2})\s*$/;

/** One line of the helper's output; null for whatever else the shell writes (escapes, banners). */
export function parseLine(line: string): HelperLine | null {
  const match = LINE.exec(line);
  if (!match) return null;
  try {
    const value: unknown = JSON.parse(Buffer.from(match[3]!, 'base64').toString('utf8'));
    return { id: Number(match[1]), kind: match[2] as 'r' | 'p', value };
  } catch {
    return null;
  }
}

/** The result of an answer, or its error as ours. @throws the helper's error; HELPER_FAILED for unknown codes */
export function unwrap(answer: HelperAnswer, method: string): unknown {
  if (answer.ok) return answer.result;
  const { code, message, advice, data } = answer.error;
  const known = ERROR_CODES.includes(code as ErrorCode);
  throw new HvError(known ? (code as ErrorCode) : 'HELPER_FAILED', message, {
    advice: advice || undefined,
    data: { ...data, helperMethod: method, ...(known ? {} : { helperCode: code }) },
  });
}

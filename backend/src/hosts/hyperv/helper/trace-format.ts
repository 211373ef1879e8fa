/** A trace: one line of JSON for each exchange with the helper. */
import type { HelperAnswer } from './lines.ts';

/** One recorded exchange. */
export interface TracedExchange {
  time: string;
  method: string;
  params: object;
  answer: HelperAnswer;
}

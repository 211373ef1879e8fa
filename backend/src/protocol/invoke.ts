/** Calls a method: refuses what is wrong with the parameters, fills in defaults, runs the operation. */
import type { z } from 'zod';
import { requireUsableClock } from '../support/clock.ts';
import { HvError, throwIfCancelled, toHvError } from '../support/errors.ts';
import type { OperationContext } from '../support/progress.ts';
import { DATED } from './dated-methods.ts';
import { issueSentence, issueText } from './issue-text.ts';
import {
  METHODS,
  type Method,
  type MethodInput,
  type MethodName,
  type MethodResult,
  type Operations,
} from './methods.ts';
import { refusePlanned } from './planned.ts';
import { RetrySum } from './retry-sum.ts';

export type Invoke = <M extends MethodName>(
  method: M,
  params: MethodInput<M>,
  context: OperationContext,
) => Promise<MethodResult<M>>;

/**
 * @param onDefect called when an operation's result does not match its schema; the result is handed on all the same,
 *   since what was done was done
 * @returns a function that calls methods with untrusted parameters; it throws nothing but HvError:
 *   PROTOCOL_INVALID for parameters the schema refuses (data.issues), NOT_SUPPORTED, and the operation's own
 */
export function createInvoke(operations: Operations, onDefect: (message: string) => void = () => {}): Invoke {
  return async (name, params, context) => {
    const method: Method = METHODS[name];
    refusePlanned(name, params);
    const schemas = await method.schemas();
    const parsed = schemas.params.safeParse(params ?? {});
    if (!parsed.success) throw invalidParams(name, parsed.error);
    const operation = operations[METHODS[name].operation] as (p: unknown, c: OperationContext) => Promise<unknown>;
    const retries = new RetrySum();
    let result: unknown;
    try {
      // Cancelled while the schemas were loaded: what has not begun need not be undone.
      throwIfCancelled(context.signal);
      if (DATED.has(name)) requireUsableClock(Date.now());
      // Another method's element could only be taken for one of this one's.
      const partial = method.partial === undefined ? undefined : context.partial;
      result = await operation(parsed.data, { ...context, partial, repeated: retries.add });
      result = retries.into(result, schemas.result.shape);
    } catch (error) {
      throw toHvError(error, name);
    }
    const checked = schemas.result.safeParse(result);
    if (checked.success) return checked.data as MethodResult<typeof name>;
    onDefect(`${name}: the result does not match its schema: ${issueSentence(checked.error.issues)}`);
    return result as MethodResult<typeof name>;
  };
}

function invalidParams(method: string, error: z.ZodError): HvError {
  return new HvError('PROTOCOL_INVALID', `${method}: ${issueSentence(error.issues)}`, {
    advice: 'Correct the parameters; docs/protocol.md describes them.',
    data: {
      method,
      issues: error.issues.map((issue) => ({ path: issue.path.map(String).join('.'), message: issueText(issue) })),
    },
  });
}

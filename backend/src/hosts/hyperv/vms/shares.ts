/** Reading another host's files: what is needed for it, said where it is missing. */
import { HvError, isHvError } from '../../../support/errors.ts';
import type { HelperState } from '../helper/helper.ts';

const NEEDED =
  'Its disks are read over its administrative shares (C$, ...): that takes an account of its Administrators group, SMB (port 445) through its firewall, ' +
  'and, for local accounts other than the built-in Administrator, LocalAccountTokenFilterPolicy 1.';

/**
 * @throws ACCESS_DENIED where the account that was given cannot read the shares: before a checkpoint is made for
 * nothing
 */
export function requireShares({ shareProblem, server }: HelperState): void {
  if (!shareProblem) return;
  throw new HvError('ACCESS_DENIED', sentence(shareProblem), { advice: NEEDED, data: { server } });
}

/** The error of opening a file of another host, with what such files need. */
export function explainShare(error: unknown, file: string, server: string | undefined): unknown {
  if (server === undefined || !file.startsWith('\\\\')) return error;
  if (!isHvError(error, 'ACCESS_DENIED', 'FILE_NOT_FOUND', 'IO_ERROR')) return error;
  return new HvError(error.code, error.message, { advice: NEEDED, data: { ...error.data, server }, cause: error });
}

export const sentence = (text: string): string => `${text.charAt(0).toUpperCase()}${text.slice(1)}.`;
export const SHARES_ADVICE = NEEDED;

/**
 * The forms ids take: 32 bytes on disk, 64 hex digits in references and messages, a 32-character string as a map key.
 */
import { randomBytes } from 'node:crypto';
import { HvError } from '../../support/errors.ts';
import { ID_LENGTH } from './constants.ts';

/** Map key of the id at `offset`: one character a byte, cheaper than hex. */
export const keyOf = (bytes: Buffer, offset = 0): string => bytes.toString('latin1', offset, offset + ID_LENGTH);

/** Id of a pack or session: 16 random bytes as 32 hex digits. */
export const randomId = (): string => randomBytes(16).toString('hex');
export const isRandomId = (text: string): boolean => /^[0-9a-f]{32}$/.test(text);
export const isHash = (text: string): boolean => /^[0-9a-f]{64}$/.test(text);

/** The 16 bytes of a repository id (a GUID), as its digits read. */
export function repositoryIdBytes(id: string): Buffer {
  const bytes = Buffer.from(id.replaceAll('-', ''), 'hex');
  if (bytes.length !== 16) throw new HvError('INTERNAL', `Not a repository id: ${id}`);
  return bytes;
}

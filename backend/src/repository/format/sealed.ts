/**
 * Documents and indexes of an encrypted repository: head, salt, then one AES-GCM message, whose authenticated data is
 * the head (docs/format.md §7). Every object has a salt, so a key, of its own: no nonce can repeat.
 */
import { randomBytes } from 'node:crypto';
import { HvError } from '../../support/errors.ts';
import { damaged } from '../errors.ts';
import { deriveKey, type KeyPurpose, open, type RepositoryKeys, SALT_LENGTH, SINGLE_NONCE, seal } from './keys.ts';

/** Bit 0 of an object's flags. */
export const ENCRYPTED = 1;

/**
 * Refuses what is not encrypted as its repository is: in an encrypted one, an object that could have been written
 * without the keys.
 * @throws REPOSITORY_DAMAGED; NOT_SUPPORTED for flags of a newer version
 */
export function requireFlags(flags: number, keys: RepositoryKeys | null, object: string, path: string): void {
  if ((flags & ~ENCRYPTED) !== 0)
    throw new HvError('NOT_SUPPORTED', `${path}: it has unknown flags (0x${flags.toString(16)})`, {
      advice: 'Use a newer version of HyperVBackup for this repository.',
      data: { object, path, flags },
    });
  if (keys !== null && flags === 0)
    throw damaged(object, path, 'it is not encrypted, as everything in this repository is: it comes from elsewhere');
  if (keys === null && flags !== 0)
    throw damaged(object, path, 'it is encrypted, and this repository is not: it comes from elsewhere');
}

/** @param head all before the salt. @returns salt, ciphertext and tag, to be stored behind it */
export function sealBehind(keys: RepositoryKeys, purpose: KeyPurpose, head: Uint8Array, plain: Uint8Array): Buffer {
  const salt = randomBytes(SALT_LENGTH);
  return Buffer.concat([salt, seal(deriveKey(keys, salt, purpose), SINGLE_NONCE, plain, head)]);
}

/** Opens what {@link sealBehind} made. @throws REPOSITORY_DAMAGED when anything of it, or of `head`, was altered */
export function openBehind(
  keys: RepositoryKeys,
  purpose: KeyPurpose,
  head: Uint8Array,
  sealed: Buffer,
  path: string,
): Buffer {
  const salt = sealed.subarray(0, SALT_LENGTH);
  const plain =
    salt.length < SALT_LENGTH
      ? null
      : open(deriveKey(keys, salt, purpose), SINGLE_NONCE, sealed.subarray(SALT_LENGTH), head);
  if (plain !== null) return plain;
  throw damaged(purpose, path, 'it was altered: it was not written so with the key of this repository', {
    offset: head.length,
  });
}

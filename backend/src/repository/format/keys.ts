/**
 * The repository's keys and the two things done with them: deriving a key for one object, and sealing one message
 * (docs/format.md §7). Nothing here reads or writes objects.
 */
import { createCipheriv, createDecipheriv, createHmac, hkdfSync } from 'node:crypto';
import { secretKey } from './secret-keys.ts';

/** What a passphrase unlocks. Both are 32 random bytes, made with the repository, and never change. */
export interface RepositoryKeys {
  /** Every key that encrypts something is derived from it. */
  encryptionKey: Buffer;
  /** HMAC-SHA-256 key of block and node ids and of hidden names. */
  idKey: Buffer;
}

/** What a derived key is for; part of the derivation, so a key of one kind never fits another. */
export type KeyPurpose = 'pack' | 'document' | 'index' | 'label';

/** Bytes. */
export const KEY_LENGTH = 32;
/** Bytes: of the random salt that an encrypted object carries. */
export const SALT_LENGTH = 32;
/** Bytes that sealing adds at the end. */
export const TAG_LENGTH = 16;
/** Bytes. */
const NONCE_LENGTH = 12;
/** For keys that seal one message only. */
export const SINGLE_NONCE = Buffer.alloc(NONCE_LENGTH);

/** The key of one object: HKDF-SHA-256 of the encryption key. @param salt the object's own, SALT_LENGTH bytes */
export function deriveKey(keys: RepositoryKeys, salt: Uint8Array, purpose: KeyPurpose): Buffer {
  return Buffer.from(hkdfSync('sha256', secretKey(keys.encryptionKey), salt, `hvbackup ${purpose}`, KEY_LENGTH));
}

/**
 * AES-256-GCM. A nonce must never be used twice with a key.
 * @returns ciphertext and, behind it, TAG_LENGTH bytes of tag
 */
export function seal(key: Uint8Array, nonce: Uint8Array, plain: Uint8Array, authenticated: Uint8Array): Buffer {
  const cipher = createCipheriv('aes-256-gcm', secretKey(key), nonce, { authTagLength: TAG_LENGTH });
  cipher.setAAD(authenticated);
  return Buffer.concat([cipher.update(plain), cipher.final(), cipher.getAuthTag()]);
}

/** Opens what {@link seal} made. @returns null when key, nonce, message or authenticated data are not what they were */
export function open(
  key: Uint8Array,
  nonce: Uint8Array,
  message: Uint8Array,
  authenticated: Uint8Array,
): Buffer | null {
  const end = message.length - TAG_LENGTH;
  if (end < 0) return null;
  const decipher = createDecipheriv('aes-256-gcm', secretKey(key), nonce, { authTagLength: TAG_LENGTH });
  decipher.setAAD(authenticated);
  decipher.setAuthTag(message.subarray(end));
  const plain = decipher.update(message.subarray(0, end));
  try {
    decipher.final();
  } catch {
    return null;
  }
  return plain;
}

/** The name that stands for `text` in an encrypted repository: 32 hex digits that only the id key gives. */
export function hiddenName(keys: RepositoryKeys, text: string): string {
  return createHmac('sha256', secretKey(keys.idKey)).update('HVBKNAME').update(text, 'utf8').digest('hex').slice(0, 32);
}

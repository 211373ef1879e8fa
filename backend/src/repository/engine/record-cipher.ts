/** Encryption of a record's body: AES-256-GCM under its pack's key (docs/format.md §7). */
import { createCipheriv, createDecipheriv } from 'node:crypto';
import { copyBytes } from '../../support/copy-bytes.ts';
import { TAG_LENGTH } from '../format/keys.ts';
import { secretKey } from '../format/secret-keys.ts';
import { release } from './release.ts';

/** What encrypts the records of one pack. Never logged. */
export interface RecordCipher {
  /** 32 bytes, derived from the salt of the pack. */
  key: Uint8Array;
  /** Repository id and pack id, 16 bytes each: authenticated, so that a record counts only where it was put. */
  place: Uint8Array;
}

const ALGORITHM = 'aes-256-gcm';
/** Bytes of a record header that are authenticated: all but its checksum. */
const AUTHENTICATED = 92;
const SEQUENCE_AT = 8;

function nonceOf(header: Buffer): Buffer {
  const nonce = Buffer.alloc(12);
  header.copy(nonce, 0, SEQUENCE_AT, SEQUENCE_AT + 4);
  return nonce;
}

/**
 * Writes the encrypted body, tag last, at `at` of `out`.
 * @param header the record's own, complete: its sequence is the nonce and must be new for this pack
 */
export function sealBody(
  cipher: RecordCipher,
  header: Buffer,
  parts: readonly Uint8Array[],
  out: Buffer,
  at: number,
): void {
  const gcm = createCipheriv(ALGORITHM, secretKey(cipher.key), nonceOf(header));
  gcm.setAAD(Buffer.concat([cipher.place, header.subarray(0, AUTHENTICATED)]));
  let end = at;
  for (const part of parts) {
    const sealed = gcm.update(part);
    end += copyBytes(sealed, out, end);
    release(sealed, sealed.length);
  }
  gcm.final();
  gcm.getAuthTag().copy(out, end);
}

/** @returns the body in plain, or null when it is not what was encrypted there */
export function openBody(cipher: RecordCipher, header: Buffer, body: Buffer): Buffer | null {
  if (body.length < TAG_LENGTH) return null;
  const end = body.length - TAG_LENGTH;
  const gcm = createDecipheriv(ALGORITHM, secretKey(cipher.key), nonceOf(header), { authTagLength: TAG_LENGTH });
  gcm.setAAD(Buffer.concat([cipher.place, header.subarray(0, AUTHENTICATED)]));
  gcm.setAuthTag(body.subarray(end));
  const plain = gcm.update(body.subarray(0, end));
  try {
    gcm.final();
    return plain;
  } catch {
    return null;
  }
}

/** The first bytes of a body, unproven: the caller must hold them against a keyed id. */
export function openPrefix(cipher: RecordCipher, header: Buffer, prefix: Buffer): Buffer {
  return createDecipheriv(ALGORITHM, secretKey(cipher.key), nonceOf(header), { authTagLength: TAG_LENGTH }).update(
    prefix,
  );
}

/** Keys as Node's crypto wants them. */
import { createSecretKey, type KeyObject } from 'node:crypto';

const known = new WeakMap<Uint8Array, KeyObject>();

/**
 * The key object of plain key bytes, which must not change afterwards. Handed the bytes themselves, Node throws and
 * catches an exception inside each createHmac() and createCipheriv(): 15 to 20 µs, as much as hashing 25 KiB.
 */
export function secretKey(bytes: Uint8Array): KeyObject {
  let key = known.get(bytes);
  if (key === undefined) {
    key = createSecretKey(bytes);
    known.set(bytes, key);
  }
  return key;
}

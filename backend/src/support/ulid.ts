/** Ids of restore points and jobs: ULID (128 bits: 48 bits of milliseconds, 80 random), so they sort by time. */
import { randomBytes } from 'node:crypto';

/** Crockford's base 32: no I, L, O, U, so an id read aloud or typed is not mistaken. */
const ALPHABET = '0123456789ABCDEFGHJKMNPQRSTVWXYZ';

/** 48 bits. */
const MAX_TIME = 2 ** 48 - 1;

/** @param now milliseconds since 1970; @returns 26 upper-case characters */
export function ulid(now: number = Date.now()): string {
  if (!(now >= 0 && now <= MAX_TIME)) throw new RangeError(`no id can be made at ${now}`);
  let time = '';
  for (let rest = now, i = 0; i < 10; i++, rest = Math.floor(rest / 32)) time = ALPHABET[rest % 32] + time;
  let random = '';
  for (const byte of randomBytes(16)) random += ALPHABET[byte % 32];
  return time + random;
}

/** True for what ulid() returns, upper case. */
export const isUlid = (text: string): boolean => /^[0-7][0-9A-HJKMNP-TV-Z]{25}$/.test(text);

/** Milliseconds since 1970 that a ULID was made at. */
export function ulidTime(id: string): number {
  let time = 0;
  for (const digit of id.slice(0, 10)) time = time * 32 + ALPHABET.indexOf(digit);
  return time;
}

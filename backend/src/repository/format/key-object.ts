/**
 * Key objects: the repository's keys, wrapped by a passphrase (docs/format.md §7). Parse/render and wrap/unwrap pairs.
 */

import { createHash, randomBytes, scrypt, timingSafeEqual } from 'node:crypto';
import { promisify } from 'node:util';
import { HvError } from '../../support/errors.ts';
import { passphraseBytes, requirePassphrase } from '../../support/passphrase.ts';
import { damaged } from '../errors.ts';
import { checkOf, type RepositoryConfig } from './config.ts';
import { isRandomId, repositoryIdBytes } from './ids.ts';
import {
  deriveKey,
  KEY_LENGTH,
  open,
  type RepositoryKeys,
  SALT_LENGTH,
  SINGLE_NONCE,
  seal,
  TAG_LENGTH,
} from './keys.ts';
import { keyObjectName } from './names.ts';

/** Cost of scrypt: 128 × n × r bytes of memory, p times one after the other. */
export interface KdfCost {
  n: number;
  r: number;
  p: number;
}

/** 128 MiB, about half a second. */
export const DEFAULT_COST: KdfCost = { n: 2 ** 17, r: 8, p: 1 };
/** Bytes of memory, times p. */
export const costOf = ({ n, r, p }: KdfCost): number => 128 * n * r * p;
/** What a reader spends at most, bytes: anyone who can write to the storage must not be able to exhaust the machine. */
const MAX_COST = 1024 ** 3;
export const MAX_KEY_OBJECT_LENGTH = 16 * 1024;
const MAX_LABEL_LENGTH = 200;
const WRAPPED_LENGTH = 3 * KEY_LENGTH + TAG_LENGTH;

export interface KeyObject {
  id: string;
  createdAt: string;
  kdf: { name: 'scrypt'; salt: Buffer } & KdfCost;
  /** Second half of what scrypt gives: commits the object to one passphrase. */
  proof: Buffer;
  /** The keys and the configuration's SHA-256, under the first half. */
  wrapped: Buffer;
  /** For people, under a key derived from the encryption key. */
  label: Buffer;
}

/** What a key object protects. */
export interface WrappedKeys {
  keys: RepositoryKeys;
  /** SHA-256 of hvbackup-repository.json as it was written. */
  configDigest: Buffer;
}

export function renderKeyObject({ id, createdAt, kdf, proof, wrapped, label }: KeyObject): Buffer {
  const { name, n, r, p, salt } = kdf;
  const hex = { proof: proof.toString('hex'), wrapped: wrapped.toString('hex'), label: label.toString('hex') };
  const fields = { id, createdAt, kdf: { name, n, r, p, salt: salt.toString('hex') }, ...hex };
  return Buffer.from(`${JSON.stringify({ ...fields, check: checkOf(fields) }, null, 2)}\n`, 'utf8');
}

/** @throws REPOSITORY_DAMAGED; NOT_SUPPORTED when it is intact and a newer version's */
export function parseKeyObject(bytes: Buffer, path: string): KeyObject {
  const { check, ...fields } = parseFields(bytes, path);
  if (check !== checkOf(fields)) throw damaged('key', path, 'it does not match its check');
  const kdf = (fields.kdf ?? {}) as Record<string, unknown>;
  const { n, r, p } = kdf as unknown as KdfCost;
  if (kdf.name !== 'scrypt' || ![n, r, p].every((value) => Number.isSafeInteger(value) && value > 0))
    throw new HvError('NOT_SUPPORTED', `${path}: its key derivation is not known`, {
      advice: 'Use a newer version of HyperVBackup for this repository.',
      data: { object: 'key', path },
    });
  if (n < 2 || !Number.isInteger(Math.log2(n)) || costOf({ n, r, p }) > MAX_COST)
    throw damaged('key', path, 'deriving its key would take more than 1 GiB, or is not possible');
  const { id, createdAt } = fields;
  if (typeof id !== 'string' || !isRandomId(id) || keyObjectName(id) !== path || typeof createdAt !== 'string')
    throw damaged('key', path, 'it lies under a wrong name, or lacks fields');
  return {
    id,
    createdAt,
    kdf: { name: 'scrypt', n, r, p, salt: bytesOf(kdf.salt, SALT_LENGTH, SALT_LENGTH, path) },
    proof: bytesOf(fields.proof, KEY_LENGTH, KEY_LENGTH, path),
    wrapped: bytesOf(fields.wrapped, WRAPPED_LENGTH, WRAPPED_LENGTH, path),
    label: bytesOf(fields.label, TAG_LENGTH, MAX_KEY_OBJECT_LENGTH, path),
  };
}

function parseFields(bytes: Buffer, path: string): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(bytes.toString('utf8'));
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Record<string, unknown>;
    throw new Error('not an object');
  } catch (cause) {
    throw damaged('key', path, 'it is not JSON', { cause });
  }
}

function bytesOf(value: unknown, min: number, max: number, path: string): Buffer {
  const text = typeof value === 'string' && /^(?:[0-9a-f]{2})*$/.test(value) ? value : '';
  const bytes = Buffer.from(text, 'hex');
  if (bytes.length < min || bytes.length > max) throw damaged('key', path, 'it lacks fields');
  return bytes;
}

/**
 * Makes a key object; it has been rendered, parsed and unwrapped again.
 * @throws USAGE for a passphrase of nothing but white space
 */
export async function wrapKeys(
  wanted: WrappedKeys & { id: string; createdAt: string; label: string },
  config: RepositoryConfig,
  passphrase: string,
  cost: KdfCost = DEFAULT_COST,
): Promise<KeyObject> {
  const { id, createdAt, keys, configDigest, label } = wanted;
  requirePassphrase(passphrase);
  const kdf = { name: 'scrypt' as const, ...cost, salt: randomBytes(SALT_LENGTH) };
  const derived = await derive(passphrase, kdf);
  const bound = boundTo(config, id);
  const secret = Buffer.concat([keys.encryptionKey, keys.idKey, configDigest]);
  const object: KeyObject = {
    id,
    createdAt,
    kdf,
    proof: derived.proof,
    wrapped: seal(derived.key, SINGLE_NONCE, secret, bound),
    label: seal(deriveKey(keys, kdf.salt, 'label'), SINGLE_NONCE, Buffer.from(label.slice(0, MAX_LABEL_LENGTH)), bound),
  };
  const again = parseKeyObject(renderKeyObject(object), keyObjectName(id));
  const opened = open(derived.key, SINGLE_NONCE, again.wrapped, bound);
  if (!opened?.equals(secret) || !again.proof.equals(object.proof))
    throw new HvError('INTERNAL', `${keyObjectName(id)}: what was wrapped does not unwrap to the same keys`);
  return object;
}

/**
 * @returns null when the passphrase is not this object's.
 * @throws REPOSITORY_DAMAGED when it is, and the rest was altered
 */
export async function unwrapKeys(
  object: KeyObject,
  config: RepositoryConfig,
  passphrase: string,
): Promise<WrappedKeys | null> {
  const derived = await derive(passphrase, object.kdf);
  if (!timingSafeEqual(derived.proof, object.proof)) return null;
  const secret = open(derived.key, SINGLE_NONCE, object.wrapped, boundTo(config, object.id));
  if (secret === null)
    throw damaged('key', keyObjectName(object.id), 'the passphrase is right, but the keys in it were altered');
  const part = (index: number): Buffer => secret.subarray(index * KEY_LENGTH, (index + 1) * KEY_LENGTH);
  return { keys: { encryptionKey: part(0), idKey: part(1) }, configDigest: part(2) };
}

/** @returns null when it was not written with the repository's keys */
export function openLabel(object: KeyObject, config: RepositoryConfig, keys: RepositoryKeys): string | null {
  const key = deriveKey(keys, object.kdf.salt, 'label');
  return open(key, SINGLE_NONCE, object.label, boundTo(config, object.id))?.toString('utf8') ?? null;
}

/** An object from another repository, or under another id, does not open. */
const boundTo = (config: RepositoryConfig, id: string): Buffer =>
  Buffer.concat([repositoryIdBytes(config.id), Buffer.from(id, 'hex')]);

const scryptAsync = promisify<Buffer, Buffer, number, object, Buffer>(scrypt);

async function derive(passphrase: string, { n, r, p, salt }: KdfCost & { salt: Buffer }) {
  const maxmem = 128 * n * r + 256 * r * p + 1024 * 1024;
  const bytes = await scryptAsync(passphraseBytes(passphrase), salt, 2 * KEY_LENGTH, { N: n, r, p, maxmem });
  return { key: bytes.subarray(0, KEY_LENGTH), proof: bytes.subarray(KEY_LENGTH) };
}

export const digestOf = (bytes: Uint8Array): Buffer => createHash('sha256').update(bytes).digest();

/** hvbackup-repository.json (docs/format.md §2.1). */
import { hash } from 'node:crypto';
import { HvError } from '../../support/errors.ts';
import { parseGuid } from '../../support/guid.ts';
import { damaged } from '../errors.ts';
import { CONFIG_NAME, FORMAT_VERSION, MAX_BLOCK_SIZE, MIN_BLOCK_SIZE, PAGE_SIZE } from './constants.ts';

export interface RepositoryConfig {
  /** GUID. */
  id: string;
  version: 1 | 2;
  /** Bytes. */
  blockSize: number;
  /** Bytes of a page of the blocks' page lists; 0 in version 1, which has none. */
  pageSize: typeof PAGE_SIZE | 0;
  createdAt: string;
  minReaderVersion: number;
  minWriterVersion: number;
  /** Null when it is not encrypted. A version-1 repository never is. */
  encryption: Encryption | null;
}

/** The one way of encrypting there is. */
export const ENCRYPTION = { algorithm: 'aes-256-gcm', keyDerivation: 'scrypt' } as const;
type Encryption = typeof ENCRYPTION;

const FORMAT = 'hypervbackup-repository';

/** @throws USAGE when `blockSize` is no power of two from 64 KiB to 4 MiB */
export function requireBlockSize(blockSize: number): number {
  const fine = Number.isInteger(blockSize) && blockSize >= MIN_BLOCK_SIZE && blockSize <= MAX_BLOCK_SIZE;
  if (fine && (blockSize & (blockSize - 1)) === 0) return blockSize;
  throw new HvError('USAGE', `A block size of ${blockSize} bytes is not possible`, {
    advice: 'Choose a power of two from 64 KiB to 4 MiB, for instance 256K.',
    data: { blockSize },
  });
}

export function renderConfig(config: RepositoryConfig): Buffer {
  const { encryption, id, version, blockSize, pageSize, ...rest } = config;
  const pages = pageSize === 0 ? {} : { pageSize };
  const fields = { format: FORMAT, encryption, id, version, blockSize, ...pages, ...rest };
  return Buffer.from(`${JSON.stringify({ ...fields, check: checkOf(fields) }, null, 2)}\n`, 'utf8');
}

/**
 * @param location of the repository, for messages
 * @throws REPOSITORY_VERSION when newer, NOT_SUPPORTED when encrypted in a way that is not known, REPOSITORY_DAMAGED
 */
export function parseConfig(bytes: Buffer, location: string): RepositoryConfig {
  let value: Record<string, unknown>;
  try {
    const parsed: unknown = JSON.parse(bytes.toString('utf8'));
    if (typeof parsed !== 'object' || parsed === null || Array.isArray(parsed)) throw new Error('not an object');
    value = parsed as Record<string, unknown>;
  } catch (cause) {
    throw damaged('config', CONFIG_NAME, `the configuration of the repository ${location} is not JSON`, { cause });
  }
  const { check, ...fields } = value;
  const intact = check === checkOf(fields);
  // A newer version may reckon the check otherwise: the version comes first, but only a plausible one.
  if (Number.isInteger(fields.version) && Number(fields.version) > FORMAT_VERSION) requireVersion(fields, location);
  if (!intact || fields.format !== FORMAT)
    throw damaged('config', CONFIG_NAME, `the configuration of the repository ${location} does not match its check`);
  requireVersion(fields, location);
  const { id, blockSize, createdAt, minReaderVersion, minWriterVersion } = fields;
  const version = fields.version === 1 || fields.version === 2 ? fields.version : null;
  const pageSize = version === 1 ? 0 : PAGE_SIZE;
  const fits = version !== null && (fields.pageSize ?? 0) === pageSize && (version > 1 || fields.encryption === null);
  if (!fits || typeof id !== 'string' || parseGuid(id) !== id || typeof createdAt !== 'string')
    throw damaged('config', CONFIG_NAME, `the configuration of the repository ${location} lacks fields`);
  return {
    id,
    version,
    blockSize: requireBlockSize(Number(blockSize)),
    pageSize,
    createdAt,
    minReaderVersion: Number(minReaderVersion),
    minWriterVersion: Number(minWriterVersion),
    encryption: parseEncryption(fields.encryption, location),
  };
}

function parseEncryption(value: unknown, location: string): Encryption | null {
  if (value === null) return null;
  const { algorithm, keyDerivation } = (value ?? {}) as Record<string, unknown>;
  if (algorithm === ENCRYPTION.algorithm && keyDerivation === ENCRYPTION.keyDerivation) return ENCRYPTION;
  throw new HvError(
    'NOT_SUPPORTED',
    `The repository ${location} is encrypted with a method that this program does not know`,
    {
      advice: 'Use a newer version of HyperVBackup for this repository.',
      data: { location },
    },
  );
}

function requireVersion(fields: Record<string, unknown>, location: string): void {
  const needed = fields.minReaderVersion;
  if (typeof needed === 'number' && needed <= FORMAT_VERSION) return;
  throw new HvError(
    'REPOSITORY_VERSION',
    `The repository ${location} has format version ${String(fields.version)}; this program knows ${FORMAT_VERSION}`,
    { advice: 'Use a newer version of HyperVBackup.', data: { version: fields.version, known: FORMAT_VERSION } },
  );
}

export const isWritable = ({ minWriterVersion }: RepositoryConfig): boolean => minWriterVersion <= FORMAT_VERSION;

/** This program may read the repository and not write to it. */
export function notWritable({ minWriterVersion }: RepositoryConfig, location: string): HvError {
  const needed = String(minWriterVersion);
  return new HvError(
    'REPOSITORY_VERSION',
    `The repository ${location} must be written by programs of format version ${needed} and later only; this one knows ${FORMAT_VERSION}`,
    {
      advice: 'Use a newer version of HyperVBackup. Restore, export, verify and list work with this one.',
      data: { minWriterVersion, known: FORMAT_VERSION },
    },
  );
}

/**
 * SHA-256 of the JSON text of `fields` without white space, keys sorted; the `check` of what is JSON without a frame.
 */
export function checkOf(fields: Record<string, unknown>): string {
  const sorted = Object.fromEntries(Object.entries(fields).sort(([a], [b]) => (a < b ? -1 : 1)));
  return hash('sha256', JSON.stringify(sorted), 'hex');
}

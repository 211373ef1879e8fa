/** hvbackup-repository.json (docs/format.md §2.1). */
import { hash } from 'node:crypto';
import { HvError } from '../../support/errors.ts';
import { parseGuid } from '../../support/guid.ts';
import { damaged } from '../storage/storage.ts';
import { CONFIG_NAME, FORMAT_VERSION, MAX_BLOCK_SIZE, MIN_BLOCK_SIZE } from './constants.ts';

export interface RepositoryConfig {
  /** GUID. */
  id: string;
  version: number;
  /** Bytes. */
  blockSize: number;
  createdAt: string;
  minReaderVersion: number;
  minWriterVersion: number;
}

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
  const fields = { format: FORMAT, encryption: null, ...config };
  return Buffer.from(`${JSON.stringify({ ...fields, check: checkOf(fields) }, null, 2)}\n`, 'utf8');
}

/**
 * @param location of the repository, for messages
 * @throws REPOSITORY_NOT_FOUND when it is something else, REPOSITORY_VERSION when newer, NOT_SUPPORTED when encrypted,
 *   REPOSITORY_DAMAGED
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
  if (fields.encryption !== null)
    throw new HvError('NOT_SUPPORTED', `The repository ${location} is encrypted`, {
      advice: 'Use a newer version of HyperVBackup for this repository.',
    });
  const { id, version, blockSize, createdAt, minReaderVersion, minWriterVersion } = fields;
  if (typeof id !== 'string' || parseGuid(id) !== id || typeof createdAt !== 'string' || typeof blockSize !== 'number')
    throw damaged('config', CONFIG_NAME, `the configuration of the repository ${location} lacks fields`);
  return {
    id,
    version: Number(version),
    blockSize: requireBlockSize(blockSize),
    createdAt,
    minReaderVersion: Number(minReaderVersion),
    minWriterVersion: Number(minWriterVersion),
  };
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

/** SHA-256 of the JSON text without white space, keys sorted. */
function checkOf(fields: Record<string, unknown>): string {
  const sorted = Object.fromEntries(Object.entries(fields).sort(([a], [b]) => (a < b ? -1 : 1)));
  return hash('sha256', JSON.stringify(sorted), 'hex');
}

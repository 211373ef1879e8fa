/** Documents: JSON in a checked frame that knows its repository and name (docs/format.md §2.2). */
import { hash } from 'node:crypto';
import { constants, zstdCompressSync, zstdDecompressSync } from 'node:zlib';
import { HvError } from '../../support/errors.ts';
import { damaged } from '../errors.ts';
import { Encoding, ID_LENGTH } from './constants.ts';
import { mayExpand, textLimit } from './document-limits.ts';
import { repositoryIdBytes } from './ids.ts';
import { type RepositoryKeys, SALT_LENGTH, TAG_LENGTH } from './keys.ts';
import { ENCRYPTED, openBehind, requireFlags, sealBehind } from './sealed.ts';

const MAGIC = Buffer.from('HVBKDOC1', 'latin1');
const ZSTD_LEVEL = 3;
const HEADER_LENGTH = 36;
/** Of the level above; more would only make a reader reserve memory. */
const WINDOW_LOG = 22;
/** Below this, compression saves less than a file system's smallest unit. */
const COMPRESS_FROM = 1024;

/**
 * Renders `value` as the object `name`; the result has been parsed and compared.
 * @param keys of an encrypted repository, else null
 * @throws FILE_TOO_LARGE
 */
export function renderDocument(
  value: unknown,
  name: string,
  repositoryId: string,
  keys: RepositoryKeys | null,
): Buffer {
  const text = Buffer.from(JSON.stringify(value), 'utf8');
  if (text.length > textLimit(name))
    throw new HvError('FILE_TOO_LARGE', `${name} would be ${text.length} bytes long, more than a document may have`);
  const params = { [constants.ZSTD_c_compressionLevel]: ZSTD_LEVEL };
  const packed = text.length >= COMPRESS_FROM ? zstdCompressSync(text, { params }) : text;
  const payload = packed.length < text.length && mayExpand(packed.length, text.length) ? packed : text;
  const path = Buffer.from(name, 'utf8');
  const head = Buffer.alloc(HEADER_LENGTH + path.length);
  MAGIC.copy(head, 0);
  head[8] = payload === text ? Encoding.stored : Encoding.zstd;
  head[9] = keys === null ? 0 : ENCRYPTED;
  head.writeUInt16LE(path.length, 10);
  head.writeUInt32LE(text.length, 12);
  head.writeUInt32LE(payload.length + (keys === null ? 0 : TAG_LENGTH), 16);
  repositoryIdBytes(repositoryId).copy(head, 20);
  path.copy(head, HEADER_LENGTH);
  const body = Buffer.concat([head, keys === null ? payload : sealBehind(keys, 'document', head, payload)]);
  const bytes = Buffer.concat([body, hash('sha256', body, 'buffer')]);
  if (!parseText(bytes, name, repositoryId, keys).equals(text))
    throw new HvError('INTERNAL', `${name}: what was encoded does not decode to the same document`);
  return bytes;
}

/**
 * @param keys of an encrypted repository, else null
 * @throws REPOSITORY_DAMAGED also when it lies under a wrong name, in a wrong repository, or is not encrypted as that
 *   is
 */
export function parseDocument(bytes: Buffer, name: string, repositoryId: string, keys: RepositoryKeys | null): unknown {
  const text = parseText(bytes, name, repositoryId, keys);
  try {
    return JSON.parse(text.toString('utf8'));
  } catch (cause) {
    throw damaged('document', name, 'its content is not JSON', { cause });
  }
}

function parseText(bytes: Buffer, name: string, repositoryId: string, keys: RepositoryKeys | null): Buffer {
  const end = bytes.length - ID_LENGTH;
  if (end < HEADER_LENGTH || !bytes.subarray(0, 8).equals(MAGIC))
    throw damaged('document', name, 'this is not a document of a repository', { offset: 0 });
  if (!hash('sha256', bytes.subarray(0, end), 'buffer').equals(bytes.subarray(end)))
    throw damaged('document', name, 'the checksum is wrong', { offset: end });
  requireFlags(bytes[9]!, keys, 'document', name);
  const pathLength = bytes.readUInt16LE(10);
  const textLength = bytes.readUInt32LE(12);
  const start = HEADER_LENGTH + pathLength;
  const saltLength = keys === null ? 0 : SALT_LENGTH;
  if (start + saltLength + bytes.readUInt32LE(16) !== end)
    throw damaged('document', name, 'its lengths do not fit', { offset: 10 });
  if (textLength > textLimit(name) || !mayExpand(bytes.readUInt32LE(16), textLength))
    throw damaged('document', name, `${textLength} bytes of text are more than it may have`, { offset: 12 });
  if (!bytes.subarray(20, 36).equals(repositoryIdBytes(repositoryId)))
    throw damaged('document', name, 'it belongs to another repository', { offset: 20 });
  const path = bytes.toString('utf8', HEADER_LENGTH, start);
  if (path !== name)
    throw damaged('document', name, `it is ${JSON.stringify(path)} under a wrong name`, { offset: 36 });
  const stored = bytes.subarray(start, end);
  const payload = keys === null ? stored : openBehind(keys, 'document', bytes.subarray(0, start), stored, name);
  const text = bytes[8] === Encoding.zstd ? inflate(payload, textLength, name) : payload;
  if (text.length !== textLength)
    throw damaged('document', name, 'it does not decode to its length', { offset: start });
  return text;
}

function inflate(payload: Buffer, length: number, name: string): Buffer {
  try {
    const windowLog = Math.max(WINDOW_LOG, Math.ceil(Math.log2(length)));
    const params = { [constants.ZSTD_d_windowLogMax]: windowLog };
    return zstdDecompressSync(payload, { maxOutputLength: length, params });
  } catch (cause) {
    throw damaged('document', name, 'its content does not decompress', { cause });
  }
}

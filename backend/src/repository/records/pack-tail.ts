/** Reads what a pack says about itself: from its tail, or record by record where the tail is unreadable. */
import { isHvError } from '../../support/errors.ts';
import { damaged } from '../errors.ts';
import { PACK_HEADER_LENGTH, PACK_TRAILER_LENGTH, RECORD_HEADER_LENGTH } from '../format/constants.ts';
import type { IndexedPack } from '../format/index-format.ts';
import { packName } from '../format/names.ts';
import {
  parsePackHeader,
  parseRecordHeader,
  parseToc,
  parseTrailer,
  type RecordEntry,
  recordLength,
} from '../format/pack-format.ts';
import type { Storage } from '../storage/storage.ts';

/** @param length of the object, bytes. @throws REPOSITORY_DAMAGED, FILE_NOT_FOUND */
export async function readPackTail(
  storage: Storage,
  repositoryId: string,
  id: string,
  length: number,
): Promise<IndexedPack> {
  const path = packName(id);
  if (length < PACK_HEADER_LENGTH + PACK_TRAILER_LENGTH)
    throw damaged('pack', path, `it is only ${length} bytes long`, { offset: length });
  const head = Buffer.alloc(PACK_HEADER_LENGTH);
  await storage.read(path, 0, head);
  const header = parsePackHeader(head, path, repositoryId);
  const tail = Buffer.alloc(PACK_TRAILER_LENGTH);
  await storage.read(path, length - PACK_TRAILER_LENGTH, tail);
  const trailer = parseTrailer(tail, path, length);
  const toc = Buffer.alloc(trailer.tocLength);
  await storage.read(path, trailer.tocOffset, toc);
  const records = parseToc(toc, trailer, path);
  return { id, length, sessionId: header.sessionId, packClass: header.packClass, records };
}

/**
 * The records of a pack whose tail is lost: walks the record headers until one is unreadable.
 * @throws REPOSITORY_DAMAGED when even the pack header is
 */
async function scanPack(storage: Storage, repositoryId: string, id: string, length: number): Promise<IndexedPack> {
  const path = packName(id);
  const head = Buffer.alloc(PACK_HEADER_LENGTH);
  await storage.read(path, 0, head);
  const header = parsePackHeader(head, path, repositoryId);
  const records: RecordEntry[] = [];
  const bytes = Buffer.alloc(RECORD_HEADER_LENGTH);
  for (let at = PACK_HEADER_LENGTH; at + RECORD_HEADER_LENGTH < length; ) {
    try {
      await storage.read(path, at, bytes);
      const record = parseRecordHeader(bytes, 0, path, at);
      if (at + recordLength(record) > length) break;
      records.push(record);
      at += recordLength(record);
    } catch (error) {
      if (!isHvError(error, 'REPOSITORY_DAMAGED')) throw error;
      break;
    }
  }
  return { id, length, sessionId: header.sessionId, packClass: header.packClass, records };
}

/** The tail, or what a scan finds. */
export async function readPackContents(
  storage: Storage,
  repositoryId: string,
  id: string,
  length: number,
): Promise<IndexedPack> {
  try {
    return await readPackTail(storage, repositoryId, id, length);
  } catch (error) {
    if (!isHvError(error, 'REPOSITORY_DAMAGED')) throw error;
    return scanPack(storage, repositoryId, id, length);
  }
}

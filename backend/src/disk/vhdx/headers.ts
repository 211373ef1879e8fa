/** The two headers: which is current, and how they are replaced so that one is always valid ([MS-VHDX] 2.2.2). */
import type { RandomAccessFile } from '../../support/file.ts';
import { NIL_GUID } from '../../support/guid.ts';
import { corrupt, unsupported } from '../errors.ts';
import {
  ALIGNMENT,
  FORMAT_VERSION,
  HEADER_OFFSETS,
  HEADER_SECTION_SIZE,
  HEADER_SIZE,
  LOG_VERSION,
  MAX_LOG_SIZE,
} from './format/constants.ts';
import { parseHeader, renderHeader, type VhdxHeader } from './format/header.ts';

export interface CurrentHeader {
  header: VhdxHeader;
  /** Which of HEADER_OFFSETS holds it. */
  index: 0 | 1;
}

/**
 * @throws DISK_CORRUPT when neither header is valid or the log's place is impossible, DISK_UNSUPPORTED for another
 *   version
 */
export async function readHeaders(file: RandomAccessFile): Promise<CurrentHeader> {
  const [first, second] = [await read(file, 0), await read(file, 1)];
  const index = second !== null && (first === null || second.sequenceNumber > first.sequenceNumber) ? 1 : 0;
  const header = index === 0 ? first : second;
  if (header === null) throw corrupt(file.path, 'neither header is valid', HEADER_OFFSETS[0]);
  if (header.version !== FORMAT_VERSION) {
    throw unsupported(file.path, `VHDX version ${header.version} is not known`, { version: header.version });
  }
  checkLog(file.path, header, HEADER_OFFSETS[index]);
  return { header, index };
}

async function read(file: RandomAccessFile, index: 0 | 1): Promise<VhdxHeader | null> {
  const bytes = Buffer.alloc(HEADER_SIZE);
  await file.readUpTo(HEADER_OFFSETS[index], bytes);
  return parseHeader(bytes);
}

function checkLog(path: string, header: VhdxHeader, at: number): void {
  if (header.logVersion !== LOG_VERSION && header.logGuid !== NIL_GUID) {
    throw unsupported(path, `log version ${header.logVersion} is not known`, { logVersion: header.logVersion });
  }
  const { logOffset, logLength } = header;
  const aligned = logOffset % ALIGNMENT === 0 && logLength % ALIGNMENT === 0;
  const inside = logOffset >= HEADER_SECTION_SIZE && logOffset + logLength <= Number.MAX_SAFE_INTEGER;
  if (!aligned || !inside || logLength > MAX_LOG_SIZE) {
    throw corrupt(path, 'the header gives the log an impossible place', at, { logOffset, logLength });
  }
}

/**
 * Replaces both headers, the older first, each durable before the next is touched: a cut at any moment leaves at least
 * one valid header, with the old values or the new.
 * @returns the new current header
 */
export async function updateHeaders(
  file: RandomAccessFile,
  current: CurrentHeader,
  change: Partial<VhdxHeader>,
): Promise<CurrentHeader> {
  let { header, index } = current;
  for (let copy = 0; copy < 2; copy++) {
    index = index === 0 ? 1 : 0;
    header = { ...header, ...change, sequenceNumber: BigInt.asUintN(64, header.sequenceNumber + 1n) };
    await file.writeFully(HEADER_OFFSETS[index], renderHeader(header));
    await file.sync();
  }
  return { header, index };
}

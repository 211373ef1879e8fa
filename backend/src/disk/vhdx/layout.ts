/** An opened VHDX: headers, log, regions and metadata read and checked, in the order that the format asks for. */
import { HvError } from '../../support/errors.ts';
import type { OpenMode, RandomAccessFile } from '../../support/file.ts';
import { NIL_GUID, newGuid } from '../../support/guid.ts';
import { corrupt } from '../errors.ts';
import { CREATOR_OFFSET, CREATOR_SIZE, SECTORS_PER_CHUNK } from './format/constants.ts';
import { parseFileIdentifier } from './format/header.ts';
import { batBytes, type Geometry, geometryOf } from './geometry.ts';
import { type CurrentHeader, readHeaders, updateHeaders } from './headers.ts';
import { readActiveLog } from './log.ts';
import { LogOverlayFile } from './log-overlay.ts';
import { replayLog } from './log-replay.ts';
import { readMetadata, type VhdxMetadata } from './metadata.ts';
import { type Regions, readRegions } from './regions.ts';

export interface VhdxLayout {
  /** The file; with its log replayed in memory when it was dirty and opened for reading. */
  file: RandomAccessFile;
  creator: string;
  headers: CurrentHeader;
  regions: Regions;
  metadata: VhdxMetadata;
  geometry: Geometry;
  /** Length of the file after replay, bytes. Grows as blocks are allocated. */
  fileSize: number;
  /** Whether the log was dirty when the file was opened. */
  logWasDirty: boolean;
}

/**
 * Takes `file` over: closed when this fails.
 * @param mode `read` never changes the file, a dirty log is replayed in memory; `write` replays it for real
 * @throws DISK_CORRUPT, DISK_UNSUPPORTED, DISK_FORMAT_UNKNOWN
 */
export async function openLayout(file: RandomAccessFile, mode: Exclude<OpenMode, 'create'>): Promise<VhdxLayout> {
  try {
    const creator = await readCreator(file);
    const current = await readHeaders(file);
    const logWasDirty = current.header.logGuid !== NIL_GUID;
    const clean = logWasDirty ? await applyLog(file, current, mode) : { file, headers: current };
    const fileSize = await clean.file.size();
    const regions = await readRegions(clean.file, fileSize);
    const metadata = await readMetadata(clean.file, regions.metadata);
    const { size, blockSize, logicalSectorSize, locator } = metadata;
    const geometry = geometryOf(size, blockSize, logicalSectorSize, locator !== null);
    if (batBytes(geometry) > regions.bat.length) {
      throw corrupt(file.path, `the BAT has no room for ${geometry.batEntries} entries`, regions.bat.offset, {
        length: regions.bat.length,
        sectorsPerChunk: SECTORS_PER_CHUNK,
      });
    }
    return { ...clean, creator, regions, metadata, geometry, fileSize, logWasDirty };
  } catch (error) {
    await file.close().catch(() => undefined);
    throw error;
  }
}

async function readCreator(file: RandomAccessFile): Promise<string> {
  const bytes = Buffer.alloc(CREATOR_OFFSET + CREATOR_SIZE);
  await file.readUpTo(0, bytes);
  const creator = parseFileIdentifier(bytes);
  if (creator === null) {
    throw new HvError('DISK_FORMAT_UNKNOWN', `This is not a VHDX file: ${file.path}`, { data: { path: file.path } });
  }
  return creator;
}

async function applyLog(
  file: RandomAccessFile,
  headers: CurrentHeader,
  mode: 'read' | 'write',
): Promise<{ file: RandomAccessFile; headers: CurrentHeader }> {
  const log = await readActiveLog(file, headers.header);
  if (mode === 'read') return { file: new LogOverlayFile(file, log), headers };
  await replayLog(file, log);
  return { file, headers: await updateHeaders(file, headers, { logGuid: NIL_GUID, fileWriteGuid: newGuid() }) };
}

/** Where BAT and metadata lie, checked against each other, the log and the end of the file ([MS-VHDX] 2.2.3). */
import type { RandomAccessFile } from '../../support/file.ts';
import { corrupt, unsupported } from '../errors.ts';
import {
  ALIGNMENT,
  BAT_REGION,
  HEADER_SECTION_SIZE,
  METADATA_REGION,
  REGION_TABLE_OFFSETS,
  REGION_TABLE_SIZE,
} from './format/constants.ts';
import { parseRegionTable, type Region } from './format/region-table.ts';

export interface Regions {
  bat: Region;
  metadata: Region;
  /** All of them, known or not: what payload blocks must keep clear of. */
  all: Region[];
}

/**
 * @param fileSize bytes
 * @throws DISK_CORRUPT, DISK_UNSUPPORTED for an unknown region that is marked required
 */
export async function readRegions(file: RandomAccessFile, fileSize: number): Promise<Regions> {
  for (const offset of REGION_TABLE_OFFSETS) {
    const bytes = Buffer.alloc(REGION_TABLE_SIZE);
    await file.readUpTo(offset, bytes);
    const all = parseRegionTable(bytes);
    if (all !== null) return check(file.path, all, offset, fileSize);
  }
  throw corrupt(file.path, 'neither region table is valid', REGION_TABLE_OFFSETS[0]);
}

function check(path: string, all: Region[], tableOffset: number, fileSize: number): Regions {
  const byStart = [...all].sort((a, b) => a.offset - b.offset);
  let end = HEADER_SECTION_SIZE;
  for (const region of byStart) {
    const { id, offset, length } = region;
    if (offset % ALIGNMENT !== 0 || length % ALIGNMENT !== 0 || length === 0 || offset < end) {
      throw corrupt(path, `region ${id} has an impossible place`, tableOffset, { region: id, offset, length });
    }
    end = offset + length;
  }
  const known = (id: string): Region => {
    const found = all.filter((region) => region.id === id);
    if (found.length !== 1) {
      throw corrupt(path, `region ${id} is there ${found.length} times`, tableOffset, { region: id });
    }
    const [region] = found as [Region];
    if (region.offset + region.length > fileSize) {
      throw corrupt(path, `region ${id} lies beyond the end of the file`, region.offset, { region: id, fileSize });
    }
    return region;
  };
  const stranger = all.find((region) => region.required && region.id !== BAT_REGION && region.id !== METADATA_REGION);
  if (stranger) throw unsupported(path, `it requires the unknown region ${stranger.id}`, { region: stranger.id });
  return { bat: known(BAT_REGION), metadata: known(METADATA_REGION), all };
}

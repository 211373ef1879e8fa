/** Which footer of a VHD to believe: the one at the end, or its copy at the start. */
import { HvError, hex } from '../../support/errors.ts';
import type { RandomAccessFile } from '../../support/file.ts';
import { corrupt, unsupported } from '../errors.ts';
import {
  DYNAMIC_HEADER_SIZE,
  FOOTER_SIZE,
  MAX_DISK_SIZE,
  MAX_FIXED_SIZE,
  SECTOR,
  SHORT_FOOTER_SIZE,
  TYPE_DIFFERENCING,
  TYPE_DYNAMIC,
  TYPE_FIXED,
} from './format/constants.ts';
import { isKnownFooterVersion, parseFooter, type VhdFooter } from './format/footer.ts';

export interface FoundFooter {
  footer: VhdFooter;
  /** File offset, bytes. */
  offset: number;
  /** Bytes: 512, or 511 as Virtual PC wrote it before 2004. */
  length: number;
  checksumValid: boolean;
}

export interface Footers {
  /** The one at the end of the file. */
  trailing: FoundFooter | null;
  /** What looks like a copy at offset 0. In a fixed disk it is the guest's data and means nothing. */
  leading: FoundFooter | null;
}

export async function readFooters(file: RandomAccessFile, fileSize: number): Promise<Footers> {
  const trailing =
    (await readFooter(file, fileSize - FOOTER_SIZE, FOOTER_SIZE)) ??
    (await readFooter(file, fileSize - SHORT_FOOTER_SIZE, SHORT_FOOTER_SIZE));
  const leading = fileSize > FOOTER_SIZE ? await readFooter(file, 0, FOOTER_SIZE) : null;
  return { trailing, leading };
}

async function readFooter(file: RandomAccessFile, offset: number, length: number): Promise<FoundFooter | null> {
  if (offset < 0) return null;
  const bytes = Buffer.alloc(FOOTER_SIZE);
  await file.readFully(offset, bytes.subarray(0, length));
  const parsed = parseFooter(bytes);
  return parsed === null ? null : { ...parsed, offset, length };
}

/**
 * A footer whose checksum is wrong is used when all it says fits the file: hand-edited and carelessly converted images
 * exist, and what they say is checked anyway. The copy is never used where a fixed disk's own footer fits: its
 * first sector is the guest's, who could write anything there.
 * @param notes gets what a person should know
 * @throws DISK_FORMAT_UNKNOWN when there is no footer at all, DISK_CORRUPT, DISK_UNSUPPORTED
 */
export function chooseFooter(file: RandomAccessFile, fileSize: number, footers: Footers, notes: string[]): FoundFooter {
  const { trailing, leading } = footers;
  const fits = (found: FoundFooter | null): found is FoundFooter =>
    found !== null && footerProblem(file.path, found, fileSize) === null;
  const copy = fits(leading) && leading.footer.type !== TYPE_FIXED ? leading : null;
  let chosen: FoundFooter | null;
  if (fits(trailing) && (trailing.checksumValid || trailing.footer.type === TYPE_FIXED)) chosen = trailing;
  else if (copy?.checksumValid) chosen = copy;
  else chosen = fits(trailing) ? trailing : copy;
  if (chosen === null) throw noFooter(file, fileSize, footers);
  if (chosen === copy) notes.push('The footer at the end is missing or damaged; its copy at the start was used.');
  if (!chosen.checksumValid)
    notes.push('The checksum of the footer is wrong; its contents fit the file and were used.');
  if (chosen.length === SHORT_FOOTER_SIZE) notes.push('The footer has 511 bytes, as Virtual PC wrote it before 2004.');
  return chosen;
}

function noFooter(file: RandomAccessFile, fileSize: number, { trailing, leading }: Footers): HvError {
  const found = trailing ?? leading;
  if (found === null) {
    return new HvError('DISK_FORMAT_UNKNOWN', `This is not a VHD file: ${file.path}`, { data: { path: file.path } });
  }
  const problem = footerProblem(file.path, found, fileSize);
  // Left over: a fixed disk's footer at the start of the file, where none belongs.
  return problem ?? corrupt(file.path, 'the footer at the end is missing', fileSize);
}

/** What makes a footer unusable; null when nothing does. Whatever is not checked here, layout.ts checks. */
function footerProblem(path: string, { footer, offset }: FoundFooter, fileSize: number): HvError | null {
  const { type, currentSize, headerOffset } = footer;
  if (!isKnownFooterVersion(footer)) {
    return unsupported(path, `VHD version ${hex(footer.version)} is not known`, { version: footer.version });
  }
  if (type !== TYPE_FIXED && type !== TYPE_DYNAMIC && type !== TYPE_DIFFERENCING) {
    return unsupported(path, `disk type ${type} is not known`, { type });
  }
  if (currentSize <= 0 || currentSize % SECTOR !== 0) {
    return corrupt(path, `the disk size is ${hex(currentSize)}`, offset + 48, { size: currentSize });
  }
  if (currentSize > (type === TYPE_FIXED ? MAX_FIXED_SIZE : MAX_DISK_SIZE)) {
    return corrupt(path, `the disk size ${hex(currentSize)} is above the limit of the format`, offset + 48, {
      size: currentSize,
    });
  }
  if (type === TYPE_FIXED) {
    if (currentSize <= offset) return null;
    return corrupt(path, `the file is shorter than its disk of ${hex(currentSize)} bytes`, offset);
  }
  const headerFits =
    headerOffset !== null &&
    headerOffset >= FOOTER_SIZE &&
    headerOffset % SECTOR === 0 &&
    headerOffset + DYNAMIC_HEADER_SIZE <= fileSize;
  return headerFits ? null : corrupt(path, 'the footer gives the dynamic header an impossible place', offset + 16);
}

/** Which format a file has, by its content: names lie. */
import { readU64BE } from '../support/bytes.ts';
import { HvError } from '../support/errors.ts';
import type { RandomAccessFile } from '../support/file.ts';
import { unsupported } from './errors.ts';
import type { DiskFormat } from './info.ts';

const VHD_COOKIE = 'conectix';
const VHD_FOOTER_SIZE = 512;
const VHD_TYPE_FIXED = 2;
const VHD_TYPE_DYNAMIC = 3;
const VHD_TYPE_DIFFERENCING = 4;
/** Formats that are recognised only to be refused by name: read as raw they would be silently wrong. */
const FOREIGN: { name: string; offset: number; magic: Buffer }[] = [
  { name: 'qcow2', offset: 0, magic: Buffer.from('QFI\xfb', 'latin1') },
  { name: 'QED', offset: 0, magic: Buffer.from('QED\0', 'latin1') },
  { name: 'VMDK', offset: 0, magic: Buffer.from('KDMV', 'latin1') },
  { name: 'VMDK descriptor', offset: 0, magic: Buffer.from('# Disk DescriptorFile', 'latin1') },
  { name: 'VDI', offset: 0x40, magic: Buffer.from([0x7f, 0x10, 0xda, 0xbe]) },
];

/**
 * Names of files that cannot be raw: one that is named so and not recognized by its content has lost what identifies
 * it.
 */
const NAMED_FORMAT = /\.(?:avhdx?|vhdx?)$/i;

/**
 * @returns raw for whatever is not recognised
 * @throws DISK_UNSUPPORTED for a format that is recognised but cannot be read; DISK_FORMAT_UNKNOWN for a file with the
 *   name of a VHD or VHDX and the content of neither: as a raw image its last sectors or its structures would be taken
 *   for the guest's
 */
export async function detectFormat(file: RandomAccessFile): Promise<DiskFormat> {
  const head = Buffer.alloc(VHD_FOOTER_SIZE);
  await file.readUpTo(0, head);
  if (head.toString('latin1', 0, 8) === 'vhdxfile') return 'vhdx';
  const foreign = FOREIGN.find(({ offset, magic }) => head.subarray(offset, offset + magic.length).equals(magic));
  if (foreign) throw unsupported(file.path, `the format ${foreign.name} cannot be read`, { format: foreign.name });
  if (head.toString('latin1', 0, 8) === VHD_COOKIE) return 'vhd';
  const size = await file.size();
  // Before 2004 Virtual PC wrote footers of 511 bytes.
  for (const length of [VHD_FOOTER_SIZE, VHD_FOOTER_SIZE - 1]) {
    if (size < length) continue;
    const tail = Buffer.alloc(VHD_FOOTER_SIZE);
    await file.readUpTo(size - length, tail);
    if (isVhdFooter(tail, size - length)) return 'vhd';
  }
  const named = NAMED_FORMAT.exec(file.path)?.[0];
  if (named === undefined) return 'raw';
  throw new HvError('DISK_FORMAT_UNKNOWN', `The file is named ${named}, but is no such image: ${file.path}`, {
    advice:
      'Its header or footer is destroyed: restore it from a backup. If it is a raw image, give it a name that ends in .raw.',
    data: { path: file.path },
  });
}

/**
 * Without the copy at the start of the file the cookie alone does not settle it: a raw image can be a part cut out of a
 * fixed VHD, footer included. What the footer says must fit the file.
 */
function isVhdFooter(bytes: Buffer, offset: number): boolean {
  if (bytes.toString('latin1', 0, 8) !== VHD_COOKIE || bytes.readUInt16BE(12) !== 1) return false;
  const type = bytes.readUInt32BE(60);
  const size = readU64BE(bytes, 48);
  if (type === VHD_TYPE_FIXED) return size > 0 && size <= offset;
  return type === VHD_TYPE_DYNAMIC || type === VHD_TYPE_DIFFERENCING;
}

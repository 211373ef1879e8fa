/** What a differencing VHD says of its parent: unique id, locators of every platform, name. */
import type { RandomAccessFile } from '../../support/file.ts';
import type { ParentInfo } from '../info.ts';
import { MAX_LOCATOR_LENGTH } from './format/constants.ts';
import type { DynamicHeader, LocatorEntry } from './format/dynamic-header.ts';
import { decodeLocator, decodeUtf16, type StoredPath } from './format/parent-locator.ts';

/** Best first. Windows' own come first on Windows, those that mean something elsewhere first elsewhere. */
const ORDER =
  process.platform === 'win32'
    ? ['W2ru', 'W2ku', 'Wi2r', 'Wi2k', 'MacX', 'Mac ']
    : ['W2ru', 'MacX', 'W2ku', 'Wi2r', 'Wi2k', 'Mac '];

/**
 * The time stamp of the parent is not compared: copying and restoring change modification times, and what Windows makes
 * of it can be undone by a person only.
 * @param notes gets locators that cannot be read; another one or the name may still do
 */
export async function readParentInfo(
  file: RandomAccessFile,
  fileSize: number,
  header: DynamicHeader,
  notes: string[],
): Promise<ParentInfo> {
  const paths: StoredPath[] = [];
  const entries = header.locators.filter(({ platform }) => ORDER.includes(platform));
  for (const entry of entries.sort((a, b) => ORDER.indexOf(a.platform) - ORDER.indexOf(b.platform))) {
    const path = await readLocator(file, fileSize, entry);
    if (path !== null) paths.push(path);
    else notes.push(`The parent locator ${entry.platform.trim()} cannot be read.`);
  }
  const name = decodeUtf16(header.parentName, 'be');
  const relativePath = paths.find(({ kind }) => kind === 'relative')?.path;
  const absolutePath = paths.find(({ kind }) => kind === 'absolute')?.path;
  return {
    linkage: [header.parentId],
    ...(relativePath !== undefined ? { relativePath } : {}),
    ...(absolutePath !== undefined ? { absolutePath } : {}),
    // Often all that converters write; with a path (Windows stores one at times) only its last part is looked for.
    ...(relativePath === undefined && absolutePath === undefined && name !== null ? { relativePath: name } : {}),
  };
}

async function readLocator(
  file: RandomAccessFile,
  fileSize: number,
  { platform, offset, length }: LocatorEntry,
): Promise<StoredPath | null> {
  if (length === 0 || length > MAX_LOCATOR_LENGTH || offset + length > fileSize) return null;
  const bytes = Buffer.alloc(length);
  await file.readFully(offset, bytes);
  return decodeLocator(platform, bytes);
}

/** How a differencing disk names its parent ("Parent Locator Entry"): one text a platform, decoded here. */

/** A path as stored, by what it is relative to. */
export interface StoredPath {
  kind: 'relative' | 'absolute';
  path: string;
}

/** HFS alias records: file name as a Pascal string of at most 63 bytes. */
const ALIAS_VERSION = 6;
const ALIAS_NAME = 50;
const ALIAS_NAME_MAX = 63;

/**
 * @param platform four characters
 * @returns null for an unused entry, an unknown platform, or text that cannot be a path
 */
export function decodeLocator(platform: string, bytes: Buffer): StoredPath | null {
  switch (platform) {
    case 'W2ru':
      return stored('relative', decodeUtf16(bytes, 'le'));
    case 'W2ku':
      return stored('absolute', decodeUtf16(bytes, 'le'));
    // Deprecated, in the code page of the machine that wrote it: ASCII is all that can be relied on.
    case 'Wi2r':
      return stored('relative', bytes.toString('latin1'));
    case 'Wi2k':
      return stored('absolute', bytes.toString('latin1'));
    case 'MacX':
      return decodeFileUrl(bytes.toString('utf8'));
    case 'Mac ':
      return decodeAlias(bytes);
    default:
      return null;
  }
}

/** Some programs write "absolute" locators that are relative, and the other way round. */
function stored(kind: StoredPath['kind'], text: string | null): StoredPath | null {
  const path = clean(text);
  if (path === null) return null;
  if (/^([A-Za-z]:[\\/]|\\\\|\/)/.test(path)) return { kind: 'absolute', path };
  return { kind: kind === 'absolute' && /^[A-Za-z]:/.test(path) ? 'absolute' : 'relative', path };
}

/** Up to the first NUL; null when nothing is left, or control characters are in it. */
function clean(text: string | null): string | null {
  const path = text?.split('\0', 1)[0] ?? '';
  // biome-ignore lint/suspicious/noControlCharactersInRegex: no path has them.
  return path === '' || /[\u0000-\u001f\ufffd]/.test(path) ? null : path;
}

/**
 * UTF-16 whose byte order producers do not agree on. Paths are mostly ASCII: the position of the zero bytes shows it.
 * @param expected byte order when that does not show it
 */
export function decodeUtf16(bytes: Buffer, expected: 'le' | 'be'): string | null {
  const even = bytes.subarray(0, bytes.length - (bytes.length % 2));
  let end = 0;
  while (end < even.length && (even[end] !== 0 || even[end + 1] !== 0)) end += 2;
  const units = Buffer.from(even.subarray(0, end));
  let first = 0;
  let second = 0;
  for (let at = 0; at < end; at += 2) {
    if (units[at] === 0) first++;
    if (units[at + 1] === 0) second++;
  }
  const order = first > second ? 'be' : second > first ? 'le' : expected;
  if (order === 'be') units.swap16();
  return clean(units.toString('utf16le'));
}

/** `file:///abs`, `file://localhost/abs`, and `file://./rel` of XenServer. */
function decodeFileUrl(url: string): StoredPath | null {
  const text = clean(url);
  const match = /^file:(?:\/\/(?:localhost(?=\/))?)?(.+)$/i.exec(text ?? '');
  if (!match) return stored('relative', text);
  return stored('relative', unescapeUrl(match[1]!));
}

function unescapeUrl(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    // A bare % in a name: not escaped at all.
    return text;
  }
}

/** Only the name is given by an alias record in a way that means anything elsewhere. */
function decodeAlias(bytes: Buffer): StoredPath | null {
  if (bytes.length < ALIAS_NAME + 1 || bytes.readUInt16BE(ALIAS_VERSION) !== 2) return null;
  const length = bytes[ALIAS_NAME]!;
  if (length > ALIAS_NAME_MAX || ALIAS_NAME + 1 + length > bytes.length) return null;
  return stored('relative', bytes.toString('latin1', ALIAS_NAME + 1, ALIAS_NAME + 1 + length));
}

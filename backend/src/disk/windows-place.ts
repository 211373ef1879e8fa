/** Whose storage a Windows path leads to. Text only: asking the system would already be the contact to be avoided. */

/**
 * `share`: a file server's, `\\server\share` in lower case. `device`: a name in the system's device space that is no
 * drive or volume. Drive letters count as local: the user who mapped one to a server has signed in there.
 */
export type WindowsPlace = { kind: 'local' } | { kind: 'share'; share: string } | { kind: 'device' };

const DRIVE_OR_VOLUME = /^(?:[a-z]:|volume\{[0-9a-f-]{36}\})(?:\\|$)/i;

/** @param file an absolute path, with slashes of either kind */
export function windowsPlace(file: string): WindowsPlace {
  const name = file.replaceAll('/', '\\');
  if (!name.startsWith('\\\\')) return { kind: 'local' };
  if (!/^\\\\[?.](?:\\|$)/.test(name)) return shareOf(name.slice(2));
  const rest = name.slice(4);
  if (/^unc\\/i.test(rest)) return shareOf(rest.slice(4));
  return DRIVE_OR_VOLUME.test(rest) ? { kind: 'local' } : { kind: 'device' };
}

function shareOf(name: string): WindowsPlace {
  const [server = '', share = ''] = name.split('\\').filter((part) => part !== '');
  return { kind: 'share', share: `\\\\${server}\\${share}`.toLowerCase() };
}

/**
 * Whether `file`, which only an image from elsewhere names, may be touched: Windows signs in to any server it is asked
 * for a file of, and what it sends there can be misused. @param beside a file that was opened on purpose; absolute
 */
export function isNearby(file: string, beside: string): boolean {
  const place = windowsPlace(file);
  if (place.kind !== 'share') return place.kind === 'local';
  const own = windowsPlace(beside);
  return own.kind === 'share' && own.share === place.share;
}

/** Paths of a host as this machine reaches them, and names that are safe as file names. */
import path from 'node:path';

/**
 * A path on `server` as a UNC path through its administrative share; CSV paths go the same way. Paths that are UNC
 * already, and all paths of this machine, stay.
 */
export function reachable(hostPath: string, server: string | undefined): string {
  const drive = server === undefined ? null : /^([A-Za-z]):\\(.*)$/s.exec(hostPath);
  return drive ? `\\\\${server}\\${drive[1]}$\\${drive[2]}` : hostPath;
}

/** Path functions for a host path: Windows' for what looks like Windows', else this machine's. */
export const pathsOf = (hostPath: string): path.PlatformPath =>
  /^[A-Za-z]:\\|^\\\\/.test(hostPath) ? path.win32 : path;

const DEVICE = /^(con|prn|aux|nul|com\d|lpt\d)(\..*)?$/i;

/** A VM's name as part of a file name: what Windows does not take becomes `_`. */
export function safeName(name: string): string {
  const safe = [...name]
    .map((character) => (/[<>:"/\\|?*]/.test(character) || character < ' ' ? '_' : character))
    .join('')
    .slice(0, 64)
    .replace(/[. ]+$/, '');
  return safe === '' || DEVICE.test(safe) ? `_${safe}` : safe;
}

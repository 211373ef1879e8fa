/**
 * Where things lie in the folder of a simulated host: as Hyper-V lays them out, plus two databases and a folder for VMs
 * that are being built. Paths kept in the state are relative to the folder and have forward slashes, so that it can
 * move.
 */
import { readdir } from 'node:fs/promises';
import path from 'node:path';

export const VIRTUAL_MACHINES = 'Virtual Machines';
export const VIRTUAL_DISKS = 'Virtual Hard Disks';
export const SNAPSHOTS = 'Snapshots';
export const PLANNED = 'Planned Virtual Machines';
export const FOLDERS = [VIRTUAL_MACHINES, VIRTUAL_DISKS, SNAPSHOTS, PLANNED];
export const STATE_FILE = 'host.sqlite';
export const LOCK_FILE = 'lock.sqlite';

/** Names Windows keeps for devices, with any extension. */
const DEVICES = /^(con|prn|aux|nul|com[0-9¹²³]|lpt[0-9¹²³])(\..*)?$/i;
/** Not in a Windows file name; the slash nowhere. */
const FORBIDDEN = /[<>:"/\\|?*\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu;
/** UTF-8 bytes: leaves room for `_<GUID>.avhdx.rct` in the 255 bytes that Linux file systems give a name. */
const LONGEST_STEM = 120;

/**
 * File name stem for a VM of any name: safe on Windows and Linux, never empty, never hidden, at most 120 bytes.
 * Different VMs may get the same stem; see {@link uniqueDiskName}.
 */
export function safeStem(vmName: string): string {
  let stem = '';
  for (const character of vmName.toWellFormed().normalize('NFC').replaceAll('�', '_').replace(FORBIDDEN, '_')) {
    if (Buffer.byteLength(stem + character) > LONGEST_STEM) break;
    stem += character;
  }
  stem = stem
    .trim()
    .replace(/^\./, '_')
    .replace(/[. ]+$/, '');
  if (stem === '') return 'Virtual Machine';
  return DEVICES.test(stem) ? `_${stem}` : stem;
}

/**
 * Names `<stem>.vhdx`, or `<stem>-<n>.vhdx` for the first free n, and adds it to `taken`.
 * @param taken lower-case names in use: file systems may ignore case
 */
export function uniqueDiskName(stem: string, taken: Set<string>): string {
  for (let n = 0; ; n++) {
    const name = n === 0 ? `${stem}.vhdx` : `${stem}-${n}.vhdx`;
    if (taken.has(name.toLowerCase())) continue;
    taken.add(name.toLowerCase());
    return name;
  }
}

/** Lower-case names of all files in the folder of virtual disks; journals count for their disk. */
export async function takenDiskNames(root: string): Promise<Set<string>> {
  const names = await readdir(path.join(root, VIRTUAL_DISKS));
  return new Set(names.flatMap((name) => [name.toLowerCase(), name.toLowerCase().replace(/\.rct$/, '')]));
}

/** Relative path of a checkpoint's differencing disk, beside its base as Hyper-V names it. */
export function checkpointDiskPath(baseRelative: string, checkpointId: string): string {
  const stem = path.posix.basename(baseRelative).replace(/\.a?vhdx$/i, '');
  return path.posix.join(path.posix.dirname(baseRelative), `${stem}_${checkpointId.toUpperCase()}.avhdx`);
}

/** Relative path of a configuration file; Hyper-V writes the GUID in upper case. */
export const configurationPath = (folder: string, id: string, kind: string): string =>
  `${folder}/${id.toUpperCase()}.${kind}`;

/** Absolute path of what the state names relatively. */
export const absolute = (root: string, relative: string): string => path.join(root, ...relative.split('/'));

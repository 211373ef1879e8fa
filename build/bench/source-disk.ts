/**
 * A disk with real files for the bench: this machine's own programs and libraries, in ext4 where mke2fs is installed.
 */
import {
  closeSync,
  createReadStream,
  type Dirent,
  ftruncateSync,
  openSync,
  readdirSync,
  statSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { findProgram, run } from '../lib/run.ts';

const GIB = 1024 ** 3;

/**
 * Writes a raw image at `path`. @param diskSize bytes; about two thirds get filled where the machine has enough files
 * @returns what is on it, for the report
 */
export async function makeSourceDisk(path: string, diskSize: number): Promise<{ description: string; bytes: number }> {
  const files = collectFiles(
    ['/usr/lib', '/usr/bin', '/usr/share', '/opt', process.execPath],
    Math.round(diskSize * 0.65),
  );
  const bytes = files.reduce((sum, file) => sum + file.size, 0);
  const image = openSync(path, 'wx');
  ftruncateSync(image, diskSize);
  const mke2fs = findProgram('mke2fs');
  const debugfs = findProgram('debugfs');
  if (mke2fs && debugfs) {
    closeSync(image);
    if (run(mke2fs, ['-q', '-F', '-t', 'ext4', '-E', 'lazy_itable_init=1', path]) === 0) {
      const { spawnSync } = await import('node:child_process');
      const script = files.map((file, i) => `write "${file.path}" f${i}`).join('\n');
      spawnSync(debugfs, ['-w', '-f', '-', path], { input: script, stdio: ['pipe', 'ignore', 'ignore'] });
      return { description: `ext4, ${files.length} files`, bytes };
    }
    throw new Error('mke2fs failed');
  }
  let offset = 1024 * 1024;
  for (const file of files) {
    for await (const chunk of createReadStream(file.path, { highWaterMark: 4 * 1024 * 1024 })) {
      writeSync(image, chunk as Buffer, 0, (chunk as Buffer).length, offset);
      offset += (chunk as Buffer).length;
    }
    offset = Math.ceil(offset / 4096) * 4096;
  }
  closeSync(image);
  return { description: `no file system (mke2fs is missing), ${files.length} files end to end`, bytes };
}

function collectFiles(roots: readonly string[], limit: number): { path: string; size: number }[] {
  const files: { path: string; size: number }[] = [];
  let total = 0;
  const add = (path: string): void => {
    try {
      const { size } = statSync(path);
      // One huge file would make the mix unlike a real disk's.
      if (size === 0 || size > GIB / 8 || total + size > limit || path.includes('"')) return;
      files.push({ path, size });
      total += size;
    } catch {
      // vanished or unreadable: not needed
    }
  };
  const walk = (folder: string, depth: number): void => {
    let entries: Dirent[];
    try {
      entries = readdirSync(folder, { withFileTypes: true });
    } catch {
      return;
    }
    for (const entry of entries) {
      if (total >= limit) return;
      const path = join(folder, entry.name);
      if (entry.isFile()) add(path);
      else if (entry.isDirectory() && depth < 12) walk(path, depth + 1);
    }
  };
  for (const root of roots) {
    try {
      if (statSync(root).isDirectory()) walk(root, 0);
      else add(root);
    } catch {
      // not on this machine
    }
  }
  return files;
}

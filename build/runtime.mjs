/**
 * Finds the pinned Node of this project. Runs on any Node from 20 on, before anything is installed, so it may import
 * nothing but Node's own modules.
 */
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The project's root folder. */
export const root = join(dirname(fileURLToPath(import.meta.url)), '..');

/** Oldest Node major version the backend runs on: node:sqlite without a flag, zstd, type stripping. */
export const REQUIRED_MAJOR = 24;

/**
 * Path of a Node of at least REQUIRED_MAJOR: the pinned platform package, else the running one; null when neither is.
 */
export function findNode() {
  const file = process.platform === 'win32' ? 'node.exe' : 'node';
  const pinned = join(root, 'node_modules', `node-${platformName()}-${process.arch}`, 'bin', file);
  if (existsSync(pinned)) return pinned;
  return Number(process.versions.node.split('.')[0]) >= REQUIRED_MAJOR ? process.execPath : null;
}

function platformName() {
  return process.platform === 'win32' ? 'win' : process.platform;
}

/** Damaging repositories, by what docs/format.md says of their objects. */
import { readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** Paths of all objects below a folder of a repository, by size, largest first. */
export function objects(repository: string, folder: string): string[] {
  const found = readdirSync(join(repository, folder), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name));
  return found.sort((a, b) => statSync(b).size - statSync(a).size || (a < b ? -1 : 1));
}

export function flip(file: string, at: number, mask = 0x10): void {
  const bytes = readFileSync(file);
  bytes[at < 0 ? bytes.length + at : at]! ^= mask;
  writeFileSync(file, bytes);
}

/** Packs of a class: 0 blocks, 1 nodes. */
export const packsOf = (repository: string, packClass: 0 | 1): string[] =>
  objects(repository, 'packs').filter((file) => readFileSync(file).readUInt16LE(10) === packClass);

/** The manifest of a restore point. */
export const manifestOf = (repository: string, point: string): string =>
  objects(repository, 'manifests').find((file) => file.endsWith(point))!;

/** Record headers of a pack (docs/format.md §2.3). */
export function records(pack: Buffer): { at: number; kind: number; rawLength: number }[] {
  const found: { at: number; kind: number; rawLength: number }[] = [];
  for (let at = 96; at < pack.length - 96; ) {
    if (pack.toString('latin1', at, at + 4) !== 'HVBR') break;
    found.push({ at, kind: pack[at + 4]!, rawLength: pack.readUInt32LE(at + 12) });
    at += 96 + pack.readUInt32LE(at + 16);
  }
  return found;
}

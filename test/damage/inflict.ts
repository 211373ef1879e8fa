/** Damage as disks, people and malware do it: one object of a repository, or two, are not what they were. */
import { copyFile, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { dirname, join, relative } from 'node:path';
import { systemFiles } from '../../backend/src/repository/storage/folder/files.ts';
import type { RandomAccessFile } from '../../backend/src/support/file.ts';
import { below, pick } from '../fuzz/random.ts';

const KINDS = ['flip', 'truncate', 'zero', 'delete', 'swap', 'rename', 'append', 'exchange', 'eio'] as const;
type DamageKind = (typeof KINDS)[number];

export interface Inflicted {
  kind: DamageKind;
  /** Below the repository's folder. */
  objects: string[];
  /** Top folder of the first object. */
  place: string;
}

/** Objects below `folder`, paths with `/`. */
async function objectsBelow(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  return entries
    .filter((entry) => entry.isFile())
    .map((entry) => relative(folder, join(entry.parentPath, entry.name)).replaceAll('\\', '/'))
    .filter((name) => !name.startsWith('tmp/'))
    .sort();
}

const placeOf = (name: string): string => (name.includes('/') ? name.slice(0, name.indexOf('/')) : 'config');

/** Each place is as likely as any other, whatever number of objects it has. */
function choose(names: readonly string[], random: () => number): string {
  const places = [...new Set(names.map(placeOf))];
  const place = pick(random, places);
  return pick(
    random,
    names.filter((name) => placeOf(name) === place),
  );
}

/** @param spared objects that are left as they are */
export async function inflict(folder: string, random: () => number, spared: ReadonlySet<string>): Promise<Inflicted> {
  const names = (await objectsBelow(folder)).filter((name) => !spared.has(name));
  const first = choose(names, random);
  const kind = pick(random, KINDS);
  const done: Inflicted = { kind, objects: [first], place: placeOf(first) };
  const path = join(folder, first);
  if (kind === 'delete') await rm(path);
  else if (kind === 'eio') unreadable.add(await identity(path));
  else if (kind === 'rename') await misname(path, random);
  else if (kind === 'exchange') {
    const others = names.filter((name) => placeOf(name) === done.place && name !== first);
    if (others.length === 0) await rm(path);
    else {
      const second = pick(random, others);
      done.objects.push(second);
      await exchange(path, join(folder, second));
    }
  } else await own(path, (data) => spoil(kind, data, random));
  return done;
}

/** The file has other names in other places: it is replaced, not written. */
async function own(path: string, change: (data: Buffer) => Buffer): Promise<void> {
  const data = change(Buffer.from(await readFile(path)));
  await rm(path);
  await writeFile(path, data);
}

function spoil(kind: DamageKind, data: Buffer, random: () => number): Buffer {
  const at = below(random, Math.max(1, data.length));
  switch (kind) {
    case 'flip':
      if (data.length > 0) data[at]! ^= 1 << below(random, 8);
      return data;
    case 'truncate':
      return data.subarray(0, at);
    case 'zero':
      return data.fill(0, at, Math.min(data.length, at + 1 + below(random, 4096)));
    case 'append':
      return Buffer.concat([data, Buffer.alloc(1 + below(random, 600), below(random, 256))]);
    default: {
      const length = Math.min(below(random, 512) + 1, Math.floor(data.length / 2));
      const other = below(random, Math.max(1, data.length - length));
      const from = Math.min(at, data.length - length);
      const moved = Buffer.from(data.subarray(from, from + length));
      data.copy(data, from, other, other + length);
      moved.copy(data, other);
      return data;
    }
  }
}

async function misname(path: string, random: () => number): Promise<void> {
  const name = path.slice(dirname(path).length + 1);
  const names = [`${name}.locked`, name.toLowerCase(), name.slice(0, -1), `${name} (conflicted copy)`, `${name}.bak`];
  const other = pick(
    random,
    names.filter((one) => one !== name),
  );
  await rename(path, join(dirname(path), other));
}

async function exchange(one: string, other: string): Promise<void> {
  await rename(one, `${one}.x`);
  await rename(other, one);
  await rename(`${one}.x`, other);
}

/** Puts the objects back as they were. @param original folder of the repository as it was */
export async function undo(folder: string, original: string, inflicted: readonly Inflicted[]): Promise<void> {
  mendDisk();
  for (const name of inflicted.flatMap(({ objects }) => objects)) {
    await rm(join(folder, name), { force: true, recursive: true });
    // What an earlier damage had renamed has its old name again by now.
    if (!(await isThere(join(original, name)))) continue;
    await stat(dirname(join(folder, name))).catch(async () => {
      const { mkdir } = await import('node:fs/promises');
      await mkdir(dirname(join(folder, name)), { recursive: true });
    });
    await copyFile(join(original, name), join(folder, name));
  }
}

const isThere = (path: string): Promise<boolean> =>
  stat(path).then(
    () => true,
    () => false,
  );

/** Files whose content the disk does not give any more. Another file of the same name lies elsewhere on the disk. */
const unreadable = new Set<string>();

async function identity(path: string): Promise<string> {
  const { dev, ino } = await stat(path, { bigint: true });
  return `${dev} ${ino}`;
}

const broken = (path: string): Error =>
  Object.assign(new Error('EIO'), { code: 'EIO', errno: -5, syscall: 'read', path });

/** All disks give what is written on them again. */
export function mendDisk(): void {
  unreadable.clear();
}

/** From now on the folder storage meets what {@link inflict} made unreadable. */
export function breakDisk(): void {
  const { open } = systemFiles;
  systemFiles.open = async (path, mode) => {
    const file = await open(path, mode);
    if (mode !== 'read' || unreadable.size === 0 || !unreadable.has(await identity(path))) return file;
    const refuse = (): never => {
      throw systemError(path);
    };
    return new Proxy(file, {
      get(target, key) {
        const value: unknown = Reflect.get(target, key);
        if (typeof value !== 'function') return value;
        if (key !== 'readFully' && key !== 'readUpTo') return value.bind(target);
        return async (...given: unknown[]) => {
          refuse();
          return value.apply(target, given);
        };
      },
    }) as RandomAccessFile;
  };
}

import { toHvError } from '../../backend/src/support/errors.ts';

const systemError = (path: string): Error => toHvError(broken(path), path);

/**
 * The double of virtdisk.dll (test/helper/virtdisk-double): built here, described here. .NET on Linux looks for
 * `virtdisk.dll.so` and `kernel32.dll.so` on LD_LIBRARY_PATH, so the shipped code runs on it as it is.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { appendFile, mkdir, symlink, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { hasTool, tool } from './tools.ts';

const root = join(dirname(fileURLToPath(import.meta.url)), '..', '..', '..');
export const DOUBLE_SOURCES = join(root, 'test', 'helper', 'virtdisk-double');
export const HELPER_SOURCES = join(root, 'module', 'Helper');

/** Tools that the double needs and that are not here; empty on Linux with gcc and pwsh. */
export const missingForDouble: string[] =
  process.platform === 'linux' ? ['gcc', 'pwsh'].filter((name) => !hasTool(name)) : ['Linux'];

const sources = () =>
  readdirSync(DOUBLE_SOURCES)
    .filter((name) => name.endsWith('.c'))
    .map((name) => join(DOUBLE_SOURCES, name));

/** Compiles the double into `folder`. @returns what PowerShell needs in its environment to use it */
export async function buildVirtDiskDouble(folder: string): Promise<{ LD_LIBRARY_PATH: string }> {
  await mkdir(folder, { recursive: true });
  const library = join(folder, 'virtdisk.dll.so');
  const flags = ['-std=c11', '-D_GNU_SOURCE', '-Wall', '-Wextra', '-Werror', '-O2', '-fPIC', '-fvisibility=hidden'];
  tool('gcc', ...flags, '-shared', '-pthread', ...sources(), '-o', library);
  // The same file under the other name, so that both have the same handles.
  await symlink('virtdisk.dll.so', join(folder, 'kernel32.dll.so'));
  await symlink('virtdisk.dll.so', join(folder, 'mpr.dll.so'));
  return { LD_LIBRARY_PATH: folder };
}

/** Compiles the double for Windows. @returns the DLL's path */
export async function buildWindowsDouble(folder: string): Promise<string> {
  const library = join(folder, 'virtdisk.dll');
  const flags = [
    '-std=c11',
    '-D_GNU_SOURCE',
    '-D_WIN32_WINNT=0x0A00',
    '-D__USE_MINGW_ANSI_STDIO=1',
    '-Wall',
    '-Wextra',
  ];
  // One unit: reading windows.h takes longer than all the rest.
  const unit = join(folder, 'all.c');
  await writeFile(
    unit,
    sources()
      .map((path) => `#include ${JSON.stringify(path)}\n`)
      .join(''),
  );
  tool('x86_64-w64-mingw32-gcc', ...flags, '-Werror', '-O1', '-shared', unit, '-o', library);
  return library;
}

/** Script that compiles the helper's library with the language of Windows PowerShell 5.1. */
export const COMPILE_HELPER = `
  Add-Type -Path (Get-ChildItem -LiteralPath $data -Filter *.cs -Recurse).FullName -CompilerOptions '-langversion:5', '-warnaserror+'
`;

export type Lines = Record<string, string | number | bigint>;

/**
 * Writes a disk file and its description: see README.md there for the lines. `size` is 1 GiB where it is not given.
 * @param ranges changed ranges by RCT id @param more further lines, as they are
 */
export async function describeDisk(
  path: string,
  lines: Lines = {},
  ranges: Record<string, [offset: number, length: number][]> = {},
  more: string[] = [],
): Promise<string> {
  await writeFile(path, 'a virtual disk');
  const all = Object.entries({ size: 1 << 30, ...lines }).map(([key, value]) => `${key} ${value}`);
  for (const [id, list] of Object.entries(ranges)) {
    all.push('tracking on', `id ${id}`, ...list.map(([offset, length]) => `range ${offset} ${length}`));
  }
  await writeFile(descriptionOf(path), `${[...all, ...more].join('\n')}\n`);
  return path;
}

const descriptionOf = (path: string): string => `${path}.rct.txt`;

/** Adds lines; later ones win. */
export const addLines = (path: string, ...lines: string[]): Promise<void> =>
  appendFile(descriptionOf(path), `${lines.join('\n')}\n`);

/** The numbers that layout.c asserts: sizes by C structure, offsets by `structure.member`. */
export function assertedLayout(): Map<string, number> {
  const text = readFileSync(join(DOUBLE_SOURCES, 'layout.c'), 'utf8');
  const found = new Map<string, number>();
  for (const [, name, bytes] of text.matchAll(/^SIZE\(\w+, (\w+), (\d+)\);/gm)) found.set(name!, Number(bytes));
  for (const [, name, member, bytes] of text.matchAll(/^AT(?:_AS)?\(.*?, (\w+), ([\w.]+), (\d+)\);/gm))
    found.set(`${name}.${member}`, Number(bytes));
  return found;
}

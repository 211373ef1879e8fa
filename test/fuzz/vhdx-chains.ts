/** Chains that are wrong: circles, endless ones, strangers for parents, locators that lie. */
import type { OpenOptions } from '../../backend/src/disk/index.ts';
import { VHDX_PARENT_LOCATOR } from '../../backend/src/disk/vhdx/format/constants.ts';
import { renderLocator } from '../../backend/src/disk/vhdx/format/locator.ts';
import type { FileImage } from './mutant.ts';
import { below, pick } from './random.ts';
import type { Scratch } from './scratch.ts';
import { DATA_WRITE_GUID, ITEMS, PLACES } from './vhdx-image.ts';

/** How the parent is found. */
export interface Chain {
  what: string;
  parent: OpenOptions['parent'];
  /** `refused`: such a chain must not open; `same`: it does, and the parent is the right one. */
  expect: 'same' | 'refused' | 'any';
}

/** @param files gets what else is needed */
export function wrongChain(victim: string, parent: string, files: Map<string, FileImage>, random: () => number): Chain {
  const self = files.get(victim)!;
  // Endless ones take long.
  switch (pick(random, [0, 0, 0, 1, 1, 1, random() < 0.1 ? 2 : 1, 3, 3, 4, 4])) {
    case 0:
      return { what: 'its own parent', parent: () => victim, expect: 'refused' };
    case 1: {
      files.set(`${victim}-2`, self);
      const next = (child: { path: string }): string => (child.path === victim ? `${victim}-2` : victim);
      return { what: 'a circle of two', parent: next, expect: 'refused' };
    }
    case 2: {
      for (let index = 0; index < 300; index++) files.set(`${victim}-${index}`, self);
      let number = 0;
      return { what: 'an endless chain', parent: () => `${victim}-${number++}`, expect: 'refused' };
    }
    case 3:
      return { what: 'no parent wanted', parent: null, expect: 'any' };
    default:
      files.delete(parent);
      return { what: 'the parent is gone', parent, expect: 'refused' };
  }
}

const GUIDS = [
  `{${DATA_WRITE_GUID}}`,
  `{${DATA_WRITE_GUID.toUpperCase()}}`,
  '{00000000-0000-0000-0000-000000000000}',
  '{',
  'x'.repeat(38),
  '',
];
const PATHS = [
  '.\\parent.vhdx',
  'parent.vhdx',
  '.\\victim.avhdx',
  '..\\..\\..\\..\\etc\\passwd',
  '/dev/zero',
  '/',
  '.',
  '..',
  '\\\\?\\Volume{26a21bda-a627-11d7-9931-806e6f6e6963}\\parent.vhdx',
  'C:\\VMs\\parent.vhdx',
  '\\\\server\\share\\parent.vhdx',
  'parent.vhdx\u0000',
  `${'a\\'.repeat(8000)}`,
  '\ud800',
  'CON',
];
const KEYS = [
  'parent_linkage',
  'parent_linkage2',
  'relative_path',
  'volume_path',
  'absolute_win32_path',
  'other',
  '',
  '__proto__',
];

/** Another locator, rendered properly: what it says is wrong. @returns what was done */
export function anotherLocator(file: Scratch, random: () => number): string {
  const entries = new Map<string, string>();
  if (random() < 0.8) entries.set('parent_linkage', pick(random, GUIDS));
  for (let count = below(random, 5); count > 0; count--) {
    const key = pick(random, KEYS);
    entries.set(key, key.startsWith('parent') ? pick(random, GUIDS) : pick(random, PATHS));
  }
  const bytes = renderLocator({ type: random() < 0.9 ? VHDX_PARENT_LOCATOR : DATA_WRITE_GUID, entries });
  file.write(ITEMS + 40, bytes);
  file.edit(PLACES.metadata + 32 + 5 * 32 + 20, 4, (length) => length.writeUInt32LE(bytes.length));
  return `locator ${JSON.stringify([...entries]).slice(0, 300)}`;
}

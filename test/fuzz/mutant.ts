/** What the fuzzer makes and what it expects of it. */
import type { OpenOptions } from '../../backend/src/disk/index.ts';

export const FORMATS = ['vhdx', 'avhdx', 'vhd', 'vhd-diff', 'vmcx', 'raw'] as const;
export type FuzzFormat = (typeof FORMATS)[number];

/** A file in memory. Beyond `bytes` it is zeros up to `size`: sparse files of any length cost nothing. */
export interface FileImage {
  bytes: Buffer;
  size: number;
}

/**
 * - `content`: opens, and reads exactly so; an error is a defect
 * - `refused`: an error, at the latest when all of it is read
 * - `any`: an error or an answer that is right as far as it can be told without knowing the content
 */
export type Expectation = { kind: 'content'; content: Buffer } | { kind: 'refused' } | { kind: 'any' };

/** A mutated disk, ready to be opened. */
export interface DiskMutant {
  /** What was done, in words. */
  what: string[];
  path: string;
  files: Map<string, FileImage>;
  parent: OpenOptions['parent'];
  expect: Expectation;
  /** Whether the check must find something. */
  checkMustFind?: boolean;
}

/** Makes mutation after mutation; what one mutant holds is valid until the next is made. */
export type DiskMutator = (random: () => number) => DiskMutant;

/** What became of one mutation. */
export type Outcome = { kind: 'right' | 'unjudged' } | { kind: 'error'; code: string };

/** The program did what it must never do. */
export class Defect extends Error {}

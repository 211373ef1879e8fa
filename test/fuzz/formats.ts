/** One function a format: makes a mutation, has it read, and judges. */
import { configurationFuzzer } from './configuration.ts';
import { judgeDisk } from './judge-disk.ts';
import type { DiskMutator, FuzzFormat, Outcome } from './mutant.ts';
import { rawMutator } from './raw.ts';
import { vhdMutator } from './vhd.ts';
import { vhdxMutator } from './vhdx.ts';

export interface Attempt {
  /** What was done. */
  what: string[];
  /** @throws Defect */
  judge(): Promise<Outcome>;
}

export type Fuzzer = (random: () => number) => Attempt;

/** @param folder a real folder, empty but for what prepareFolder() puts there */
export function fuzzerOf(format: FuzzFormat, folder: string): Fuzzer {
  switch (format) {
    case 'vhdx':
    case 'avhdx':
      return ofDisks(vhdxMutator(format, folder));
    case 'vhd':
    case 'vhd-diff':
      return ofDisks(vhdMutator(format, folder));
    case 'raw':
      return ofDisks(rawMutator());
    case 'vmcx':
      return configurationFuzzer();
  }
}

const ofDisks =
  (mutator: DiskMutator): Fuzzer =>
  (random) => {
    const mutant = mutator(random);
    return { what: mutant.what, judge: () => judgeDisk(mutant, random) };
  };

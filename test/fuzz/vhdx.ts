/** Mutations of VHDX files, alone and with a parent. */

import type { DiskMutant, DiskMutator, FileImage } from './mutant.ts';
import { mutateVhdx } from './mutate-vhdx.ts';
import { damageParts } from './parts.ts';
import { below, pick } from './random.ts';
import { anotherLocator, wrongChain } from './vhdx-chains.ts';
import { PLACES } from './vhdx-image.ts';
import { changeInert } from './vhdx-inert.ts';
import { expectation, STRUCTURES } from './vhdx-structures.ts';
import { avhdxSubjects, pathsIn, type VhdxSubject, vhdxSubjects } from './vhdx-subjects.ts';

/** @param folder a real folder, with files of the names that chains look for: their content never is read */
export function vhdxMutator(format: 'vhdx' | 'avhdx', folder: string): DiskMutator {
  const subjects = format === 'vhdx' ? vhdxSubjects() : avhdxSubjects();
  const paths = pathsIn(folder);
  return (random) => {
    const subject = pick(random, subjects);
    subject.file.reset();
    subject.content.reset();
    subject.parent?.file.reset();
    const { bytes } = subject.file;
    const files = new Map<string, FileImage>([[paths.victim, { bytes, size: bytes.length }]]);
    if (subject.parent) {
      const parent = subject.parent.file.bytes;
      files.set(paths.parent, { bytes: parent, size: parent.length });
    }
    const mutant: DiskMutant = {
      what: [subject.name],
      path: paths.victim,
      files,
      // Half of the time it must be found by what the child says.
      parent: random() < 0.8 ? paths.parent : undefined,
      expect: { kind: 'any' },
    };
    mutate(subject, mutant, random, paths);
    return mutant;
  };
}

function mutate(
  subject: VhdxSubject,
  mutant: DiskMutant,
  random: () => number,
  paths: ReturnType<typeof pathsIn>,
): void {
  const kind = random();
  const victim = mutant.files.get(paths.victim)!;
  const content = { kind: 'content', content: subject.content.bytes } as const;
  if (kind < 0.4) {
    mutant.what.push(...mutateVhdx(subject.file.bytes, random, PLACES, subject.file.touch));
    if (random() < 0.1) {
      victim.size = below(random, victim.size);
      mutant.what.push(`cut to ${victim.size}`);
    }
  } else if (kind < 0.55) {
    for (let count = 1 + below(random, 3); count > 0; count--) mutant.what.push(changeInert(subject, random));
    mutant.expect = content;
  } else if (kind < 0.65) {
    mutant.what.push(damageParts(subject, random));
    mutant.expect = content;
  } else if (kind < 0.88 || !subject.parent) {
    const done = pick(random, STRUCTURES)(subject, random);
    mutant.what.push(done.what);
    mutant.expect = expectation(done.expect, subject.content.bytes);
    mutant.checkMustFind = done.checkMustFind;
    victim.size = done.size ?? victim.size;
  } else if (kind < 0.94) {
    const chain = wrongChain(paths.victim, paths.parent, mutant.files, random);
    mutant.what.push(chain.what);
    mutant.parent = chain.parent;
    if (chain.expect !== 'any')
      mutant.expect = expectation(chain.expect === 'same' ? 'content' : 'refused', subject.content.bytes);
  } else if (kind < 0.97) {
    mutant.what.push(anotherLocator(subject.file, random));
    mutant.parent = undefined;
  } else {
    const { file } = subject.parent;
    mutant.what.push('in the parent:', ...mutateVhdx(file.bytes, random, PLACES, file.touch));
  }
}

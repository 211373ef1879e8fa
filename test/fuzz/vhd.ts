/** Mutations of VHD files, alone and with a parent. */
import { damage } from './damage.ts';
import type { DiskMutant, DiskMutator, FileImage } from './mutant.ts';
import { damageParts } from './parts.ts';
import { pick } from './random.ts';
import { changeStructure, repairVhd } from './vhd-structures.ts';
import { pathsIn, type VhdSubject, vhdDifferencingSubjects, vhdSubjects } from './vhd-subjects.ts';
import { wrongChain } from './vhdx-chains.ts';
import { expectation } from './vhdx-structures.ts';

/** @param folder a real folder, as of vhdxMutator() */
export function vhdMutator(format: 'vhd' | 'vhd-diff', folder: string): DiskMutator {
  const subjects = format === 'vhd' ? vhdSubjects() : vhdDifferencingSubjects();
  const paths = pathsIn(folder);
  return (random) => {
    const subject = pick(random, subjects);
    subject.file.reset();
    subject.content.reset();
    const { bytes } = subject.file;
    const files = new Map<string, FileImage>([[paths.victim, { bytes, size: bytes.length }]]);
    const { parent } = subject;
    if (parent) files.set(paths.parent, { bytes: parent.bytes, size: parent.bytes.length });
    const mutant: DiskMutant = {
      what: [subject.name],
      path: paths.victim,
      files,
      parent: random() < 0.7 ? paths.parent : undefined,
      expect: { kind: 'any' },
    };
    mutate(subject, mutant, random, paths);
    return mutant;
  };
}

function mutate(
  subject: VhdSubject,
  mutant: DiskMutant,
  random: () => number,
  paths: ReturnType<typeof pathsIn>,
): void {
  const kind = random();
  const { file, content, parent } = subject;
  if (kind < 0.5) {
    const bytes = damage(file.bytes, random, subject.hot);
    const repaired = random() < 0.5;
    if (repaired) repairVhd(bytes);
    mutant.files.set(paths.victim, { bytes, size: bytes.length });
    mutant.what.push(`damaged, ${bytes.length} bytes, checksums ${repaired ? 'made right' : 'as they are'}`);
  } else if (kind < 0.6) {
    mutant.what.push(damageParts(subject, random));
    mutant.expect = { kind: 'content', content: content.bytes };
  } else if (kind < 0.9 || !parent) {
    const done = changeStructure(subject, random);
    mutant.what.push(done.what);
    mutant.expect = expectation(done.expect, content.bytes);
    mutant.checkMustFind = done.checkMustFind;
    if (done.size) mutant.files.get(paths.victim)!.size = done.size;
  } else if (kind < 0.95) {
    const chain = wrongChain(paths.victim, paths.parent, mutant.files, random);
    mutant.what.push(chain.what);
    mutant.parent = chain.parent;
    if (chain.expect === 'refused') mutant.expect = { kind: 'refused' };
  } else {
    const bytes = damage(parent.bytes, random);
    mutant.files.set(paths.parent, { bytes, size: bytes.length });
    mutant.what.push('the parent is damaged');
  }
}

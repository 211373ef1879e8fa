/** Files and trees for the tests of configuration files. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { SAMPLES, sampleManifest } from '../../support/samples.ts';

export { everyType, generation1, generation2, withLog } from '../../../fuzz/configuration-files.ts';

/** Absolute paths of Hyper-V's own configuration files. */
export const configurationSamples: string[] = sampleManifest()
  .filter(({ kind }) => kind === 'VMCX' || kind === 'VMRS')
  .map(({ path }) => join(SAMPLES, path))
  .filter((path) => existsSync(path));

export const readSample = (name: string): Buffer => {
  const path = configurationSamples.find((sample) => sample.includes(name));
  if (!path) throw new Error(`No sample ${name}`);
  return readFileSync(path);
};

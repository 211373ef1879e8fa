/**
 * Mutated files: an error by name or a right answer, within bounds. HVBACKUP_FUZZ_SEED and HVBACKUP_FUZZ_COUNT choose
 * other or more of them; a failure names the seed of the one file.
 */
import { readFileSync } from 'node:fs';
import { isDeepStrictEqual } from 'node:util';
import { describe, expect, it } from 'vitest';
import {
  describeConfiguration,
  describeRuntime,
  type HvsInput,
  type HvsItem,
  openHvs,
  registeredVms,
  renderConfiguration,
  renderHvs,
} from '../../../../backend/src/hosts/configuration/index.ts';
import { isHvError } from '../../../../backend/src/support/errors.ts';
import { mutate, seededRandom } from '../../../fuzz/mutate-configuration.ts';
import { configurationSamples, everyType, generation2, withLog } from './support.ts';

const SEED = Number(process.env.HVBACKUP_FUZZ_SEED ?? 20261121);
const COUNT = Number(process.env.HVBACKUP_FUZZ_COUNT ?? 3000);
/**
 * The files are below 100 KiB; reading one, the values of one tree and then single ones again, needs a few times that.
 */
const MOST_BYTES = 16 << 20;

const rendered = renderHvs(everyType());
const originals: [string, Uint8Array][] = [
  ['every type', rendered],
  ['a VM', renderConfiguration(generation2()).vmcx],
  [
    'a dirty log',
    withLog(
      rendered,
      [0x3000, 0x3100, 0x3800].map((at) => ({ offset: at, data: rendered.slice(at, at + 99) })),
    ),
  ],
  ...configurationSamples.map((path): [string, Uint8Array] => [path.replace(/^.*__/, ''), readFileSync(path)]),
];

/** A file that fails when it is read outside, or more than there is a reason for. */
function guarded(bytes: Buffer): HvsInput {
  let total = 0;
  return {
    path: 'fuzz.vmcx',
    size: async () => bytes.length,
    readUpTo: async (offset, target) => {
      total += target.length;
      if (offset < 0 || offset + target.length > bytes.length) throw new Error(`read outside: ${offset}`);
      if (total > MOST_BYTES) throw new Error(`read ${total} bytes`);
      bytes.copy(target, 0, offset, offset + target.length);
      return target.length;
    },
  };
}

/** Long values have no checksum: what is in them may differ. */
function withoutLongValues(items: HvsItem[]): HvsItem[] {
  return items.map((item): HvsItem => {
    if (item.type === 'node') return { ...item, children: withoutLongValues(item.children) };
    const length = item.type === 'array' ? item.value.length : item.type === 'string' ? item.value.length * 2 : 0;
    return length >= 2048 ? { name: item.name, type: 'array', value: new Uint8Array() } : item;
  });
}

/** @returns what the file holds, or the code of the error */
async function read(bytes: Buffer): Promise<HvsItem[] | string> {
  try {
    const hvs = await openHvs(guarded(bytes));
    const tree = await hvs.tree();
    await describeRuntime(hvs);
    await registeredVms(hvs);
    await describeConfiguration(hvs).catch((error) => {
      if (!isHvError(error, 'CONFIGURATION_UNSUPPORTED')) throw error;
    });
    return tree;
  } catch (error) {
    if (isHvError(error, 'CONFIGURATION_CORRUPT', 'CONFIGURATION_UNSUPPORTED')) return error.code;
    throw error;
  }
}

describe('mutated configuration files', () => {
  it.each(originals)(`%s, seed ${SEED}: an error or a right answer`, async (name, original) => {
    const expected = withoutLongValues((await read(Buffer.from(original))) as HvsItem[]);
    const outcomes: Record<string, number> = {};
    for (let index = 0; index < Math.ceil(COUNT / originals.length); index++) {
      const seed = SEED + index;
      const { file, repaired } = mutate(original, seededRandom(seed));
      const outcome = await read(file).catch((error) => {
        throw new Error(`${name}, seed ${seed}`, { cause: error });
      });
      const kind = typeof outcome === 'string' ? outcome : repaired ? 'repaired' : 'same';
      outcomes[kind] = (outcomes[kind] ?? 0) + 1;
      const isRight = kind !== 'same' || isDeepStrictEqual(withoutLongValues(outcome as HvsItem[]), expected);
      expect(isRight, `${name}, seed ${seed}: other content`).toBe(true);
      // What opens can be written anew: nothing impossible got through.
      if (kind === 'repaired') renderHvs(outcome as HvsItem[]);
    }
    // The mutations reach all kinds of outcome; else they test nothing.
    expect(Object.keys(outcomes).sort()).toEqual([
      'CONFIGURATION_CORRUPT',
      'CONFIGURATION_UNSUPPORTED',
      'repaired',
      'same',
    ]);
  });
});

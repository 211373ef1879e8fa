/** Mutations of `.vmcx` files. Structures have checksums: what opens although none was made right again is unharmed. */
import { isDeepStrictEqual } from 'node:util';
import {
  describeConfiguration,
  describeRuntime,
  type HvsInput,
  type HvsItem,
  openHvs,
  registeredVms,
  renderConfiguration,
  renderHvs,
} from '../../backend/src/hosts/configuration/index.ts';
import { HvError, isHvError } from '../../backend/src/support/errors.ts';
import { everyType, generation1, generation2, withLog } from './configuration-files.ts';
import type { Attempt, Fuzzer } from './formats.ts';
import { Defect, type Outcome } from './mutant.ts';
import { mutate } from './mutate-configuration.ts';
import { below, pick } from './random.ts';

/** The files are below 100 KiB; reading one, all its values and then single ones again, needs a few times that. */
const MOST_BYTES = 16 << 20;

interface Original {
  name: string;
  bytes: Buffer;
  /** What is in it; of long values the length only, as they have no checksum. */
  tree: Promise<HvsItem[]>;
}

function originals(): Original[] {
  const rendered = Buffer.from(renderHvs(everyType()));
  const patches = [0x3000, 0x3100, 0x3800].map((offset) => ({ offset, data: rendered.subarray(offset, offset + 99) }));
  const files: [string, Uint8Array][] = [
    ['every type', rendered],
    ['generation 2', renderConfiguration(generation2()).vmcx],
    ['generation 1', renderConfiguration(generation1()).vmcx],
    ['a dirty log', withLog(rendered, patches)],
  ];
  return files.map(([name, file]) => {
    const bytes = Buffer.from(file);
    return { name, bytes, tree: openHvs(bytes).then(async (hvs) => withoutLongValues(await hvs.tree())) };
  });
}

export function configurationFuzzer(): Fuzzer {
  const files = originals();
  return (random): Attempt => {
    const original = pick(random, files);
    const { file, repaired } = mutate(original.bytes, (limit) => below(random, limit));
    const what = [original.name, `${file.length} bytes`, repaired ? 'checksums made right' : 'checksums as they are'];
    return { what, judge: () => judge(file, repaired ? null : original) };
  };
}

/** A file that fails when it is read outside, or more than there is a reason for. */
function guarded(bytes: Buffer): { input: HvsInput; settle(): void } {
  let total = 0;
  let defect: Defect | undefined;
  const input: HvsInput = {
    path: 'fuzz.vmcx',
    size: async () => bytes.length,
    readUpTo: async (offset, target) => {
      total += target.length;
      if (!(offset >= 0 && offset + target.length <= bytes.length)) defect ??= new Defect(`read outside: ${offset}`);
      if (total > MOST_BYTES) defect ??= new Defect(`more than ${MOST_BYTES} bytes are read`);
      if (defect) throw defect;
      bytes.copy(target, 0, offset, offset + target.length);
      return target.length;
    },
  };
  return {
    input,
    settle: () => {
      if (defect) throw defect;
    },
  };
}

async function judge(file: Buffer, original: Original | null): Promise<Outcome> {
  const { input, settle } = guarded(file);
  let tree: HvsItem[];
  try {
    tree = await read(input);
  } catch (error) {
    settle();
    if (isHvError(error, 'CONFIGURATION_CORRUPT', 'CONFIGURATION_UNSUPPORTED'))
      return { kind: 'error', code: error.code };
    throw new Defect(`${error instanceof HvError ? error.code : 'exception'}: ${error}`, { cause: error });
  }
  settle();
  if (original === null) {
    // What opens can be written anew and says the same: nothing impossible got through.
    const again = await (await openHvs(renderHvs(tree))).tree();
    if (!isDeepStrictEqual(withoutFinalNul(again), withoutFinalNul(tree))) {
      throw new Defect('written anew it says something else');
    }
    return { kind: 'unjudged' };
  }
  if (!isDeepStrictEqual(withoutLongValues(tree), await original.tree)) throw new Defect('it says something else');
  return { kind: 'right' };
}

async function read(input: HvsInput): Promise<HvsItem[]> {
  const hvs = await openHvs(input);
  const tree = await hvs.tree();
  for await (const { path } of hvs.entries()) hvs.keys(path);
  await describeRuntime(hvs);
  await registeredVms(hvs);
  await describeConfiguration(hvs).catch((error) => {
    if (!isHvError(error, 'CONFIGURATION_UNSUPPORTED')) throw error;
  });
  return tree;
}

/** A NUL that ends a string is dropped when it is read: some writers put one there. */
function withoutFinalNul(items: HvsItem[]): HvsItem[] {
  return items.map((item): HvsItem => {
    if (item.type === 'node') return { ...item, children: withoutFinalNul(item.children) };
    return item.type === 'string' ? { ...item, value: item.value.replace(/\0+$/, '') } : item;
  });
}

function withoutLongValues(items: HvsItem[]): HvsItem[] {
  return items.map((item): HvsItem => {
    if (item.type === 'node') return { ...item, children: withoutLongValues(item.children) };
    const length = item.type === 'array' ? item.value.length : item.type === 'string' ? item.value.length * 2 : 0;
    return length >= 2048 ? { name: item.name, type: 'array', value: new Uint8Array() } : item;
  });
}

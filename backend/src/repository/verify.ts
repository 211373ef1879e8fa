/** Reading and hash-checking what contents need, in the order it lies in the packs, each record once. */
import { throwIfCancelled, toHvError } from '../support/errors.ts';
import type { RepositoryCore } from './core.ts';
import { idAt } from './engine/slot.ts';
import { SlotSet } from './engine/worker-pool.ts';
import { ID_LENGTH, RECORD_HEADER_LENGTH, RecordKind } from './format/constants.ts';
import { keyOf } from './format/ids.ts';
import type { ContentRef, Damage, VerifyOptions } from './port.ts';
import type { RecordLocation } from './records/record-index.ts';
import { fetchBatch, toDamage } from './tree/content-stream.ts';
import { requireRef, walkBlocks } from './tree/tree-walk.ts';

/** Where a content is concerned by a damage. */
interface Place {
  content: number;
  offset: number;
  length: number;
}

/** A block to check: where it lies decides when. */
interface Wanted {
  id: Buffer;
  location: RecordLocation | undefined;
}

/** @throws CANCELLED, IO_ERROR when the storage itself fails; damage goes to onDamage */
export async function verifyContents(
  core: RepositoryCore,
  contents: readonly ContentRef[],
  options: VerifyOptions,
): Promise<{ verifiedBytes: number; readBytes: number }> {
  const found = new Map<string, Damage>();
  const wanted = await collectBlocks(core, contents, options, found);
  const readBytes = await checkBlocks(core, wanted, options, found);
  if (found.size > 0) await reportDamage(core, contents, found, options);
  const verifiedBytes = wanted.reduce((sum, { location }) => sum + (location?.rawLength ?? 0), 0);
  return { verifiedBytes, readBytes };
}

/** Walks all trees, shared parts once. Nodes are read and checked on the way. */
async function collectBlocks(
  core: RepositoryCore,
  contents: readonly ContentRef[],
  options: VerifyOptions,
  found: Map<string, Damage>,
): Promise<Wanted[]> {
  const seenNodes = new Set<string>();
  const seenBlocks = new Set<string>();
  const wanted: Wanted[] = [];
  const share = (options.samplePercent ?? 100) / 100;
  const load = async (id: Buffer, level: number) => {
    const node = await core.nodes.load(id, level);
    seenNodes.add(keyOf(id));
    return node;
  };
  for (const ref of contents) {
    throwIfCancelled(options.signal);
    if (ref.root === null || seenNodes.has(keyOf(Buffer.from(ref.root, 'hex')))) continue;
    const { blocks } = requireRef(ref, core.config.blockSize);
    const skip = (id: Buffer) => seenNodes.has(keyOf(id));
    const lost = (error: unknown) => noteDamage(error, found);
    for await (const run of walkBlocks(ref, core.config.blockSize, load, { from: 0, to: blocks }, lost, skip)) {
      for (let i = 0; i < run.count; i++) {
        const id = Buffer.from(run.ids.subarray(i * ID_LENGTH, (i + 1) * ID_LENGTH));
        const key = keyOf(id);
        if (seenBlocks.has(key)) continue;
        seenBlocks.add(key);
        if (share < 1 && Math.random() >= share) continue;
        wanted.push({ id, location: core.index.findAll(RecordKind.block, id)[0] });
      }
    }
  }
  return wanted.sort(byPlace);
}

function byPlace(a: Wanted, b: Wanted): number {
  const [x, y] = [a.location, b.location];
  if (x === undefined || y === undefined) return Number(x === undefined) - Number(y === undefined);
  return x.packId === y.packId ? x.offset - y.offset : x.packId < y.packId ? -1 : 1;
}

/** Slot after slot through the workers, several ahead. @returns bytes of records read */
async function checkBlocks(
  core: RepositoryCore,
  wanted: readonly Wanted[],
  options: VerifyOptions,
  found: Map<string, Damage>,
): Promise<number> {
  const slots = new SlotSet(core.pool);
  const running = new Set<Promise<void>>();
  const lengthOf = ({ location }: Wanted) => (location ? RECORD_HEADER_LENGTH + location.storedLength : 0);
  const totalBytes = wanted.reduce((sum, block) => sum + lengthOf(block), 0);
  let doneBytes = 0;
  let failure: unknown;
  try {
    for (let at = 0; at < wanted.length && failure === undefined; ) {
      throwIfCancelled(options.signal);
      const slot = await slots.acquire();
      const batch = wanted.slice(at, at + slot.capacity);
      at += batch.length;
      for (const [position, { id }] of batch.entries()) id.copy(slot.ids, position * ID_LENGTH);
      const lost = (error: unknown, position: number) => noteDamage(error, found, idAt(slot, position));
      const task = fetchBatch(core, slot, [...batch.keys()], lost)
        .then(() => {
          doneBytes += batch.reduce((sum, block) => sum + lengthOf(block), 0);
          options.progress?.({ phase: 'verify', doneBytes, totalBytes });
        })
        .catch((error) => {
          failure ??= error;
        })
        .finally(() => {
          slots.release(slot);
          running.delete(task);
        });
      running.add(task);
    }
  } finally {
    await Promise.all(running);
    slots.dispose();
  }
  if (failure !== undefined) throw failure;
  return doneBytes;
}

/** Remembers a damage under the id of the block or node; anything else is an error. */
function noteDamage(error: unknown, found: Map<string, Damage>, id?: Buffer): void {
  const problem = toHvError(error);
  if (problem.code !== 'REPOSITORY_DAMAGED' && problem.code !== 'NOT_SUPPORTED') throw problem;
  const damage = toDamage(problem);
  const key = id ? id.toString('hex') : (damage.id ?? damage.path);
  if (!found.has(key)) found.set(key, { ...damage, id: damage.id ?? (id ? key : undefined) });
}

/** Walks the trees once more to say who needs what is damaged: only now is it worth the time. */
async function reportDamage(
  core: RepositoryCore,
  contents: readonly ContentRef[],
  found: ReadonlyMap<string, Damage>,
  options: VerifyOptions,
): Promise<void> {
  const { blockSize } = core.config;
  const places = new Map<string, Place[]>();
  const add = (key: string, content: number, first: number, count: number) => {
    const offset = first * blockSize;
    const length = Math.min(count * blockSize, contents[content]!.size - offset);
    const list = places.get(key) ?? [];
    const last = list.at(-1);
    if (last && last.content === content && last.offset + last.length === offset) last.length += length;
    else list.push({ content, offset, length });
    places.set(key, list);
  };
  for (const [content, ref] of contents.entries()) {
    const { blocks } = requireRef(ref, blockSize);
    const load = core.nodes.load.bind(core.nodes);
    const lost = (error: unknown, first: number, count: number) => {
      const damage = toDamage(toHvError(error));
      add(damage.id ?? damage.path, content, first, count);
    };
    for await (const run of walkBlocks(ref, blockSize, load, { from: 0, to: blocks }, lost)) {
      for (let i = 0; i < run.count; i++) {
        const key = run.ids.toString('hex', i * ID_LENGTH, (i + 1) * ID_LENGTH);
        if (found.has(key)) add(key, content, run.first + i, 1);
      }
    }
  }
  for (const [key, damage] of found) options.onDamage?.(damage, places.get(key) ?? []);
}

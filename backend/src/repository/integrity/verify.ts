/**
 * Reading and hash-checking what contents need, in the order it lies in the packs, each record once. The trees are
 * walked first and leave one bit a record; which ids these are is then read from the packs' own tables of contents.
 */
import { hex, isHvError, throwIfCancelled, toHvError } from '../../support/errors.ts';
import type { RepositoryCore } from '../core.ts';
import { ID_LENGTH, RECORD_HEADER_LENGTH, RecordKind } from '../format/constants.ts';
import { damageKey, packName } from '../format/names.ts';
import type { RecordEntry } from '../format/pack-format.ts';
import type { ContentRef } from '../port/contents.ts';
import type { Damage } from '../port/damage.ts';
import type { VerifyOptions } from '../port/maintenance.ts';
import { LiveSet, type PackState } from '../records/live-set.ts';
import { readPackTail } from '../records/pack-tail.ts';
import type { RecordLocation } from '../records/record-index.ts';
import { toDamage } from '../tree/content-stream.ts';
import { walkBlocks } from '../tree/tree-walk.ts';
import { requireRef } from '../tree/visit.ts';
import { findLosses } from './losses.ts';
import { BlockChecker, isWhole } from './verify-blocks.ts';

/** Of one damaged record; the contents' own ranges are all reported. */
const MAX_PLACES = 100;

/** Where a content is concerned by a damage. */
interface Place {
  content: number;
  offset: number;
  length: number;
}

/** @throws CANCELLED, IO_ERROR when the storage itself fails; damage goes to onDamage */
export async function verifyContents(
  core: RepositoryCore,
  contents: readonly ContentRef[],
  options: VerifyOptions,
): Promise<{ verifiedBytes: number; readBytes: number }> {
  const found = new Map<string, Damage>();
  const knownBefore = core.index.damaged.size;
  const checker = new BlockChecker(core, options, (error, id) => noteDamage(error, found, id));
  try {
    const wanted = new WantedBlocks(core);
    await walkContents(core, contents, options, found, async (id, location, isBase) => {
      if (isBase && location !== undefined) checker.bases.want(location);
      if (location === undefined || !wanted.add(location, id)) await checkSingle(checker, id, location, found, options);
    });
    const unlisted = await checkPacks(core, wanted, checker, options);
    if (unlisted.size > 0) await checkUnlisted(core, contents, options, found, { wanted, unlisted, checker });
    await checker.finish();
  } finally {
    await checker.dispose();
  }
  // A damaged record that another one stands in for loses nothing itself, but deltas over it may: of these only lists
  // were compared.
  if (found.size > 0 || core.index.damaged.size > knownBefore) await reportDamage(core, contents, found, options);
  return { verifiedBytes: checker.verifiedBytes, readBytes: checker.readBytes };
}

/** Blocks to check: a bit a record and a sum a pack, whatever their number. */
class WantedBlocks {
  readonly records = new LiveSet();
  /** Sums of their ids, by pack. */
  readonly #sums = new Map<string, number>();
  readonly #core: RepositoryCore;

  constructor(core: RepositoryCore) {
    this.#core = core;
  }

  /** @returns false when its pack is not known any more */
  add(location: RecordLocation, id: Buffer): boolean {
    if (!this.records.addPackOf(location, this.#core.index)) return false;
    if (!this.records.mark(location)) return true;
    this.#sums.set(location.packId, addId(this.#sums.get(location.packId) ?? 0, id));
    return true;
  }

  has(location: RecordLocation): boolean {
    return this.records.isLive(location.packId, location.ordinal);
  }

  /**
   * Picks the wanted ones out of a pack's table of contents.
   * @returns null when these are not the ids that were wanted: the index says otherwise
   */
  pick(pack: PackState, records: readonly RecordEntry[]): (RecordEntry & RecordLocation)[] | null {
    const packNumber = this.#core.catalog.packById(pack.id)?.number ?? -1;
    const picked = records
      .map((record, ordinal) => ({ ...record, packId: pack.id, packNumber, ordinal }))
      .filter(({ ordinal }) => this.records.isLive(pack.id, ordinal));
    const sum = picked.reduce((so, record) => addId(so, record.id), 0);
    return picked.length === pack.liveRecords && sum === this.#sums.get(pack.id) ? picked : null;
  }
}

/** Order does not matter, and two sets of ids with one sum are not met by accident. */
const addId = (sum: number, id: Buffer): number => (sum + id.readUIntLE(0, 6)) % 2 ** 48;

/**
 * Where the index has the block, if anywhere; the id is valid until the next visit. `isBase`: visited because a delta
 * is over it.
 */
type Visit = (id: Buffer, location: RecordLocation | undefined, isBase: boolean) => Promise<void>;

/** Walks all trees, shared parts once. Nodes are read and checked on the way. */
async function walkContents(
  core: RepositoryCore,
  contents: readonly ContentRef[],
  options: VerifyOptions,
  found: Map<string, Damage>,
  visit: Visit,
): Promise<void> {
  const { index, config } = core;
  const seen = new LiveSet();
  const nodeAt = (id: Buffer) => index.findAll(RecordKind.node, id)[0];
  const skip = (id: Buffer): boolean => {
    const location = nodeAt(id);
    return location !== undefined && seen.isLive(location.packId, location.ordinal);
  };
  // Trying them takes long: everything is listed again for each.
  const unreadable = new Map<string, unknown>();
  const load = async (id: Buffer, level: number) => {
    const key = `${id.toString('hex')} ${level}`;
    if (unreadable.has(key)) throw unreadable.get(key);
    const node = await core.nodes.load(id, level).catch((error) => {
      unreadable.set(key, error);
      throw error;
    });
    const location = nodeAt(id);
    if (location !== undefined && seen.addPackOf(location, index)) seen.mark(location);
    return node;
  };
  const lost = (error: unknown) => noteDamage(error, found);
  for (const ref of contents) {
    throwIfCancelled(options.signal);
    const { blocks, root } = requireRef(ref, config.blockSize);
    if (root === null) continue;
    for await (const run of walkBlocks(ref, config.blockSize, load, { from: 0, to: blocks }, lost, skip)) {
      for (let i = 0; i < run.count; i++) {
        const id = run.ids.subarray(i * ID_LENGTH, (i + 1) * ID_LENGTH);
        const [location] = index.findAll(RecordKind.block, id);
        await visit(id, location, false);
        // Deltas are held against the lists of their bases, so these are checked themselves, once.
        if (location?.base && isWhole(options)) await visit(location.base, index.findWhole(location.base)[0], true);
      }
    }
  }
}

/** Bytes that checking a record decodes. */
const decodedLength = ({ rawLength, base }: Pick<RecordEntry, 'rawLength' | 'base'>, options: VerifyOptions): number =>
  base !== undefined && isWhole(options) ? 0 : rawLength;

const recordLength = ({ storedLength }: Pick<RecordEntry, 'storedLength'>): number =>
  RECORD_HEADER_LENGTH + storedLength;

/** Pack after pack, from the first wanted record to the last. @returns packs that do not list what the index says */
async function checkPacks(
  core: RepositoryCore,
  wanted: WantedBlocks,
  checker: BlockChecker,
  options: VerifyOptions,
): Promise<Set<string>> {
  const share = (options.samplePercent ?? 100) / 100;
  const unlisted = new Set<string>();
  const rank = ({ id }: PackState): string => `${checker.bases.isIn(id) ? 0 : 1}${id}`;
  const packs = [...wanted.records.states()].sort((a, b) => (rank(a) < rank(b) ? -1 : 1));
  checker.totalBytes = packs.reduce((sum, pack) => sum + pack.liveBytes, 0) * share;
  for (const pack of packs) {
    const records = await tableOf(core, pack);
    const picked = records && wanted.pick(pack, records);
    if (picked === null) {
      unlisted.add(pack.id);
      continue;
    }
    for (const record of picked)
      if (share >= 1 || Math.random() < share)
        await checker.add(record.id, decodedLength(record, options), recordLength(record), record);
  }
  return unlisted;
}

/** @returns null when it cannot be read: what the pack holds is then found by its ids */
async function tableOf(core: RepositoryCore, pack: PackState): Promise<readonly RecordEntry[] | null> {
  const unindexed = core.index.unindexedPacks.get(pack.id);
  if (unindexed !== undefined) return unindexed.records;
  try {
    return (await readPackTail(core.storage, core.config.id, pack.id, pack.length)).records;
  } catch (error) {
    if (!isHvError(error, 'REPOSITORY_DAMAGED', 'FILE_NOT_FOUND', 'NOT_SUPPORTED', 'IO_ERROR')) throw error;
    return null;
  }
}

/** Blocks of packs that could not be gone through in order: the trees are walked again for their ids. */
async function checkUnlisted(
  core: RepositoryCore,
  contents: readonly ContentRef[],
  options: VerifyOptions,
  found: Map<string, Damage>,
  state: { wanted: WantedBlocks; unlisted: ReadonlySet<string>; checker: BlockChecker },
): Promise<void> {
  const share = (options.samplePercent ?? 100) / 100;
  const again = new LiveSet();
  await walkContents(core, contents, options, found, async (id, location) => {
    if (location === undefined) return checkSingle(state.checker, id, location, found, options);
    // A pack that is gone was rewritten meanwhile, and the block lies in one that was not gone through.
    if (state.wanted.has(location) && !state.unlisted.has(location.packId)) return;
    if (again.addPackOf(location, core.index) && !again.mark(location)) return;
    if (share >= 1 || Math.random() < share) await checkSingle(state.checker, id, location, found, options);
  });
}

async function checkSingle(
  checker: BlockChecker,
  id: Buffer,
  location: RecordLocation | undefined,
  found: ReadonlyMap<string, Damage>,
  options: VerifyOptions,
): Promise<void> {
  if (found.size > 0 && found.has(id.toString('hex'))) return;
  const length = location ? recordLength(location) : 0;
  await checker.add(id, location ? decodedLength(location, options) : 0, length);
}

/** Remembers a damage under the id of the block or node; anything else is an error. */
function noteDamage(error: unknown, found: Map<string, Damage>, id?: Buffer): void {
  const problem = toHvError(error);
  if (problem.code !== 'REPOSITORY_DAMAGED' && problem.code !== 'NOT_SUPPORTED') throw problem;
  const damage = toDamage(problem);
  const key = id ? id.toString('hex') : (damage.id ?? damage.path);
  // Of a delta over a base that is nowhere the problem names the base; what cannot be read is the delta.
  if (!found.has(key)) found.set(key, { ...damage, id: id ? key : damage.id });
}

/** Walks the trees once more to say who needs what is damaged: only now is it worth the time. */
async function reportDamage(
  core: RepositoryCore,
  contents: readonly ContentRef[],
  found: Map<string, Damage>,
  options: VerifyOptions,
): Promise<void> {
  const places = new Map<string, { list: Place[]; more: number }>();
  await findLosses(core, contents, {
    signal: options.signal,
    isLost: (id) => found.has(id.toString('hex')) || losesBase(core, id, found),
    onLoss: options.onLoss,
    onPlace: ({ key, ...place }) => {
      const known = places.get(key) ?? { list: [], more: 0 };
      places.set(key, known);
      const last = known.list.at(-1);
      if (last && last.content === place.content && last.offset + last.length === place.offset)
        last.length += place.length;
      else if (known.list.length < MAX_PLACES) known.list.push(place);
      else known.more += 1;
    },
  });
  for (const [key, damage] of found) {
    const { list, more } = places.get(key) ?? { list: [], more: 0 };
    options.onDamage?.(damage, list, more);
  }
}

/** Whether all a block has is deltas over whole records that are damaged: then it is damaged itself, and noted. */
function losesBase(core: RepositoryCore, id: Buffer, found: Map<string, Damage>): boolean {
  const records = core.index.findAll(RecordKind.block, id);
  const [first] = records;
  if (first === undefined || !records.every((record) => isBaseDamaged(core, record, found))) return false;
  const { packId, offset, base } = first;
  const key = id.toString('hex');
  const path = packName(packId);
  const why = found.get(base!.toString('hex'))?.message ?? `no whole record of ${base!.toString('hex')} can be read`;
  const message = `${path} at ${hex(offset)}: block ${key} is a delta over a damaged one: ${why}`;
  found.set(key, { object: 'block', path, offset, id: key, message });
  return true;
}

/** A base that is readable as a delta itself does not help: it takes a whole record. */
function isBaseDamaged(core: RepositoryCore, { base }: RecordLocation, found: ReadonlyMap<string, Damage>): boolean {
  if (base === undefined) return false;
  if (found.has(base.toString('hex'))) return true;
  const whole = core.index.findWhole(base);
  return whole.length > 0 && whole.every((record) => core.index.damaged.has(damageKey(record)));
}

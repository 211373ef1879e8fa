/**
 * Packs that do not read as packs: what they hold is stored anew in others, the old ones leave the indexes and go as
 * prune has them go (docs/format.md §6). What cannot be had any more is kept below `quarantine/`, with the pack it was
 * in.
 */
import { isHvError, throwIfCancelled } from '../../../support/errors.ts';
import type { OperationContext } from '../../../support/progress.ts';
import { listFenced } from '../../coordination/fencing.ts';
import type { RepositoryCore } from '../../core.ts';
import { moveRecord } from '../../engine/codec.ts';
import { PackClass, RecordKind } from '../../format/constants.ts';
import { parseIndex } from '../../format/index-format.ts';
import { damageName, indexName, packName, parsePackName } from '../../format/names.ts';
import type { RecordEntry } from '../../format/pack-format.ts';
import { replaceIndexes } from '../../prune/reindex.ts';
import { PackSink } from '../../records/pack-sink.ts';
import { eachListedPack, PackSizes } from '../../records/pack-sizes.ts';
import { readPackTail } from '../../records/pack-tail.ts';
import { classOf } from '../../records/record-index.ts';
import { keepBytes } from '../../storage/keep-aside.ts';
import { checkPacks } from '../check-packs.ts';
import { type SalvagedRecord, salvagePack } from './salvage.ts';

export interface RewrittenPacks {
  /** Packs whose records are stored elsewhere now, as far as there is anything left of them. */
  packs: number;
  /** Of these the paths of those that held what cannot be read; their bytes are kept. */
  quarantined: string[];
  /** Records that do not decode any more. */
  lostRecords: number;
}

interface BadPack {
  id: string;
  length: number;
}

/** Whom the work is done for: the session of a repair. */
export interface RepairSession {
  id: string;
  renew(): Promise<void>;
}

export type RepairContext = OperationContext & { dryRun?: boolean };

/** @param session null with dryRun */
export async function rewriteBadPacks(
  core: RepositoryCore,
  session: RepairSession | null,
  context: RepairContext,
): Promise<RewrittenPacks> {
  const result: RewrittenPacks = { packs: 0, quarantined: [], lostRecords: 0 };
  const bad = await findBadPacks(core, context);
  const ids = new Set(bad.map(({ id }) => id));
  const suspects = damagedRecords(core, ids);
  if (bad.length + suspects.size === 0) return result;
  const sink = session === null ? null : sinkOf(core, session);
  /** Packs of which nothing is left to be read: they leave the indexes, and stay where they are. */
  const hopeless = new Set<string>();
  try {
    for (const [done, pack] of bad.entries()) {
      throwIfCancelled(context.signal);
      context.progress?.({ phase: 'repair', message: `damaged pack ${done + 1} of ${bad.length}` });
      const { sound, bytes, ...rest } = await salvagePack(
        core,
        pack.id,
        pack.length,
        await listedRecords(core, pack.id),
      );
      const lost = rest.lost.filter((record) => !isElsewhere(core, record, ids));
      result.packs += 1;
      result.lostRecords += lost.length;
      if (bytes === null) hopeless.add(pack.id);
      else if (lost.length > 0 || sound.length === 0) {
        result.quarantined.push(packName(pack.id));
        if (session !== null) await keepBytes(core.storage, packName(pack.id), bytes);
      }
      if (sink !== null) for (const one of sound) if (!isElsewhere(core, one.record, ids)) await append(sink, one);
    }
    for (const [id, offsets] of suspects)
      for (const one of await stillProven(core, id, offsets))
        if (sink !== null && !isElsewhere(core, one.record, ids)) await append(sink, one);
    await sink?.flush();
  } finally {
    await sink?.abort();
  }
  if (session === null || bad.length === 0) return result;
  await session.renew();
  await replaceIndexes(core, session.id, ids, [], []);
  await retire(
    core,
    session,
    bad.map(({ id }) => id).filter((id) => !hopeless.has(id)),
  );
  return result;
}

/** Records that were found damaged, in packs that are otherwise all right: offsets by pack. */
function damagedRecords(core: RepositoryCore, bad: ReadonlySet<string>): Map<string, Set<number>> {
  const found = new Map<string, Set<number>>();
  for (const key of core.index.damaged) {
    const [, id, offset] = /^([0-9a-f]{32})-([0-9a-f]{8})$/.exec(key) ?? [];
    if (id === undefined || offset === undefined || bad.has(id) || core.index.missing.has(id)) continue;
    found.set(id, (found.get(id) ?? new Set()).add(Number.parseInt(offset, 16)));
  }
  return found;
}

/** Of these the ones of which only the header is damaged: what it said stands in the table of contents as well. */
async function stillProven(
  core: RepositoryCore,
  id: string,
  offsets: ReadonlySet<number>,
): Promise<readonly SalvagedRecord[]> {
  const name = packName(id);
  const listed = await core.storage.list(name.slice(0, -id.length), { sizes: true });
  const length = listed.find((object) => object.name === name)?.size;
  if (length === undefined) return [];
  const { sound } = await salvagePack(core, id, length, await listedRecords(core, id));
  return sound.filter(({ record }) => offsets.has(record.offset));
}

async function findBadPacks(core: RepositoryCore, context: RepairContext): Promise<BadPack[]> {
  const sizes = new PackSizes();
  await eachListedPack(core.storage, core.catalog.packCount(), { sizes: true }, (id, size) => {
    if (size !== undefined) sizes.set(id, size);
  });
  const bad: BadPack[] = [];
  const look = async (name: string, action: () => Promise<void>): Promise<void> => {
    throwIfCancelled(context.signal);
    try {
      await action();
    } catch (error) {
      if (!isHvError(error, 'REPOSITORY_DAMAGED', 'FILE_NOT_FOUND', 'NOT_SUPPORTED')) throw error;
      const id = parsePackName(name);
      if (id === null) return;
      const length = sizes.get(id);
      // What is marked for deletion has left the indexes; what a newer version wrote is not ours to judge.
      const isOurs = error.code === 'REPOSITORY_DAMAGED' && !core.index.marked.has(id);
      if (isOurs && length !== undefined) bad.push({ id, length });
    }
  };
  await checkPacks(core, sizes, look);
  const unindexed: BadPack[] = [];
  await eachListedPack(core.storage, core.catalog.packCount(), {}, (id) => {
    const length = sizes.get(id);
    if (length !== undefined && core.catalog.packById(id) === undefined) unindexed.push({ id, length });
  });
  for (const { id, length } of unindexed)
    await look(packName(id), async () => {
      await readPackTail(core.storage, core.config.id, id, length);
    });
  return bad;
}

/** What an index says of a pack. */
async function listedRecords(core: RepositoryCore, id: string): Promise<readonly RecordEntry[]> {
  for (const name of core.catalog.indexesOf(new Set([id]))) {
    const object = indexName(name);
    try {
      const { packs } = parseIndex(await core.storage.get(object), object, core.config.id, core.keys);
      const pack = packs.find((one) => one.id === id);
      if (pack !== undefined) return pack.records;
    } catch (error) {
      if (!isHvError(error, 'REPOSITORY_DAMAGED', 'FILE_NOT_FOUND')) throw error;
    }
  }
  return [];
}

/** Whether a record is to be had from a pack that is all right. */
function isElsewhere(core: RepositoryCore, { kind, id }: RecordEntry, bad: ReadonlySet<string>): boolean {
  const { index } = core;
  return index
    .findAll(classOf(kind), id)
    .some((at) => !bad.has(at.packId) && index.isSound(at) && (at.base === undefined || kind === RecordKind.delta));
}

function sinkOf(core: RepositoryCore, session: RepairSession): PackSink {
  return new PackSink(core.storage, core.packOwner(session.id), {
    packStored: () => undefined,
    indexStored: (name, index) => {
      core.catalog.addIndex(name, index);
      core.index.invalidate();
    },
    beforePublish: () => session.renew(),
  });
}

async function append(sink: PackSink, { record, bytes, context }: SalvagedRecord): Promise<void> {
  const { id, kind, rawLength, encoding, storedLength, base } = record;
  const packClass = kind === RecordKind.node ? PackClass.nodes : PackClass.blocks;
  const { pack, sequence } = await sink.reserve(packClass, 1, bytes.length);
  const run = Buffer.alloc(bytes.length);
  moveRecord(run, record, bytes, sequence, context, { ...context, cipher: pack.cipher });
  await pack.append(run, [{ id, kind, rawLength, encoding, storedLength, base, at: 0 }], bytes.length);
}

/**
 * Marks packs that no index names any more, and deletes them when no other session is active; a prune does it
 * otherwise. All that can be read of them is stored elsewhere (docs/format.md §5, rule 8).
 */
async function retire(core: RepositoryCore, session: RepairSession, packs: readonly string[]): Promise<void> {
  if (packs.length === 0) return;
  const mark = await core.marks.create(packs);
  const others = (await listFenced(core, session.id)).filter((state) => state.alive);
  await core.marks.recordWaiting(
    mark,
    others.map((state) => state.document.id),
  );
  core.index.marked = new Set([...core.index.marked, ...packs]);
  if (others.length > 0) return;
  try {
    for (const id of packs) {
      await core.storage.delete(packName(id));
      core.index.removeUnindexed(id);
      for (const key of [...core.index.damaged].filter((one) => one.startsWith(id))) {
        await core.storage.delete(damageName(key));
        core.index.damaged.delete(key);
      }
    }
    await core.marks.remove(mark);
  } catch (error) {
    // Storage that refuses: a machine that may delete goes on with the mark.
    if (!isHvError(error, 'ACCESS_DENIED', 'IO_ERROR')) throw error;
  }
}

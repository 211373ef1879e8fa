/** Copies what lives in thinly used packs to new ones, every record decoded and checked on the way. */
import { isHvError, throwIfCancelled } from '../../support/errors.ts';
import type { OperationContext } from '../../support/progress.ts';
import type { RepositoryCore } from '../core.ts';
import { decodeDelta, decodeWhole, moveRecord } from '../engine/codec.ts';
import { damaged } from '../errors.ts';
import { RecordKind } from '../format/constants.ts';
import type { IndexedPack } from '../format/index-format.ts';
import { packName } from '../format/names.ts';
import type { RecordEntry } from '../format/pack-format.ts';
import type { LiveSet, PackState } from '../records/live-set.ts';
import { PackSink } from '../records/pack-sink.ts';
import { readPackContents } from '../records/pack-tail.ts';
import { classOf } from '../records/record-index.ts';

export interface RewriteResult {
  /** Packs whose live records are durable and indexed elsewhere. */
  rewritten: string[];
  /** Length of the new packs. */
  writtenBytes: number;
  indexBytes: number;
}

/** @param sessionId of the prune that does it */
export async function rewritePacks(
  core: RepositoryCore,
  sessionId: string,
  live: LiveSet,
  packs: readonly PackState[],
  context: OperationContext & { renew: () => Promise<void> },
): Promise<RewriteResult> {
  const result: RewriteResult = { rewritten: [], writtenBytes: 0, indexBytes: 0 };
  if (packs.length === 0) return result;
  const sink = new PackSink(core.storage, core.packOwner(sessionId), {
    packStored: (pack) => {
      result.writtenBytes += pack.length;
    },
    indexStored: (name, index) => {
      core.catalog.addIndex(name, index);
      core.index.invalidate();
    },
    beforePublish: context.renew,
  });
  try {
    for (const state of packs) {
      throwIfCancelled(context.signal);
      if (await copyLive(core, live, state, sink)) result.rewritten.push(state.id);
    }
    await sink.flush();
  } finally {
    await sink.abort();
  }
  result.indexBytes = sink.indexBytes;
  return result;
}

/** @returns false when a live record is unreadable: the pack stays as it is, for repair */
async function copyLive(core: RepositoryCore, live: LiveSet, state: PackState, sink: PackSink): Promise<boolean> {
  try {
    const pack = await readPackContents(core.storage, core.config.id, state.id, state.length);
    for (const [ordinal, record] of pack.records.entries())
      if (live.isLive(state.id, ordinal)) await copyRecord(core, pack, record, sink);
    return true;
  } catch (error) {
    if (isHvError(error, 'REPOSITORY_DAMAGED', 'FILE_NOT_FOUND', 'NOT_SUPPORTED')) return false;
    throw error;
  }
}

async function copyRecord(core: RepositoryCore, pack: IndexedPack, record: RecordEntry, sink: PackSink): Promise<void> {
  const { id, kind, rawLength, encoding, storedLength, base } = record;
  const location = { ...record, packId: pack.id, packNumber: -1, ordinal: -1 };
  const { bytes, context } = await core.reader.fetch(classOf(kind), id, location);
  const decoded = kind === RecordKind.delta ? decodeDelta(record, bytes, context) : decodeWhole(record, bytes, context);
  if (typeof decoded === 'string')
    throw damaged('pack', packName(pack.id), decoded, { offset: record.offset, id: id.toString('hex') });
  const { pack: target, sequence } = await sink.reserve(pack.packClass, 1, bytes.length);
  const run = Buffer.alloc(bytes.length);
  moveRecord(run, record, bytes, sequence, context, { ...context, cipher: target.cipher });
  await target.append(run, [{ id, kind, rawLength, encoding, storedLength, base, at: 0 }], bytes.length);
}

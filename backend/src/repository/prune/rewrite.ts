/** Copies what lives in thinly used packs to new ones, every record decoded and checked on the way. */
import { HvError, isHvError, throwIfCancelled } from '../../support/errors.ts';
import type { OperationContext } from '../../support/progress.ts';
import type { RepositoryCore } from '../core.ts';
import { decodePayload } from '../engine/codec.ts';
import { RECORD_HEADER_LENGTH, RecordKind } from '../format/constants.ts';
import { packName } from '../format/ids.ts';
import type { IndexedPack } from '../format/index-format.ts';
import { parseRecordHeader, type RecordEntry, renderRecordHeader } from '../format/pack-format.ts';
import { PackSink } from '../records/pack-sink.ts';
import { readPackContents } from '../records/pack-tail.ts';
import { damaged } from '../storage/storage.ts';
import type { LiveSet, PackState } from './live-set.ts';

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
  const sink = new PackSink(
    core.storage,
    { repositoryId: core.config.id, keys: core.keys, sessionId },
    {
      packStored: (pack) => {
        result.writtenBytes += pack.length;
      },
      indexStored: (name, index) => {
        core.catalog.addIndex(name, index);
        core.index.invalidate();
      },
      beforePublish: context.renew,
    },
  );
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
  const path = packName(pack.id);
  const { kind, rawLength, storedLength, encoding, id } = record;
  if (kind === RecordKind.delta)
    throw new HvError('NOT_SUPPORTED', `${path}: delta records are not known to this version`);
  const run = Buffer.alloc(RECORD_HEADER_LENGTH + storedLength);
  await core.storage.read(path, record.offset, run);
  const header = parseRecordHeader(run, 0, path, record.offset);
  const raw = header.id.equals(id)
    ? decodePayload(kind, encoding, run.subarray(RECORD_HEADER_LENGTH), rawLength, id)
    : 'another record lies here than the one listed';
  if (typeof raw === 'string') throw damaged('pack', path, raw, { offset: record.offset, id: id.toString('hex') });
  const { pack: target, sequence } = await sink.reserve(pack.packClass, 1, run.length);
  renderRecordHeader(run, 0, { kind, encoding, sequence, rawLength, storedLength }, id);
  await target.append(run, [{ id, kind, encoding, rawLength, storedLength, at: 0 }], run.length);
}

/**
 * What a session's content writers share: which ids are stored or on their way, the open packs, and what the session
 * relied on. An id handed in twice, by whichever writer, is stored once.
 */
import type { RepositoryCore } from '../core.ts';
import { draftRoom, encodeRecord, type RecordDraft } from '../engine/codec.ts';
import { writePageList } from '../engine/page-list.ts';
import { baseIdAt, idAt, META_FIELDS, Meta, type Slot } from '../engine/slot.ts';
import { listLength, nodeId } from '../format/block-scheme.ts';
import { type Encoding, PackClass, RECORD_HEADER_LENGTH, RecordKind, type ZstdSetting } from '../format/constants.ts';
import { keyOf } from '../format/ids.ts';
import type { IndexedPack, IndexObject } from '../format/index-format.ts';
import { Folder, packName } from '../format/names.ts';
import { renderNode, type TreeNode } from '../format/node.ts';
import type { CompressionLevel } from '../port/writing.ts';
import { PackSink, publishIndex } from '../records/pack-sink.ts';
import type { RunRecord } from '../records/pack-writer.ts';
import { classOf, type IdClass, type RecordLocation } from '../records/record-index.ts';
import type { SessionHandle } from '../sessions/session-handle.ts';

export class SessionStore {
  readonly core: RepositoryCore;
  readonly sink: PackSink;
  /** Packs of dead sessions that this one goes on with. */
  #adopted = 0;
  readonly setting: ZstdSetting;
  /** Packs of others whose records this session's contents rely on. */
  readonly relied = new Set<string>();
  /** Packs stored or adopted by this session that no index names yet. */
  readonly #unindexed = new Set<string>();
  /** What storing failed with: ids that were claimed may be missing, so nothing may be published any more. */
  #failure: unknown;
  /** Ids that are in flight or in packs that are not durable yet; by kind. */
  readonly #pending = { 1: new Set<string>(), 3: new Set<string>() };

  constructor(core: RepositoryCore, handle: SessionHandle, compression: CompressionLevel) {
    this.core = core;
    this.setting = compression;
    this.sink = new PackSink(core.storage, core.packOwner(handle.id), {
      packStored: (pack) => {
        this.#unindexed.add(pack.id);
        core.index.addUnindexed(pack);
        for (const { kind, id } of pack.records) this.#pending[classOf(kind)].delete(keyOf(id));
      },
      indexStored: (name, index) => {
        core.catalog.addIndex(name, index);
        core.index.invalidate();
        for (const pack of index.packs) {
          this.#unindexed.delete(pack.id);
          core.index.removeUnindexed(pack.id);
        }
      },
      beforePublish: () => handle.renew(),
      afterPublish: (name, index) => this.#correctIndex(handle, name, index),
    });
  }

  /**
   * When the session was over while it published, others may have deleted some of the packs, or be about to: an index
   * that names the others takes the place of this one. A process that marks packs after the look at the marks sees what
   * was published before it.
   */
  async #correctIndex(handle: SessionHandle, published: string, index: IndexObject): Promise<void> {
    if (!(await handle.isOver())) return;
    const { storage, config, keys, marks } = this.core;
    const names = [published];
    let { packs } = index;
    for (;;) {
      const marked = new Set((await marks.list()).flatMap((mark) => mark.packs));
      const there = new Set((await storage.list(Folder.packs)).map((object) => object.name));
      const left = packs.filter(({ id }) => there.has(packName(id)) && !marked.has(id));
      if (left.length === packs.length) break;
      packs = left;
      const next = { sessionId: handle.id, supersedes: [...names].sort(), packs };
      names.push(await publishIndex(storage, config.id, keys, next));
    }
    handle.requireAlive();
  }

  /**
   * Whether the id is stored or on its way; if not, it is the caller's to store: it counts as on its way from now on.
   */
  claim(kind: IdClass, id: Buffer): boolean {
    const key = keyOf(id);
    if (this.#pending[kind].has(key)) return true;
    const found = this.core.index.findUsable(kind, id, this.#unindexed);
    if (found !== undefined) {
      this.rely(found);
      return true;
    }
    this.#pending[kind].add(key);
    return false;
  }

  /** Notes that contents of the session need this record, and of a delta its base. */
  rely(location: RecordLocation): void {
    this.relied.add(location.packId);
    const base = this.core.index.findBase(location, this.#unindexed);
    if (base !== undefined) this.relied.add(base.packId);
  }

  /**
   * A sound record of a block, whole or delta, and the whole one that another delta can be made over: itself or its
   * base. Only what an index names: deltas are read long after.
   */
  findBelow(id: Buffer): { location: RecordLocation; base: RecordLocation } | undefined {
    const location = this.core.index.findUsable(RecordKind.block, id);
    if (location === undefined) return undefined;
    const base = location.base === undefined ? location : this.core.index.findBase(location);
    return base && { location, base };
  }

  /** Takes a claim back that will not be kept. */
  unclaim(kind: IdClass, id: Buffer): void {
    this.#pending[kind].delete(keyOf(id));
  }

  /** Whether a record with this id will stay. */
  isStored(kind: IdClass, id: Buffer): boolean {
    return this.core.index.findUsable(kind, id, this.#unindexed) !== undefined;
  }

  /** Whether packs may lie there that this session answers for, named by an index or not. */
  get mayLeavePacks(): boolean {
    return this.sink.attempts + this.#adopted > 0;
  }

  /** Goes on with a complete pack of a dead session. */
  adopt(pack: IndexedPack): void {
    this.#adopted += 1;
    this.#unindexed.add(pack.id);
    this.core.index.addUnindexed(pack);
    this.sink.adopt(pack);
  }

  /** Makes everything durable and indexed. @throws what any storing failed with */
  async flush(): Promise<void> {
    if (this.#failure !== undefined) throw this.#failure;
    await this.sink.flush();
  }

  /** Keeps what is complete; no one may rely on packs that got no index. */
  async close(): Promise<void> {
    await this.sink.flush().catch(() => undefined);
    await this.sink.abort();
    for (const id of this.#unindexed) this.core.index.removeUnindexed(id);
  }

  /**
   * Encodes the wanted entries of `slot` on a worker and appends them to a pack.
   * @param reserved bytes they may take
   * @returns bytes stored
   */
  async storeEntries(slot: Slot, count: number, wanted: number, reserved: number): Promise<number> {
    return this.#guard(async () => {
      const { pack, sequence } = await this.sink.reserve(PackClass.blocks, wanted, reserved);
      let length: number;
      try {
        const work = { task: 'encode', slot: slot.number, count, setting: this.setting, sequence } as const;
        ({ length } = await this.core.pool.run({ ...work, cipher: pack.cipher }));
      } catch (error) {
        pack.cancel(reserved);
        throw error;
      }
      await pack.append(slot.output.subarray(0, length), recordsOf(slot, count), reserved);
      return length;
    });
  }

  /** Stores a node unless it is there. @returns its id, and the bytes stored for it */
  async storeNode(node: TreeNode): Promise<{ id: Buffer; stored: number }> {
    const raw = renderNode(node);
    const id = nodeId(this.core.scheme, raw);
    if (this.claim(RecordKind.node, id)) return { id, stored: 0 };
    return { id, stored: await this.storeRaw(RecordKind.node, raw, id) };
  }

  /** Stores a node or a whole block from plain memory. @returns bytes stored */
  async storeRaw(kind: IdClass, plain: Buffer, id: Buffer): Promise<number> {
    return this.#guard(async () => {
      const { scheme } = this.core;
      const packClass = kind === RecordKind.node ? PackClass.nodes : PackClass.blocks;
      let list: Buffer | undefined;
      if (kind === RecordKind.block && scheme.pageSize > 0) {
        list = Buffer.alloc(listLength(scheme, plain.length));
        writePageList(list, plain, 0, plain.length, scheme.pageSize);
      }
      const room = draftRoom({ list, plain });
      const { pack, sequence } = await this.sink.reserve(packClass, 1, room);
      const draft: RecordDraft = { kind, sequence, setting: this.setting, rawLength: plain.length, id, list, plain };
      const run = Buffer.allocUnsafe(room);
      const { encoding, storedLength } = encodeRecord(run, 0, draft, { scheme, cipher: pack.cipher });
      const used = run.subarray(0, RECORD_HEADER_LENGTH + storedLength);
      await pack.append(used, [{ id, kind, encoding, rawLength: plain.length, storedLength, at: 0 }], room);
      return used.length;
    });
  }

  async #guard<T>(action: () => Promise<T>): Promise<T> {
    if (this.#failure !== undefined) throw this.#failure;
    try {
      return await action();
    } catch (error) {
      this.#failure ??= error;
      throw error;
    }
  }
}

function recordsOf(slot: Slot, count: number): RunRecord[] {
  const records: RunRecord[] = [];
  for (let block = 0; block < count; block++) {
    const meta = block * META_FIELDS;
    if (slot.meta[meta + Meta.wanted] !== 1) continue;
    const isDelta = slot.meta[meta + Meta.kind] === RecordKind.delta;
    records.push({
      id: idAt(slot, block),
      kind: isDelta ? RecordKind.delta : RecordKind.block,
      ...(isDelta ? { base: baseIdAt(slot, block) } : {}),
      encoding: slot.meta[meta + Meta.encoding] as Encoding,
      rawLength: slot.meta[meta + Meta.rawLength]!,
      storedLength: slot.meta[meta + Meta.storedLength]!,
      at: slot.meta[meta + Meta.offset]!,
    });
  }
  return records;
}

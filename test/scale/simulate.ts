/**
 * Fills a repository with the metadata of many VMs and restore points: real manifests, indexes, block maps and packs of
 * nodes, written by the code of the product. Only the blocks themselves are missing: their packs are sparse files with
 * true header, table of contents and trailer around a hole, and ids that are random instead of hashes. So everything
 * but reading a block works on it.
 */
import { randomFillSync } from 'node:crypto';
import { closeSync, mkdirSync, openSync, writeFileSync, writeSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { nodeId } from '../../backend/src/repository/format/block-scheme.ts';
import { PackClass, RECORD_HEADER_LENGTH, RecordKind } from '../../backend/src/repository/format/constants.ts';
import { renderDocument } from '../../backend/src/repository/format/document.ts';
import { randomId } from '../../backend/src/repository/format/ids.ts';
import { type IndexedPack, renderIndex } from '../../backend/src/repository/format/index-format.ts';
import { indexName, packName } from '../../backend/src/repository/format/names.ts';
import { emptyNode, heightFor, renderNode, setChild, type TreeNode } from '../../backend/src/repository/format/node.ts';
import {
  type RecordEntry,
  renderPackHeader,
  renderRecordHeader,
  renderToc,
} from '../../backend/src/repository/format/pack-format.ts';
import type { ContentRef } from '../../backend/src/repository/port/contents.ts';
import { newGuid } from '../../backend/src/support/guid.ts';
import { ulid } from '../../backend/src/support/ulid.ts';
import { body } from './manifest-body.ts';

export interface Simulation {
  folder: string;
  repositoryId: string;
  /** Bytes. */
  blockSize: number;
  vms: number;
  points: number;
  /** Unique blocks, all VMs together. */
  blocks: number;
  /** Bytes of each VM's disk. */
  diskSize: number;
}

/** What a block takes in a pack: half of 256 KiB. */
const STORED = 131_072;
/** Records of a full pack. */
const PACK_RECORDS = 250;
/** As writers and prune leave them. */
const INDEX_PACKS = 64;
/** Of a VM's blocks, those of its first restore point. */
const FIRST_SHARE = 0.8;
const DAY = 24 * 3600 * 1000;

export interface Simulated {
  packs: number;
  records: number;
  indexes: number;
}

export function simulate(options: Simulation, progress: (done: number) => void): Simulated {
  const writer = new Writer(options);
  const perVm = Math.floor(options.blocks / options.vms);
  const points = Math.max(1, Math.round(options.points / options.vms));
  for (let vm = 0; vm < options.vms; vm++) {
    simulateVm(options, writer, vm, perVm, points);
    if (vm % 20 === 19) progress((vm + 1) / options.vms);
  }
  return writer.end();
}

/** A full, then incrementals that each change a few runs of blocks. */
function simulateVm(options: Simulation, writer: Writer, vm: number, blocks: number, points: number): void {
  const first = points === 1 ? blocks : Math.floor(blocks * FIRST_SHARE);
  const change = points === 1 ? 0 : Math.floor((blocks - first) / (points - 1));
  const tree = new SimulatedTree(Math.ceil(options.diskSize / options.blockSize));
  const vmId = newGuid();
  const start = Date.UTC(2026, 0, 1) + vm * 1000;
  let base: string | null = null;
  for (let point = 0; point < points; point++) {
    const id = ulid(start + point * DAY);
    const count = point === 0 ? first : change;
    const from = point === 0 ? 0 : Math.floor(((point * 0.618) % 1) * Math.max(1, first - count));
    const ids = writer.blocks(count);
    const content: ContentRef = { size: options.diskSize, ...tree.write(from, ids, (node) => writer.node(node)) };
    writer.endPoint();
    const fields = { vm, vmId, id, base, content, createdAt: new Date(start + point * DAY).toISOString() };
    writer.manifest({ id, group: vmId, createdAt: fields.createdAt, contents: [content], body: body(fields) });
    base = id;
  }
}

/** The block map of one disk: nodes that changed are written again, up to the root. */
class SimulatedTree {
  readonly #height: number;
  readonly #levels: Map<number, TreeNode>[];

  constructor(blocks: number) {
    this.#height = Math.max(1, heightFor(blocks));
    this.#levels = Array.from({ length: this.#height }, () => new Map());
  }

  /** Sets blocks from `from` on. @returns the new root */
  write(from: number, ids: Buffer, store: (encoded: Buffer) => Buffer): { height: number; root: string | null } {
    let changed = new Map<number, Buffer>();
    for (let i = 0; i < ids.length / 32; i++) changed.set(from + i, ids.subarray(i * 32, (i + 1) * 32));
    for (let level = 1; level <= this.#height; level++) {
      const nodes = this.#levels[level - 1]!;
      const touched = new Set<number>();
      for (const [index, id] of changed) {
        const number = Math.floor(index / 256);
        if (!nodes.has(number)) nodes.set(number, emptyNode(level));
        setChild(nodes.get(number)!, index % 256, id);
        touched.add(number);
      }
      changed = new Map([...touched].map((number) => [number, store(renderNode(nodes.get(number)!))]));
    }
    return { height: this.#height, root: changed.get(0)?.toString('hex') ?? null };
  }
}

/** Packs, indexes and manifests as they are put together by a session; without flushing: it is only a simulation. */
class Writer {
  readonly #options: Simulation;
  readonly #sessionId = randomId();
  readonly #folders = new Set<string>();
  #unindexed: IndexedPack[] = [];
  #blockIds: Buffer[] = [];
  #nodes: { id: Buffer; raw: Buffer }[] = [];
  readonly #result: Simulated = { packs: 0, records: 0, indexes: 0 };

  constructor(options: Simulation) {
    this.#options = options;
  }

  /** @returns ids of `count` new blocks, which go to packs */
  blocks(count: number): Buffer {
    const ids = randomFillSync(Buffer.alloc(count * 32));
    for (let i = 0; i < count; i++) {
      this.#blockIds.push(ids.subarray(i * 32, (i + 1) * 32));
      if (this.#blockIds.length === PACK_RECORDS) this.#writeBlockPack();
    }
    return ids;
  }

  node(raw: Buffer): Buffer {
    const id = nodeId({ blockSize: this.#options.blockSize, pageSize: 0, idKey: null }, raw);
    this.#nodes.push({ id, raw });
    return id;
  }

  /** Every session leaves its packs as they are, full or not. */
  endPoint(): void {
    this.#writeBlockPack();
    this.#writeNodePack();
  }

  manifest(manifest: { id: string; group: string } & Record<string, unknown>): void {
    const name = `manifests/${manifest.group}/${manifest.id}`;
    this.#write(name, renderDocument(manifest, name, this.#options.repositoryId, null));
  }

  end(): Simulated {
    this.#writeIndex();
    return this.#result;
  }

  #writeBlockPack(): void {
    const ids = this.#blockIds.splice(0);
    let offset = 96;
    const records = ids.map((id): RecordEntry => {
      const record = { id, kind: RecordKind.block, encoding: 1 as const, offset, rawLength: this.#options.blockSize };
      offset += RECORD_HEADER_LENGTH + STORED;
      return { ...record, storedLength: STORED };
    });
    this.#writePack(PackClass.blocks, records, offset, null);
  }

  #writeNodePack(): void {
    const parts: Buffer[] = [];
    let offset = 96;
    const records = this.#nodes.splice(0).map(({ id, raw }, sequence): RecordEntry => {
      const run = Buffer.alloc(RECORD_HEADER_LENGTH + raw.length);
      const record = { kind: RecordKind.node, encoding: 0 as const, rawLength: raw.length, storedLength: raw.length };
      renderRecordHeader(run, 0, { ...record, sequence, id });
      raw.copy(run, RECORD_HEADER_LENGTH);
      parts.push(run);
      offset += run.length;
      return { ...record, id, offset: offset - run.length };
    });
    this.#writePack(PackClass.nodes, records, offset, Buffer.concat(parts));
  }

  /** @param content null: a hole */
  #writePack(packClass: PackClass, records: RecordEntry[], tocOffset: number, content: Buffer | null): void {
    if (records.length === 0) return;
    const id = randomId();
    const { repositoryId } = this.#options;
    const salt = randomFillSync(Buffer.alloc(32));
    const header = renderPackHeader({
      repositoryId,
      packId: id,
      sessionId: this.#sessionId,
      packClass,
      salt,
      encrypted: false,
    });
    const toc = renderToc(records, tocOffset);
    const file = openSync(this.#path(packName(id)), 'wx');
    writeSync(file, content === null ? header : Buffer.concat([header, content]), 0, undefined, 0);
    writeSync(file, toc, 0, undefined, tocOffset);
    closeSync(file);
    this.#unindexed.push({ id, length: tocOffset + toc.length, sessionId: this.#sessionId, packClass, records });
    this.#result.packs += 1;
    this.#result.records += records.length;
    if (this.#unindexed.length >= INDEX_PACKS) this.#writeIndex();
  }

  #writeIndex(): void {
    if (this.#unindexed.length === 0) return;
    const index = { sessionId: this.#sessionId, supersedes: [], packs: this.#unindexed };
    const { name, bytes } = renderIndex(index, this.#options.repositoryId, null);
    this.#write(indexName(name), bytes);
    this.#unindexed = [];
    this.#result.indexes += 1;
  }

  #write(name: string, bytes: Buffer): void {
    writeFileSync(this.#path(name), bytes, { flag: 'wx' });
  }

  #path(name: string): string {
    const path = join(this.#options.folder, ...name.split('/'));
    const folder = dirname(path);
    if (!this.#folders.has(folder)) mkdirSync(folder, { recursive: true });
    this.#folders.add(folder);
    return path;
  }
}

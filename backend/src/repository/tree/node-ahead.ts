/**
 * Reads nodes for a walk through very many block maps. What one backup changed of its map lies in one small pack, and
 * the walk comes by all of it at once: the pack is opened and read once, and not for each node.
 */
import { isHvError } from '../../support/errors.ts';
import type { RepositoryCore } from '../core.ts';
import { decodeWhole } from '../engine/codec.ts';
import { MAX_NODE_LENGTH, RECORD_HEADER_LENGTH, RecordKind } from '../format/constants.ts';
import { packName } from '../format/names.ts';
import { emptyNode, parseNode, type TreeNode } from '../format/node.ts';
import { parseRecordHeader } from '../format/pack-format.ts';
import type { RecordLocation } from '../records/record-index.ts';

/** Larger packs are not read as a whole. Bytes. */
const MOST_BYTES = 512 * 1024;
/** Packs that are held: a map and the one before it may lie in several. */
const SLOTS = 4;

interface Slot {
  packId: string;
  /** Kept for the next pack: new memory each time would wait to be freed. */
  memory: Buffer;
  bytes: Buffer;
}

export class NodeReadAhead {
  readonly #core: RepositoryCore;
  /** Least recently used first. */
  readonly #slots: Slot[] = [];
  /** By level. */
  readonly #nodes = new Map<number, TreeNode>();
  readonly #room = Buffer.allocUnsafeSlow(MAX_NODE_LENGTH);

  constructor(core: RepositoryCore) {
    this.#core = core;
  }

  /**
   * The node with this id, proven; valid until the next one of its level is loaded. Calls must not overlap.
   * @returns null when it is not to be had this way, whatever the reason: reading it by itself gives the reason
   */
  async load(location: RecordLocation, id: Buffer, level: number): Promise<TreeNode | null> {
    const { packId, offset, storedLength } = location;
    const length = this.#core.index.packLength(location);
    const end = offset + RECORD_HEADER_LENGTH + storedLength;
    if (length === undefined || length > MOST_BYTES || end > length) return null;
    const path = packName(packId);
    try {
      const cipher = await this.#core.ciphers.of(packId);
      const bytes = (await this.#read(packId, length)).subarray(offset, end);
      const record = parseRecordHeader(bytes, 0, path, offset);
      if (record.kind !== RecordKind.node || record.storedLength !== storedLength || !record.id.equals(id)) return null;
      const whole = decodeWhole(record, bytes, { scheme: this.#core.scheme, cipher }, this.#room);
      if (typeof whole === 'string') return null;
      const node = parseNode(whole.plain, level, path, offset, this.#nodes.get(level) ?? emptyNode(level));
      this.#nodes.set(level, node);
      whole.free();
      return node;
    } catch (error) {
      if (isHvError(error)) return null;
      throw error;
    }
  }

  async #read(packId: string, length: number): Promise<Buffer> {
    const at = this.#slots.findIndex((slot) => slot.packId === packId && slot.bytes.length === length);
    const known = this.#slots.splice(at, at < 0 ? 0 : 1)[0];
    if (known !== undefined) {
      this.#slots.push(known);
      return known.bytes;
    }
    const spare = this.#slots.length < SLOTS ? undefined : this.#slots.shift();
    const memory = spare && spare.memory.length >= length ? spare.memory : Buffer.allocUnsafeSlow(roomFor(length));
    const bytes = memory.subarray(0, length);
    await this.#core.storage.read(packName(packId), 0, bytes);
    this.#slots.push({ packId, memory, bytes });
    return bytes;
  }
}

/** Twice as much each time, so that it is soon enough. */
const roomFor = (length: number): number => Math.max(32 * 1024, 2 ** Math.ceil(Math.log2(length)));

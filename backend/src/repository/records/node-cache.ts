/** Nodes in memory, least recently used first to go: trees of neighbouring restore points share most of theirs. */
import { RecordKind } from '../format/constants.ts';
import { keyOf } from '../format/ids.ts';
import { parseNode, type TreeNode } from '../format/node.ts';
import type { RecordReader } from './record-reader.ts';

/** 8.5 KiB each. */
const MAX_NODES = 1024;

export class NodeCache {
  readonly #reader: RecordReader;
  readonly #nodes = new Map<string, TreeNode>();

  constructor(reader: RecordReader) {
    this.#reader = reader;
  }

  /** The node; shared, must not be changed. @throws REPOSITORY_DAMAGED */
  async load(id: Buffer, level: number): Promise<TreeNode> {
    const key = keyOf(id);
    const known = this.#nodes.get(key);
    if (known !== undefined && known.level === level) {
      this.#nodes.delete(key);
      this.#nodes.set(key, known);
      return known;
    }
    const raw = await this.#reader.read(RecordKind.node, Buffer.from(id));
    const node = parseNode(raw, level, `node ${id.toString('hex')}`, 0);
    this.#nodes.set(key, node);
    if (this.#nodes.size > MAX_NODES) this.#nodes.delete(this.#nodes.keys().next().value!);
    return node;
  }

  /** A copy that the caller may change. */
  async loadCopy(id: Buffer, level: number): Promise<TreeNode> {
    const node = await this.load(id, level);
    return { level, ids: Buffer.from(node.ids), present: Uint8Array.from(node.present) };
  }
}

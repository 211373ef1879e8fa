/** Packs a tree of keys into key tables: parents before their children, every table filled to its last byte. */
import { HvError } from '../../../support/errors.ts';
import {
  KEY,
  KEY_ENTRY_HEADER_SIZE,
  KEY_FILE_OBJECT,
  KEY_SUBCOMPONENT,
  KEY_TABLE_HEADER_SIZE,
  KEY_TABLE_SIZE,
  LIMITS,
  MAX_NAME_BYTES,
  NODE_DATA_SIZE,
} from './format/constants.ts';
import { writeKeyEntry, writeKeyTableHeader } from './format/key-table.ts';
import { encodeInline, typeNumber } from './format/key-value.ts';
import type { HvsItem, HvsLeaf } from './values.ts';

/** What is written for a long value: its size and file offset. Null for a value that goes into the table. */
export type LongValues = (leaf: HvsLeaf) => Buffer | null;

interface Place {
  table: number;
  offset: number;
}

/**
 * Deterministic: the same tree gives the same bytes.
 * @returns tables of KEY_TABLE_SIZE bytes, the first one has index 1
 * @throws INTERNAL for names that no key can have and for trees that are too deep: callers choose names
 */
export function renderKeyTables(items: HvsItem[], long: LongValues): Buffer[] {
  const packer = new Packer(long);
  packer.addAll(items, { table: 0, offset: 0 }, 1);
  return packer.finish();
}

class Packer {
  readonly #long: LongValues;
  readonly #tables: Buffer[] = [];
  /** The table that is being filled and where its next entry goes. */
  #table: Buffer | undefined;
  #used = 0;

  constructor(long: LongValues) {
    this.#long = long;
  }

  addAll(items: HvsItem[], parent: Place, depth: number): void {
    if (depth > LIMITS.depth) throw new HvError('INTERNAL', `Keys are nested deeper than ${LIMITS.depth}`);
    for (const [index, item] of items.entries()) {
      const place = this.#add(item, parent, index + 1);
      if (item.type === 'node') this.addAll(item.children, place, depth + 1);
    }
  }

  #add(item: HvsItem, parent: Place, insertion: number): Place {
    const name = encodeName(item.name);
    const pointer = item.type === 'node' ? null : this.#long(item);
    const value = pointer ?? (item.type === 'node' ? nodeData(item.children.length) : encodeInline(item));
    const size = KEY_ENTRY_HEADER_SIZE + name.length + value.length;
    if (!this.#table || this.#used + size > KEY_TABLE_SIZE) this.#open();
    const header = {
      type: typeNumber(item.type),
      flags: (pointer ? KEY_FILE_OBJECT : 0) | (item.subcomponent ? KEY_SUBCOMPONENT : 0),
      size: KEY_TABLE_SIZE - this.#used - size <= KEY_ENTRY_HEADER_SIZE ? KEY_TABLE_SIZE - this.#used : size,
      parentTable: parent.table,
      parentOffset: parent.offset,
      insertion,
      nameSize: name.length,
    };
    const place = { table: this.#tables.length, offset: this.#used };
    writeKeyEntry(this.#table!.subarray(this.#used), header, Buffer.concat([name, value]));
    this.#used += header.size;
    return place;
  }

  #open(): void {
    this.#close();
    this.#table = Buffer.alloc(KEY_TABLE_SIZE);
    this.#tables.push(this.#table);
    this.#used = KEY_TABLE_HEADER_SIZE;
    writeKeyTableHeader(this.#table, { index: this.#tables.length, sequence: 1 });
  }

  /** A free entry takes the rest; #add leaves either nothing or enough for one. */
  #close(): void {
    const rest = KEY_TABLE_SIZE - this.#used;
    if (!this.#table || rest === 0) return;
    const free = { type: KEY.free, flags: 0, size: rest, parentTable: 0, parentOffset: 0, insertion: 0, nameSize: 0 };
    writeKeyEntry(this.#table.subarray(this.#used), free, Buffer.alloc(0));
  }

  finish(): Buffer[] {
    if (!this.#table) this.#open();
    this.#close();
    return this.#tables;
  }
}

function encodeName(name: string): Buffer {
  const bytes = Buffer.from(`${name}\0`, 'utf8');
  const fits = name !== '' && bytes.length <= MAX_NAME_BYTES && bytes.indexOf(0) === bytes.length - 1;
  if (!fits || name.includes('/')) throw new HvError('INTERNAL', `No key can have the name "${name}"`);
  return bytes;
}

/** No change tracking, then the next number of insertion: one above the last child's, 0 where there is none. */
function nodeData(children: number): Buffer {
  const data = Buffer.alloc(NODE_DATA_SIZE);
  data.writeUInt32LE(children === 0 ? 0 : children + 1, 8);
  return data;
}

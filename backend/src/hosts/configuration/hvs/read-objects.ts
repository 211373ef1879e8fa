/** The objects of a file: all object tables, checked for sense and overlap. */
import { corrupt, unsupported } from './errors.ts';
import {
  LIMITS,
  OBJECT,
  OBJECT_ENTRY_SIZE,
  OBJECT_IN_USE,
  OBJECT_TABLE_HEADER_SIZE,
  OBJECT_TABLE_OFFSET,
} from './format/constants.ts';
import type { FileHeader } from './format/file-header.ts';
import { type ObjectEntry, parseObjectEntry, parseObjectTableHeader } from './format/object-table.ts';
import type { HvsSource } from './source.ts';

export interface Objects {
  keyTables: ObjectEntry[];
  /** Size of the object in the file, bytes, by file offset. Of those that no key has claimed yet. */
  fileObjects: Map<number, number>;
}

/** @throws CONFIGURATION_CORRUPT, CONFIGURATION_UNSUPPORTED when there are too many objects or unknown ones in use */
export async function readObjects(source: HvsSource, header: FileHeader): Promise<Objects> {
  const reader = new ObjectReader(source);
  reader.addPiece(0, OBJECT_TABLE_OFFSET, 'the headers');
  reader.addPiece(header.logOffset, header.logSize, 'the log');
  let next: number | undefined = OBJECT_TABLE_OFFSET;
  while (next !== undefined) next = await reader.readTable(next);
  reader.checkOverlaps();
  return reader.objects;
}

class ObjectReader {
  readonly objects: Objects = { keyTables: [], fileObjects: new Map() };
  readonly #source: HvsSource;
  readonly #tables = new Set<number>();
  readonly #pieces: { offset: number; end: number; what: string }[] = [];
  #entries = 0;

  constructor(source: HvsSource) {
    this.#source = source;
  }

  /** @returns where the chain of object tables goes on */
  async readTable(at: number): Promise<number | undefined> {
    const { path } = this.#source;
    if (this.#tables.has(at)) throw corrupt(path, 'the object tables form a circle', at);
    this.#tables.add(at);
    if (this.#tables.size > LIMITS.objectTables) throw unsupported(path, 'it has too many object tables');
    const bytes = await this.#readEntries(at);
    this.addPiece(at, OBJECT_TABLE_HEADER_SIZE + bytes.length, 'an object table');
    let last: ObjectEntry | undefined;
    for (let index = 0; index < bytes.length; index += OBJECT_ENTRY_SIZE) {
      const place = at + OBJECT_TABLE_HEADER_SIZE + index;
      // The last entry is kept for the next table. The count has no checksum: this shows when it is too small.
      const isLast = index + OBJECT_ENTRY_SIZE === bytes.length;
      last = parseObjectEntry(bytes.subarray(index, index + OBJECT_ENTRY_SIZE)) ?? undefined;
      if (!last) throw corrupt(path, 'an entry of an object table has a wrong checksum', place);
      const isChain = last.type === OBJECT.objectTable;
      if (isLast ? !isChain && last.type !== OBJECT.empty : isChain) {
        throw corrupt(path, `an object of type ${last.type} has no business there`, place, { type: last.type });
      }
      if (!isLast) this.#add(last, place);
    }
    if (!last) throw corrupt(path, 'an object table has no entries', at);
    return last.type === OBJECT.objectTable ? last.offset : undefined;
  }

  async #readEntries(at: number): Promise<Buffer> {
    const { path } = this.#source;
    const count = parseObjectTableHeader(await this.#source.read(at, OBJECT_TABLE_HEADER_SIZE, 'an object table'));
    if (count === null) throw corrupt(path, 'there is no object table', at);
    const size = count * OBJECT_ENTRY_SIZE;
    if (at + OBJECT_TABLE_HEADER_SIZE + size > this.#source.size) {
      throw corrupt(path, `an object table claims ${count} entries and leaves the file`, at, { count });
    }
    this.#entries += count;
    if (this.#entries > LIMITS.objects) throw unsupported(path, `it has more than ${LIMITS.objects} objects`);
    return this.#source.read(at + OBJECT_TABLE_HEADER_SIZE, size, 'an object table');
  }

  #add(entry: ObjectEntry, place: number): void {
    const { type, offset, size, flags } = entry;
    if (type === OBJECT.keyTable) {
      this.objects.keyTables.push(entry);
      this.addPiece(offset, size, 'a key table');
    } else if (type === OBJECT.fileObject) {
      this.objects.fileObjects.set(offset, size);
      this.addPiece(offset, size, 'a value');
    } else if (type > OBJECT.lastKnown && (flags & OBJECT_IN_USE) !== 0) {
      throw unsupported(this.#source.path, `it has an object of the unknown type ${type}`, { type, offset: place });
    }
  }

  addPiece(offset: number, size: number, what: string): void {
    if (offset + size > Number.MAX_SAFE_INTEGER) {
      throw corrupt(this.#source.path, `${what} has an impossible place`, offset);
    }
    this.#pieces.push({ offset, end: offset + size, what });
  }

  checkOverlaps(): void {
    this.#pieces.sort((a, b) => a.offset - b.offset);
    for (const [index, piece] of this.#pieces.entries()) {
      const before = this.#pieces[index - 1];
      if (before && piece.offset < before.end) {
        throw corrupt(this.#source.path, `${piece.what} overlaps ${before.what}`, piece.offset);
      }
    }
  }
}

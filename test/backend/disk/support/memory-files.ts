/**
 * Files in memory that remember every operation, so that a test can look at what a kill or a power cut would have left
 * at any moment: the state after n operations, or what was durable by then plus an arbitrary part of the rest.
 */
import { HvError } from '../../../../backend/src/support/errors.ts';
import type { FileOpener, RandomAccessFile } from '../../../../backend/src/support/file.ts';

type Operation =
  | { kind: 'create'; path: string }
  | { kind: 'write'; path: string; offset: number; data: Buffer }
  | { kind: 'truncate'; path: string; size: number }
  | { kind: 'sync'; path: string };

const PAGE = 65536;
/** What a disk writes in one piece. */
const SECTOR = 512;

/** Sparse content: pages are shared between copies until they change. */
class Content {
  size = 0;
  pages = new Map<number, Buffer>();

  copy(): Content {
    const copy = new Content();
    copy.size = this.size;
    copy.pages = new Map(this.pages);
    return copy;
  }

  write(offset: number, data: Uint8Array): void {
    for (let at = 0; at < data.length; ) {
      const number = Math.floor((offset + at) / PAGE);
      const within = (offset + at) % PAGE;
      const part = data.subarray(at, at + PAGE - within);
      const page = Buffer.from(this.pages.get(number) ?? Buffer.alloc(PAGE));
      page.set(part, within);
      this.pages.set(number, page);
      at += part.length;
    }
    this.size = Math.max(this.size, offset + data.length);
  }

  read(offset: number, target: Uint8Array): number {
    const length = Math.max(0, Math.min(target.length, this.size - offset));
    for (let at = 0; at < length; ) {
      const within = (offset + at) % PAGE;
      const part = Math.min(length - at, PAGE - within);
      const page = this.pages.get(Math.floor((offset + at) / PAGE));
      if (page) target.set(page.subarray(within, within + part), at);
      else target.fill(0, at, at + part);
      at += part;
    }
    return length;
  }

  truncate(size: number): void {
    if (size < this.size) {
      for (const number of [...this.pages.keys()]) if (number * PAGE >= size) this.pages.delete(number);
      const last = this.pages.get(Math.floor(size / PAGE));
      if (last) this.pages.set(Math.floor(size / PAGE), Buffer.from(last).fill(0, size % PAGE));
    }
    this.size = size;
  }
}

export class MemoryFiles {
  readonly operations: Operation[] = [];
  readonly #contents: Map<string, Content>;

  constructor(contents = new Map<string, Content>()) {
    this.#contents = contents;
  }

  /** A file that is there from the start, without operations. `data` is shared: leave it alone from now on. */
  put(path: string, data: Buffer): void {
    const content = new Content();
    for (let at = 0; at < data.length; at += PAGE) {
      const page = data.subarray(at, at + PAGE);
      content.pages.set(at / PAGE, page.length === PAGE ? page : Buffer.concat([page], PAGE));
    }
    content.size = data.length;
    this.#contents.set(path, content);
  }

  get(path: string): Buffer {
    const content = this.#contents.get(path)!;
    const data = Buffer.alloc(content.size);
    content.read(0, data);
    return data;
  }

  /** Takes what is there now as the starting point. */
  settle(): void {
    this.operations.length = 0;
  }

  copy(): MemoryFiles {
    return new MemoryFiles(new Map([...this.#contents].map(([path, content]) => [path, content.copy()])));
  }

  /** Performs an operation, remembering it. */
  #do(operation: Operation): void {
    this.operations.push(operation);
    apply(this.#contents, operation);
  }

  readonly open: FileOpener = async (path, mode) => {
    if (mode === 'create') this.#do({ kind: 'create', path });
    if (!this.#contents.has(path)) throw new HvError('FILE_NOT_FOUND', `There is no such file: ${path}`);
    const content = (): Content => this.#contents.get(path)!;
    const file: RandomAccessFile = {
      path,
      size: async () => content().size,
      readUpTo: async (offset, target) => content().read(offset, target),
      readFully: async (offset, target) => {
        if (content().read(offset, target) < target.length) throw new HvError('IO_ERROR', `The file ends: ${path}`);
      },
      writeFully: async (offset, data) => this.#do({ kind: 'write', path, offset, data: Buffer.from(data) }),
      truncate: async (size) => this.#do({ kind: 'truncate', path, size }),
      sync: async () => this.#do({ kind: 'sync', path }),
      close: async () => undefined,
    };
    return file;
  };

  /** What a kill after `count` of `operations` leaves when it began with `start`. */
  static killed(start: MemoryFiles, operations: readonly Operation[], count: number): MemoryFiles {
    const files = start.copy();
    for (const operation of operations.slice(0, count)) apply(files.#contents, operation);
    return files;
  }

  /**
   * What a power cut after `count` operations may leave: all that was synced, and of the rest an arbitrary part, sector
   * by sector.
   * @param chance 0..1 → whether a sector or truncation that was not synced made it
   */
  static cut(start: MemoryFiles, operations: readonly Operation[], count: number, random: () => number): MemoryFiles {
    const files = start.copy();
    const done = operations.slice(0, count);
    const lastSync = new Map<string, number>();
    done.forEach((operation, index) => {
      if (operation.kind === 'sync') lastSync.set(operation.path, index);
    });
    done.forEach((operation, index) => {
      if (index < (lastSync.get(operation.path) ?? -1) || operation.kind === 'create') {
        apply(files.#contents, operation);
      } else if (operation.kind === 'write') {
        for (const part of sectors(operation)) if (random() < 0.5) apply(files.#contents, part);
      } else if (operation.kind === 'truncate' && random() < 0.5) apply(files.#contents, operation);
    });
    return files;
  }
}

function apply(contents: Map<string, Content>, operation: Operation): void {
  if (operation.kind === 'create') contents.set(operation.path, new Content());
  if (operation.kind === 'write') contents.get(operation.path)!.write(operation.offset, operation.data);
  if (operation.kind === 'truncate') contents.get(operation.path)!.truncate(operation.size);
}

/** A write as the whole sectors that a disk would write, one operation each; long ones in larger pieces. */
function* sectors(operation: Extract<Operation, { kind: 'write' }>): Generator<Operation> {
  const { path, offset, data } = operation;
  const piece = data.length > 65536 ? 16384 : SECTOR;
  for (let at = 0; at < data.length; ) {
    const end = Math.min(data.length, at + piece - ((offset + at) % piece));
    yield { kind: 'write', path, offset: offset + at, data: data.subarray(at, end) };
    at = end;
  }
}

/**
 * A disk that forgets: files and names live in memory, and a power cut keeps of what was not flushed whatever it likes,
 * in any order, torn at sectors. What it promises is what POSIX does and no more: fsync of a file keeps its content,
 * fsync of a folder keeps the names in it.
 */
import path from 'node:path';
import { below } from '../fuzz/random.ts';

const SECTOR = 512;

/** A change of a file's content that is not flushed. */
type Write = { at: number; data: Buffer } | { size: number };

export class Inode {
  content: Buffer = Buffer.alloc(0);
  /** What a power cut leaves for certain. */
  durable: Buffer = Buffer.alloc(0);
  unflushed: Write[] = [];
  mtimeMs = 0;
  links = 0;

  write(at: number, data: Uint8Array): void {
    const end = at + data.length;
    if (end > this.content.length) this.content = resized(this.content, end);
    this.content.set(data, at);
    this.unflushed.push({ at, data: Buffer.from(data) });
  }

  truncate(size: number): void {
    this.content = resized(this.content, size);
    this.unflushed.push({ size });
  }

  flush(): void {
    if (this.unflushed.length > 0) this.durable = Buffer.from(this.content);
    this.unflushed = [];
  }

  /** A flush that failed: the pages count as clean, and no later flush writes them. */
  loseFlush(random: () => number): void {
    const content = this.content;
    this.cut(random);
    this.content = content;
  }

  /** Power is gone: each unflushed write is kept, lost, or torn. */
  cut(random: () => number): void {
    let kept = this.durable;
    for (const write of this.unflushed) {
      const fate = random();
      if (fate < 0.4) continue;
      if ('size' in write) {
        kept = resized(kept, write.size);
        continue;
      }
      const length = fate < 0.7 ? write.data.length : tornLength(write.data.length, random);
      const end = write.at + length;
      kept = end > kept.length ? resized(kept, end) : Buffer.from(kept);
      write.data.copy(kept, write.at, 0, length);
    }
    this.durable = kept;
    this.content = Buffer.from(kept);
    this.unflushed = [];
  }
}

const tornLength = (length: number, random: () => number): number =>
  Math.min(length, below(random, Math.ceil(length / SECTOR) + 1) * SECTOR);

function resized(content: Buffer, size: number): Buffer {
  const out = Buffer.alloc(size);
  content.copy(out, 0, 0, size);
  return out;
}

export class Folder {
  readonly entries = new Map<string, Node>();
  readonly durable = new Map<string, Node>();
}

export type Node = Inode | Folder;

/** A change of names: each part sets or removes a name. A rename has two parts and happens whole or not at all. */
interface NameChange {
  parts: { folder: Folder; name: string; node: Node | null }[];
}

export class ModelDisk {
  root = new Folder();
  /** Milliseconds since 1970, for the times of files. */
  now = Date.UTC(2026, 0, 1);
  #unflushed: NameChange[] = [];
  /** Bytes that may be in use; writing beyond is ENOSPC. */
  capacity = Number.POSITIVE_INFINITY;

  find(filePath: string): Node | undefined {
    let at: Node | undefined = this.root;
    for (const name of segments(filePath)) at = at instanceof Folder ? at.entries.get(name) : undefined;
    return at;
  }

  /** @throws ENOENT, ENOTDIR as errno */
  folderOf(filePath: string): { folder: Folder; name: string } {
    const names = segments(filePath);
    const name = names.pop()!;
    const folder = this.find(names.join(path.sep));
    if (folder instanceof Folder) return { folder, name };
    throw errno(folder === undefined ? 'ENOENT' : 'ENOTDIR', 'open', filePath);
  }

  change(...parts: NameChange['parts']): void {
    for (const { folder, name, node } of parts) {
      const old = folder.entries.get(name);
      if (old instanceof Inode) old.links -= 1;
      if (node instanceof Inode) node.links += 1;
      if (node === null) folder.entries.delete(name);
      else folder.entries.set(name, node);
    }
    this.#unflushed.push({ parts });
  }

  syncFolder(folder: Folder): void {
    const rest: NameChange[] = [];
    // Backwards, so that a change that has to be kept takes along what went before it under the same names.
    const kept = new Set<NameChange>();
    for (const change of this.#unflushed.toReversed()) {
      const needed =
        change.parts.some((part) => part.folder === folder) || [...kept].some((one) => touches(one, change));
      if (needed) kept.add(change);
      else rest.push(change);
    }
    for (const change of this.#unflushed) if (kept.has(change)) apply(change);
    this.#unflushed = rest.reverse();
  }

  /** Power is gone; what is found afterwards is one of the possible outcomes. */
  powerCut(random: () => number): void {
    const lost: NameChange[] = [];
    for (const change of this.#unflushed) {
      if (random() < 0.5 || lost.some((one) => touches(one, change))) lost.push(change);
      else apply(change);
    }
    this.#unflushed = [];
    const seen = new Set<Node>();
    const settle = (node: Node): void => {
      if (seen.has(node)) return;
      seen.add(node);
      if (node instanceof Inode) {
        node.cut(random);
        node.links = 0;
        return;
      }
      node.entries.clear();
      for (const [name, child] of node.durable) {
        node.entries.set(name, child);
        settle(child);
        if (child instanceof Inode) child.links += 1;
      }
    };
    settle(this.root);
  }

  /** All files by path, `/` between names. */
  *files(folder = this.root, prefix = ''): Generator<[string, Inode]> {
    for (const [name, node] of [...folder.entries].sort(([a], [b]) => (a < b ? -1 : 1))) {
      if (node instanceof Inode) yield [prefix + name, node];
      else yield* this.files(node, `${prefix}${name}/`);
    }
  }

  usedBytes(): number {
    return [...this.files()].reduce((sum, [, file]) => sum + file.content.length, 0);
  }

  /** As it is now, all flushed: for looking further without changing this one. */
  clone(): ModelDisk {
    const copy = new ModelDisk();
    copy.now = this.now;
    const nodes = new Map<Node, Node>();
    const copied = (node: Node): Node => {
      const known = nodes.get(node);
      if (known) return known;
      if (node instanceof Inode) {
        const file = new Inode();
        Object.assign(file, { content: Buffer.from(node.content), durable: Buffer.from(node.content) });
        Object.assign(file, { mtimeMs: node.mtimeMs, links: node.links });
        nodes.set(node, file);
        return file;
      }
      const folder = new Folder();
      nodes.set(node, folder);
      for (const [name, child] of node.entries) {
        folder.entries.set(name, copied(child));
        folder.durable.set(name, copied(child));
      }
      return folder;
    };
    copy.root = copied(this.root) as Folder;
    return copy;
  }
}

const touches = (a: NameChange, b: NameChange): boolean =>
  a.parts.some((x) => b.parts.some((y) => x.folder === y.folder && x.name === y.name));

function apply({ parts }: NameChange): void {
  for (const { folder, name, node } of parts) {
    if (node === null) folder.durable.delete(name);
    else folder.durable.set(name, node);
  }
}

const segments = (filePath: string): string[] => filePath.split(path.sep).filter((name) => name !== '');

export const errno = (code: string, syscall: string, filePath: string): Error =>
  Object.assign(new Error(`${code}: ${syscall} '${filePath}'`), { code, syscall, path: filePath });

/** Opens Hyper-V's key-value files (`.vmcx`, `.vmrs`; format 4.0) for reading. The file is never written. */
import { HvError } from '../../../support/errors.ts';
import { corrupt, unsupported } from './errors.ts';
import { LIMITS } from './format/constants.ts';
import { decodeInline, decodeLong } from './format/key-value.ts';
import { readKeys } from './read-keys.ts';
import { readObjects } from './read-objects.ts';
import { readFileHeader, readLog } from './replay.ts';
import { type HvsInput, HvsSource } from './source.ts';
import { childrenNamed, linkTree, type TreeKey } from './tree.ts';
import type { HvsItem, HvsType, HvsValue } from './values.ts';

interface HvsKey {
  name: string;
  type: HvsType;
}

export interface HvsFile {
  /** What errors call the file. */
  readonly path: string;
  /** Log entries that were replayed in memory; 0 when the file is clean. */
  readonly replayedEntries: number;
  /** The application's version of the data, as the header has it. */
  readonly dataVersion: number;
  /**
   * The value at a path like `/configuration/properties/name`. Of siblings that share a name the first is taken;
   * `name[2]` is the second.
   * @returns undefined when there is no such key or it is a node
   * @param maxBytes of a long string or array; default and most: 64 MiB
   * @throws CONFIGURATION_CORRUPT, CONFIGURATION_UNSUPPORTED when the value has more than `maxBytes`
   */
  get(path: string, maxBytes?: number): Promise<HvsValue | undefined>;
  /** The keys below a node in their order of insertion; none when there is no such node. Default: the root's. */
  keys(path?: string): HvsKey[];
  /** Every value with its path, depth first. */
  entries(): AsyncIterable<{ path: string; value: HvsValue }>;
  /** Everything. @throws CONFIGURATION_UNSUPPORTED when the values have more than 64 MiB together */
  tree(): Promise<HvsItem[]>;
}

/**
 * Reads and checks all structures; long values are read when they are asked for, so an open file must stay open.
 * @param name what errors call a file that is given as bytes
 * @throws CONFIGURATION_CORRUPT with the file offset, CONFIGURATION_UNSUPPORTED when it is no such file, of another
 *   version, or larger than what is read into memory (see LIMITS)
 */
export async function openHvs(input: HvsInput, name = 'configuration file'): Promise<HvsFile> {
  const source = await HvsSource.open(input, name);
  const header = await readFileHeader(source);
  const patches = await readLog(source, header);
  source.overlay(patches);
  const objects = await readObjects(source, header);
  const top = linkTree(source.path, await readKeys(source, objects));
  return new LoadedHvs(source, top, header.dataVersion, patches.length);
}

/** `name` or `name[2]`, from 1. */
const INDEXED = /^(.+)\[([1-9][0-9]{0,8})\]$/s;

class LoadedHvs implements HvsFile {
  readonly replayedEntries: number;
  readonly dataVersion: number;
  readonly #source: HvsSource;
  readonly #root: Pick<TreeKey, 'children' | 'byName'>;

  constructor(source: HvsSource, top: TreeKey[], dataVersion: number, replayedEntries: number) {
    this.#source = source;
    this.#root = { children: top };
    this.dataVersion = dataVersion;
    this.replayedEntries = replayedEntries;
  }

  get path(): string {
    return this.#source.path;
  }

  async get(path: string, maxBytes: number = LIMITS.valueBytes): Promise<HvsValue | undefined> {
    const key = this.#find(path);
    return key && key.record.type !== 'node' ? this.#read(key, Math.min(maxBytes, LIMITS.valueBytes)) : undefined;
  }

  keys(path = '/'): HvsKey[] {
    const children = (isRoot(path) ? this.#root : this.#find(path))?.children ?? [];
    return children.map(({ record: { name, type } }) => ({ name, type }));
  }

  async *entries(): AsyncGenerator<{ path: string; value: HvsValue }> {
    yield* this.#walk(this.#root.children, '');
  }

  async tree(): Promise<HvsItem[]> {
    const room = { bytes: LIMITS.valueBytes as number };
    return this.#items(this.#root.children, room);
  }

  #find(path: string): TreeKey | undefined {
    if (!path.startsWith('/')) throw new HvError('INTERNAL', `The path of a key begins with a slash: ${path}`);
    let key: TreeKey | undefined;
    for (const segment of path.slice(1).split('/')) {
      key = child(key ?? this.#root, segment);
      if (!key) return undefined;
    }
    return key;
  }

  async *#walk(level: TreeKey[], above: string): AsyncGenerator<{ path: string; value: HvsValue }> {
    const seen = new Map<string, number>();
    for (const key of level) {
      const { name, type } = key.record;
      const count = (seen.get(name) ?? 0) + 1;
      seen.set(name, count);
      const path = `${above}/${name}${count > 1 ? `[${count}]` : ''}`;
      if (type === 'node') yield* this.#walk(key.children, path);
      else yield { path, value: await this.#read(key) };
    }
  }

  /** Recursion is bounded: the tree is at most LIMITS.depth deep. */
  async #items(level: TreeKey[], room: { bytes: number }): Promise<HvsItem[]> {
    const items: HvsItem[] = [];
    for (const key of level) {
      const { name, type, subcomponent, data } = key.record;
      const named = { name, ...(subcomponent ? { subcomponent } : {}) };
      if (type === 'node') {
        items.push({ ...named, type, children: await this.#items(key.children, room) });
        continue;
      }
      room.bytes -= Buffer.isBuffer(data) ? 0 : data.size;
      if (room.bytes < 0) throw unsupported(this.path, `its values have more than ${LIMITS.valueBytes} bytes`);
      items.push({ ...named, ...(await this.#read(key)) });
    }
    return items;
  }

  async #read({ record }: TreeKey, maxBytes: number = LIMITS.valueBytes): Promise<HvsValue> {
    const { type, data, at, name } = record;
    let value: HvsValue | null;
    if (Buffer.isBuffer(data)) {
      value = decodeInline(type as HvsValue['type'], data);
    } else {
      if (data.size > maxBytes) throw unsupported(this.path, `key "${name}" has ${data.size} bytes`, { offset: at });
      const bytes = await this.#source.read(data.offset, data.size, 'a long value');
      value = decodeLong(type as 'string' | 'array', bytes);
    }
    if (!value) throw corrupt(this.path, `the text of key "${name}" ends within a character`, at);
    return value;
  }
}

const isRoot = (path: string): boolean => path === '/' || path === '';

function child(parent: Pick<TreeKey, 'children' | 'byName'>, segment: string): TreeKey | undefined {
  const plain = childrenNamed(parent, segment)[0];
  if (plain) return plain;
  const [, name, index] = INDEXED.exec(segment) ?? [];
  return name === undefined ? undefined : childrenNamed(parent, name)[Number(index) - 1];
}

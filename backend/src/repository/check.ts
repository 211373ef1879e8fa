/** Structure check: every object decodes, and everything referred to is there (docs/format.md §2, §4). */
import { HvError, isHvError, throwIfCancelled, toHvError } from '../support/errors.ts';
import type { OperationContext } from '../support/progress.ts';
import type { RepositoryCore } from './core.ts';
import { parseConfig } from './format/config.ts';
import { CONFIG_NAME, RecordKind } from './format/constants.ts';
import { indexName, packName } from './format/ids.ts';
import { type IndexedPack, parseIndex } from './format/index-format.ts';
import { childId, parseNode, type TreeNode } from './format/node.ts';
import { isReadable } from './losses.ts';
import type { ContentRef, Damage } from './port.ts';
import { LiveSet } from './prune/live-set.ts';
import { readPackTail } from './records/pack-tail.ts';
import { toDamage } from './tree/content-stream.ts';
import { requireRef } from './tree/tree-walk.ts';

/** More say nothing new. */
const MAX_DAMAGES = 1000;
const DOCUMENT_FOLDERS = ['chains/', 'jobs/', 'holds/', 'removed/', 'sessions/', 'marks/', 'damaged/'];

/** @returns what is damaged, and how many objects, nodes and block references were looked at */
export async function checkRepository(
  core: RepositoryCore,
  context: OperationContext = {},
): Promise<{ damages: Damage[]; moreDamages: number; objects: number }> {
  return new Check(core, context).run();
}

class Check {
  readonly #core: RepositoryCore;
  readonly #context: OperationContext;
  #damages: Damage[] = [];
  /** Noted, wherever. */
  #noted = 0;
  #seen = new LiveSet();
  #sizes = new Map<string, number>();
  /** Damage that is not in the list any more. */
  #more = 0;
  #objects = 0;
  /** Nodes, and why they cannot be read. */
  readonly #unreadable = new Map<string, unknown>();
  /** Packs that no index names and restore points need. */
  readonly #nameless = new Set<string>();

  constructor(core: RepositoryCore, context: OperationContext) {
    this.#core = core;
    this.#context = context;
  }

  async run(): Promise<{ damages: Damage[]; moreDamages: number; objects: number }> {
    const { storage, index } = this.#core;
    await this.#try(CONFIG_NAME, async () => {
      parseConfig(await storage.get(CONFIG_NAME), storage.location);
    });
    // First: whatever these need is in the listings that follow.
    const manifests = await this.#core.manifests.names();
    await this.#core.refresh();
    for (const { name, size } of await storage.list('packs/', { sizes: true })) this.#sizes.set(name, size ?? 0);
    await this.#core.findLoose();
    const packs = await this.#indexes();
    this.#seen.addKnown(index);
    for (const pack of packs.values()) await this.#pack(pack);
    for (const folder of DOCUMENT_FOLDERS)
      for (const { name } of await storage.list(folder)) await this.#try(name, () => this.#core.documents.get(name));
    await this.#manifests(manifests);
    await this.#reportNameless();
    return { damages: this.#damages, moreDamages: this.#more, objects: this.#objects };
  }

  /**
   * What a restore point needs is indexed before it is published (docs/format.md §5, rule 3): an index was lost. Packs that
   * nobody needs may well have none; whoever was killed left them.
   */
  async #reportNameless(): Promise<void> {
    if (this.#nameless.size === 0) return;
    // Published meanwhile, with their index.
    await this.#core.refresh();
    const indexed = new Set(this.#core.catalog.packs().map((pack) => pack.id));
    // What a prune marked is named again by the next one when it turns out to be needed.
    const packs = [...this.#nameless].filter((id) => !indexed.has(id) && !this.#core.index.doomed.has(id));
    if (packs.length === 0) return;
    this.#add({
      object: 'index',
      path: 'indexes',
      message: `No index names ${packs.length} packs that restore points need, ${packName(packs[0]!)} for one: indexes were lost. Everything can be read all the same. Run "hvbackup repair".`,
    });
  }

  async #manifests(names: readonly string[]): Promise<void> {
    const more = this.#more;
    const suspects = await this.#walk(names);
    if (suspects.size === 0) return;
    // What they need may have been put into other packs by a prune since.
    const again = (await this.#lookAgain()) ? await this.#walkAgain([...suspects.keys()], more) : suspects;
    if (again.size === 0) return;
    // Removed and pruned meanwhile: nobody misses anything.
    const listed = new Set(await this.#core.manifests.names());
    for (const [name, damages] of again) if (listed.has(name)) this.#damages.push(...damages);
  }

  #walkAgain(names: readonly string[], more: number): Promise<Map<string, Damage[]>> {
    this.#noted = this.#damages.length;
    this.#more = more;
    return this.#walk(names);
  }

  /** @returns the manifests that need something that is damaged, and what that is */
  async #walk(names: readonly string[]): Promise<Map<string, Damage[]>> {
    const suspects = new Map<string, Damage[]>();
    const sure = this.#damages;
    for (const name of names) {
      this.#damages = [];
      await this.#try(name, async () => {
        const manifest = await this.#core.manifests.get(name, { fresh: true });
        for (const ref of manifest.contents) await this.#content(name, ref);
      });
      if (this.#damages.length > 0) suspects.set(name, this.#damages);
    }
    this.#damages = sure;
    return suspects;
  }

  /** Lists packs and indexes again. @returns whether there are other packs than before */
  async #lookAgain(): Promise<boolean> {
    await this.#core.refresh();
    const sizes = new Map<string, number>();
    for (const { name, size } of await this.#core.storage.list('packs/', { sizes: true })) sizes.set(name, size ?? 0);
    const same = sizes.size === this.#sizes.size && [...sizes.keys()].every((name) => this.#sizes.has(name));
    if (same) return false;
    await this.#core.findLoose();
    this.#sizes = sizes;
    this.#unreadable.clear();
    this.#seen = new LiveSet();
    this.#seen.addKnown(this.#core.index);
    return true;
  }

  /** Reads every index that counts. @returns their packs */
  async #indexes(): Promise<Map<string, IndexedPack>> {
    const { storage, config, keys } = this.#core;
    const found = new Map<string, { supersedes: string[]; packs: IndexedPack[] }>();
    for (const { name } of await storage.list('indexes/'))
      await this.#try(name, async () => {
        found.set(name, parseIndex(await storage.get(name), name, config.id, keys));
      });
    const superseded = new Set([...found.values()].flatMap((index) => index.supersedes.map(indexName)));
    const packs = new Map<string, IndexedPack>();
    for (const [name, index] of found)
      if (!superseded.has(name)) for (const pack of index.packs) packs.set(pack.id, pack);
    return packs;
  }

  /** Header and table of contents are right and say what the index says. */
  async #pack(listed: IndexedPack): Promise<void> {
    const name = packName(listed.id);
    await this.#try(name, async () => {
      const size = this.#sizes.get(name) ?? (await this.#sizeNow(listed.id));
      if (size === null) return;
      if (size === undefined) throw damage('pack', name, 'an index names this pack, but it is not there');
      if (size !== listed.length) throw damage('pack', name, `it is ${size} bytes long instead of ${listed.length}`);
      const pack = await this.#tailOf(listed.id, size);
      if (pack === null) return;
      const same = pack.records.every((record, ordinal) => {
        const other = listed.records[ordinal];
        return other?.offset === record.offset && other.kind === record.kind && other.id.equals(record.id);
      });
      if (!same || pack.records.length !== listed.records.length)
        throw damage('pack', name, 'its table of contents differs from the index');
    });
  }

  /**
   * The listing may be older than the index, and the index than a prune.
   * @returns null when no index names the pack any more, undefined when one does and it is not there
   */
  async #sizeNow(id: string): Promise<number | null | undefined> {
    const name = packName(id);
    const listed = await this.#core.storage.list(name.slice(0, name.lastIndexOf('/') + 1), { sizes: true });
    const found = listed.find((object) => object.name === name);
    if (found !== undefined) {
      this.#sizes.set(name, found.size ?? 0);
      return found.size;
    }
    await this.#core.refresh();
    return this.#core.catalog.packs().some((pack) => pack.id === id) ? undefined : null;
  }

  /** @returns null when a prune has replaced the pack since the listing */
  async #tailOf(id: string, size: number): Promise<IndexedPack | null> {
    try {
      return await readPackTail(this.#core.storage, this.#core.config.id, id, size);
    } catch (error) {
      if (!isHvError(error, 'FILE_NOT_FOUND')) throw error;
      await this.#core.refresh();
      if (this.#core.catalog.packs().every((pack) => pack.id !== id)) return null;
      throw error;
    }
  }

  async #content(manifest: string, ref: ContentRef): Promise<void> {
    const { root } = requireRef(ref, this.#core.config.blockSize);
    if (root === null) return;
    if (ref.height === 0) this.#block(manifest, root);
    else await this.#node(manifest, root, ref.height);
  }

  async #node(manifest: string, id: Buffer, level: number): Promise<void> {
    throwIfCancelled(this.#context.signal);
    const all = this.#core.index.findAll(RecordKind.node, id);
    const [location] = all;
    if (location !== undefined && !this.#seen.mark(location)) return;
    if (location !== undefined && all.every((one) => one.packNumber < 0)) this.#nameless.add(location.packId);
    await this.#try(manifest, async () => {
      const node = await this.#load(manifest, id, level);
      for (let slot = 0; slot < node.present.length; slot++) {
        const child = childId(node, slot);
        if (child === null) continue;
        if (level === 1) this.#block(manifest, child);
        else await this.#node(manifest, Buffer.from(child), level - 1);
      }
    });
  }

  /** What cannot be read is tried once: everything is listed again for it. */
  async #load(manifest: string, id: Buffer, level: number): Promise<TreeNode> {
    const key = id.toString('hex');
    if (this.#unreadable.has(key)) throw this.#unreadable.get(key);
    const raw = await this.#core.reader.read(RecordKind.node, id).catch((error) => {
      this.#unreadable.set(key, error);
      throw error;
    });
    return parseNode(raw, level, manifest, 0);
  }

  /** Some record of the block is listed, in a pack that is there, and not known to be damaged. */
  #block(manifest: string, id: Buffer): void {
    this.#objects += 1;
    const all = this.#core.index.findAll(RecordKind.block, id);
    const sound = all.filter((location) => isReadable(this.#core, this.#sizes, location));
    if (sound.length > 0) {
      if (sound.every((location) => location.packNumber < 0)) this.#nameless.add(sound[0]!.packId);
      return;
    }
    const [location] = all;
    const there = all.some(({ packId }) => this.#sizes.has(packName(packId)));
    const why = there ? 'its record, or the one it is a delta over, was found damaged' : 'no pack holds it';
    this.#add({
      object: 'block',
      path: location === undefined ? manifest : packName(location.packId),
      ...(location === undefined ? {} : { offset: location.offset }),
      id: id.toString('hex'),
      message: `${manifest} needs block ${id.toString('hex')}: ${why}`,
    });
  }

  async #try(name: string, action: () => Promise<unknown>): Promise<void> {
    throwIfCancelled(this.#context.signal);
    this.#objects += 1;
    this.#context.progress?.({ phase: 'check', message: name });
    try {
      await action();
    } catch (error) {
      const problem = toHvError(error, name);
      // Deleted since the listing: nothing refers to it any more.
      if (problem.code === 'FILE_NOT_FOUND' && !name.startsWith('packs/')) return;
      if (!isHvError(problem, 'REPOSITORY_DAMAGED', 'IO_ERROR', 'NOT_SUPPORTED', 'FILE_NOT_FOUND')) throw problem;
      const found = toDamage(problem);
      this.#add({ ...found, path: found.path === '' ? name : found.path, message: withPoint(problem, name) });
    }
  }

  #add(found: Damage): void {
    if (this.#noted < MAX_DAMAGES) this.#damages.push(found);
    else this.#more += 1;
    this.#noted += 1;
  }
}

const damage = (object: string, path: string, message: string): HvError =>
  new HvError('REPOSITORY_DAMAGED', `${path}: ${message}`, { data: { object, path } });

/** Damage found on the way from a restore point names it. */
const withPoint = (problem: HvError, name: string): string =>
  name.startsWith('manifests/') && !problem.message.includes(name) ? `${name}: ${problem.message}` : problem.message;

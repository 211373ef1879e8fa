/**
 * Guards what a session's contents rely on but did not store: before publishing, whatever was marked for deletion or
 * vanished meanwhile is stored again, copied from where it still lies (docs/format.md §5, rules 5, 7, 8).
 */

import { HvError, isHvError } from '../../support/errors.ts';
import type { RepositoryCore } from '../core.ts';
import { trimmedLength } from '../engine/zeros.ts';
import { ID_LENGTH, RecordKind } from '../format/constants.ts';
import { keyOf } from '../format/ids.ts';
import { parseIndex } from '../format/index-format.ts';
import { Folder, indexName, packFolder, packName } from '../format/names.ts';
import type { ContentRef } from '../port/contents.ts';
import type { ManifestEnvelope } from '../port/points.ts';
import { readPackContents } from '../records/pack-tail.ts';
import type { IdClass } from '../records/record-index.ts';
import { probe } from '../storage/probe.ts';
import { visitTree } from '../tree/visit.ts';
import type { SessionStore } from './session-store.ts';

const NOT_THERE = 'the pack it was in is not there';
/** Packs asked for at once. */
const PROBES = 16;

export class ReliedContents {
  readonly #core: RepositoryCore;
  readonly #store: SessionStore;
  /** Packs that were marked for deletion when the session began: nothing of it relies on them. */
  #before: ReadonlySet<string> = new Set();
  /** Records of blocks and nodes that were relied on and lie nowhere. */
  #lost = 0;
  /** Whether a pack that was relied on is in no index any more. */
  #vanished = false;
  /** The restore points whose contents were built on: what they need, by name. */
  readonly #bases = new Map<string, readonly ContentRef[]>();

  constructor(core: RepositoryCore, store: SessionStore) {
    this.#core = core;
    this.#store = store;
  }

  /** To be called after the session is registered and the index is fresh. */
  begin(): void {
    this.#before = this.#core.index.marked;
  }

  /** @throws POINT_NOT_FOUND when no listed restore point has this content: it may be incomplete */
  async requireListed(base: ContentRef): Promise<void> {
    const { manifests, catalog } = this.#core;
    for (const name of await manifests.listed(catalog.manifestsWith(base.root ?? '')))
      if (await this.#isBase(name, base)) return;
    for (const name of (await manifests.names()).reverse()) if (await this.#isBase(name, base)) return;
    throw new HvError('POINT_NOT_FOUND', `No restore point has the content ${base.root} that is to be built on`, {
      advice: 'The restore point was removed meanwhile: take a full backup.',
      data: { root: base.root },
    });
  }

  async #isBase(name: string, base: ContentRef): Promise<boolean> {
    const isSame = (ref: ContentRef): boolean => ref.root === base.root && ref.size === base.size;
    if (this.#bases.has(name) && this.#bases.get(name)!.some(isSame)) return true;
    const manifest = await this.#core.manifests.get(name, { fresh: true }).catch(() => null);
    if (!manifest?.contents.some(isSame) || !(await this.#pin(name, manifest))) return false;
    this.#bases.set(name, manifest.contents);
    return true;
  }

  /**
   * Marks of before do not wait for this session, and what the base needs may be in packs that they name until a prune
   * finds it needed: so it says what it builds on. @returns whether the base is listed after that
   */
  async #pin(name: string, manifest: ManifestEnvelope): Promise<boolean> {
    const { manifests, marks } = this.#core;
    if (this.#before.size === 0) return true;
    for (const mark of await marks.list()) await marks.pin(mark, manifest.id, manifest.contents);
    return (await manifests.listed([name])).length > 0;
  }

  /**
   * Stores again what `contents` need from packs that were marked since the session began, or that no index names any
   * more. @returns whether anything was stored
   */
  async storeAgain(contents: readonly ContentRef[]): Promise<boolean> {
    const fresh = [...this.#core.index.marked].filter((id) => !this.#before.has(id));
    const { catalog, index } = this.#core;
    const gone = [...this.#store.relied].filter(
      (id) => !index.unindexedPacks.has(id) && catalog.packById(id) === undefined,
    );
    this.#vanished ||= gone.length > 0;
    const absent = await this.#absent();
    for (const id of absent) index.missing.add(id);
    const concerned =
      gone.length > 0 || absent.length > 0 || fresh.some((id) => this.#bases.size > 0 || this.#store.relied.has(id));
    if (!concerned) return false;
    // The packs marked for deletion have left the indexes; their own tables list what is in them.
    for (const id of fresh) await this.#learn(id);
    let stored = false;
    const visited = new Set<string>();
    for (const ref of contents) stored = (await this.#visit(ref, visited)) || stored;
    for (const id of fresh) this.#core.index.removeUnindexed(id);
    if (this.#lost > 0) await this.#refuse(absent, gone);
    return stored;
  }

  /**
   * @param absent packs that are not there;
   * @param gone packs that no index names any more.
   * @throws REPOSITORY_DAMAGED
   */
  async #refuse(absent: readonly string[], gone: readonly string[]): Promise<never> {
    await this.#recordAbsent(new Set(absent));
    const packs = [...new Set([...absent, ...gone])];
    const message = `${this.#lost} blocks that this backup shares with others are gone with their packs`;
    throw new HvError('REPOSITORY_DAMAGED', message, {
      advice: 'Run the backup again: it stores them anew.',
      data: { object: 'pack', path: packName(packs[0] ?? ''), packs, storesAnew: true },
    });
  }

  /**
   * Of all that an index says of packs that are not there: what lies below a node that is lost could not be looked at.
   */
  async #recordAbsent(packs: ReadonlySet<string>): Promise<void> {
    const { storage, config, keys, catalog, damage } = this.#core;
    for (const name of packs.size > 0 ? catalog.indexesOf(packs) : []) {
      const object = indexName(name);
      // Most likely replaced meanwhile; recording is best effort.
      const bytes = await storage.get(object).catch(() => null);
      if (bytes === null) continue;
      for (const pack of parseIndex(bytes, object, config.id, keys).packs)
        if (packs.has(pack.id))
          for (const { offset, id } of pack.records) await damage.record({ packId: pack.id, offset }, id, NOT_THERE);
    }
  }

  /**
   * Packs relied on that are not there. An index may name such: a writer that slept for longer than its session
   * published it after prune had deleted its packs. Once seen here they stay: prune waits for this session.
   */
  async #absent(): Promise<string[]> {
    const relied = [...this.#store.relied];
    const absent: string[] = [];
    for (let at = 0; at < relied.length; at += PROBES)
      await Promise.all(
        relied.slice(at, at + PROBES).map(async (id) => {
          // Empty, or not to be read any more: no better than gone.
          if ((await probe(this.#core.storage, packName(id))) !== 'readable') absent.push(id);
        }),
      );
    return absent;
  }

  /**
   * Whether a point just published must be looked at: it was built on one that has been removed since, while packs were
   * marked before the session began. Only then could a prune have deleted what both need without waiting for us.
   */
  async isDoubtful(): Promise<boolean> {
    return this.#before.size > 0 && (await this.isBaseGone());
  }

  /** Whether a restore point that was built on is no longer listed. */
  async isBaseGone(): Promise<boolean> {
    if (this.#bases.size === 0) return false;
    const listed = new Set(await this.#core.manifests.names());
    return [...this.#bases.keys()].some((name) => !listed.has(name));
  }

  /** Whether a block or node of `contents` has no record that will stay. */
  async isBroken(contents: readonly ContentRef[]): Promise<boolean> {
    try {
      const there = new Set((await this.#core.storage.list(Folder.packs)).map(({ name }) => name));
      for (const { id } of this.#core.catalog.packs()) if (!there.has(packName(id))) this.#core.index.missing.add(id);
      const visited = new Set<string>();
      for (const ref of contents) if (await this.#visit(ref, visited, true)) return true;
      return false;
    } catch (error) {
      if (isHvError(error, 'REPOSITORY_DAMAGED', 'FILE_NOT_FOUND')) return true;
      throw error;
    }
  }

  async #learn(packId: string): Promise<void> {
    const { storage, config, index } = this.#core;
    const object = (await storage.list(packFolder(packId), { sizes: true })).find(
      ({ name }) => name === packName(packId),
    );
    if (object?.size === undefined) return;
    index.addUnindexed(await readPackContents(storage, config.id, packId, object.size));
  }

  /**
   * Children first, so that a node is stored only after what it names.
   * @param visited nodes; what it has visited is added
   * @returns whether anything was stored; where it only looks, whether anything would have to be
   */
  async #visit(ref: ContentRef, visited: Set<string>, onlyLook = false): Promise<boolean> {
    let stored = false;
    const store = async (kind: IdClass, id: Buffer): Promise<void> => {
      if (!this.#store.isStored(kind, id)) stored = onlyLook || (await this.#copy(kind, id)) || stored;
    };
    const { nodes, config } = this.#core;
    await visitTree(ref, config.blockSize, {
      enter: async (id, level) => {
        if (visited.has(keyOf(id))) return null;
        visited.add(keyOf(id));
        // What is below one that is lost is not known any more.
        return nodes.load(id, level).catch((error) => {
          if (onlyLook) throw error;
          return this.#giveUp(RecordKind.node, id, error);
        });
      },
      leave: (id) => store(RecordKind.node, id),
      block: (ids, at) => {
        const id = ids.subarray(at, at + ID_LENGTH);
        return this.#store.isStored(RecordKind.block, id) ? undefined : store(RecordKind.block, Buffer.from(id));
      },
    });
    return stored;
  }

  async #copy(kind: IdClass, id: Buffer): Promise<boolean> {
    const read = await this.#core.reader.read(kind, id).catch((error) => this.#giveUp(kind, id, error));
    if (read === null) return false;
    // A block that was a delta comes in whole pages.
    const raw = kind === RecordKind.block ? read.subarray(0, trimmedLength(read, 0, read.length)) : read;
    if (this.#store.claim(kind, id)) return false;
    await this.#store.storeRaw(kind, raw, id);
    return true;
  }

  /**
   * What was relied on in a pack that is not there is lost: recorded, so that the next backup stores it. When the index
   * that named the pack is gone too there is nothing to record.
   */
  async #giveUp(kind: IdClass, id: Buffer, error: unknown): Promise<null> {
    const { index, damage } = this.#core;
    const found = index.findAll(kind, id);
    const missing = found.filter((location) => index.missing.has(location.packId));
    const isLost = missing.length > 0 || (this.#vanished && found.length === 0);
    if (!isLost || !isHvError(error, 'REPOSITORY_DAMAGED', 'FILE_NOT_FOUND')) throw error;
    for (const location of missing) await damage.record(location, id, NOT_THERE);
    this.#lost += 1;
    return null;
  }
}

/**
 * Knows what every restore point needs and which pack has it, from the bytes alone, and says at once when something
 * that a listed restore point needs is gone.
 */
import { PACK_HEADER_LENGTH, PACK_TRAILER_LENGTH, RecordKind } from '../../backend/src/repository/format/constants.ts';
import { keyOf } from '../../backend/src/repository/format/ids.ts';
import { packName } from '../../backend/src/repository/format/names.ts';
import { childId } from '../../backend/src/repository/format/node.ts';
import { parseToc, parseTrailer } from '../../backend/src/repository/format/pack-format.ts';
import type { ContentRef } from '../../backend/src/repository/port/contents.ts';
import type { ManifestEnvelope } from '../../backend/src/repository/port/points.ts';
import type { StoredRepository } from '../../backend/src/repository/repository.ts';

interface PackEntry {
  key: string;
  /** Key of the base of a delta. */
  base?: string;
}

export class Oracle {
  readonly #objects: ReadonlyMap<string, Buffer>;
  /** A view on the same objects that waits for nobody. */
  readonly #look: () => Promise<StoredRepository>;
  readonly #packs = new Map<string, PackEntry[]>();
  /** Keys by the name of the manifest. */
  readonly #needs = new Map<string, Set<string>>();

  constructor(objects: ReadonlyMap<string, Buffer>, look: () => Promise<StoredRepository>) {
    this.#objects = objects;
    this.#look = look;
  }

  /** To be called after every change. */
  async changed(change: 'put' | 'delete', name: string): Promise<void> {
    if (name.startsWith('packs/')) {
      if (change === 'put') this.#packs.set(name, entriesOf(name, this.#objects.get(name)!));
      else this.#packs.delete(name);
    }
    if (!name.startsWith('manifests/')) return;
    if (change === 'put') this.#needs.set(name, await this.#closure(name));
    else this.#needs.delete(name);
  }

  /** Names of listed manifests that need what is gone. */
  broken(): string[] {
    const whole = new Set<string>();
    const deltas: PackEntry[] = [];
    for (const entries of this.#packs.values())
      for (const entry of entries) entry.base === undefined ? whole.add(entry.key) : deltas.push(entry);
    const there = new Set(whole);
    for (const { key, base } of deltas) if (whole.has(base!)) there.add(key);
    const listed = [...this.#needs].filter(([name]) => !this.#objects.has(`removed/${name.split('/')[2]}`));
    return listed.filter(([, needs]) => [...needs].some((key) => !there.has(key))).map(([name]) => name);
  }

  async #closure(name: string): Promise<Set<string>> {
    const repository = await this.#look();
    const keys = new Set<string>();
    try {
      await repository.core.refresh();
      await repository.core.findUnindexed();
      const manifest: ManifestEnvelope = await repository.core.manifests.get(name);
      for (const ref of manifest.contents) await this.#visit(repository, ref, keys);
    } catch {
      // Not even its tree is there.
      keys.add('what cannot be read');
    } finally {
      await repository.close();
    }
    return keys;
  }

  async #visit(repository: StoredRepository, ref: ContentRef, keys: Set<string>): Promise<void> {
    const visit = async (id: Buffer, level: number): Promise<void> => {
      keys.add(`${level === 0 ? 'b' : 'n'}${keyOf(id)}`);
      if (level === 0) return;
      const node = await repository.core.nodes.load(id, level);
      for (let slot = 0; slot < node.present.length; slot++) {
        const child = childId(node, slot);
        if (child !== null) await visit(Buffer.from(child), level - 1);
      }
    };
    if (ref.root !== null) await visit(Buffer.from(ref.root, 'hex'), ref.height);
  }
}

function entriesOf(name: string, bytes: Buffer): PackEntry[] {
  if (bytes.length < PACK_HEADER_LENGTH + PACK_TRAILER_LENGTH) return [];
  const trailer = parseTrailer(bytes.subarray(bytes.length - PACK_TRAILER_LENGTH), name, bytes.length);
  const toc = bytes.subarray(trailer.tocOffset, trailer.tocOffset + trailer.tocLength);
  return parseToc(toc, trailer, packName(name.slice(-32))).map(({ kind, id, base }) => ({
    key: `${kind === RecordKind.node ? 'n' : 'b'}${keyOf(id)}`,
    ...(base === undefined ? {} : { base: `b${keyOf(base)}` }),
  }));
}

/**
 * Repair: what can be rebuilt from the packs alone is rebuilt, what cannot be read is quarantined, and nothing else is
 * deleted (docs/format.md §6).
 */
import { HvError, isHvError, throwIfCancelled } from '../../support/errors.ts';
import type { OperationContext } from '../../support/progress.ts';
import type { RepositoryCore } from '../core.ts';
import type { IndexedPack } from '../format/index-format.ts';
import { Folder, indexName, packName, parsePackName } from '../format/names.ts';
import type { RepairResult } from '../port/maintenance.ts';
import type { ManifestEnvelope } from '../port/points.ts';
import { replaceIndexes } from '../prune/reindex.ts';
import { noteMissingPacks } from '../records/missing-packs.ts';
import { publishIndex } from '../records/pack-sink.ts';
import { readPackTail } from '../records/pack-tail.ts';
import { checkRepository } from './check.ts';
import { Quarantine } from './quarantine.ts';
import { recheckDamage } from './recheck-damage.ts';
import { rewriteBadPacks } from './repair/bad-packs.ts';
import { repairDocuments } from './repair/documents.ts';
import { noteLosses } from './repair/losses-noted.ts';
import { repairManifests } from './repair/manifests.ts';
import { restoreFromSpares } from './restore-spares.ts';

export type RepairOptions = OperationContext & {
  dryRun?: boolean;
  /** Of the key object that the repository was opened with; null without encryption. */
  keyId?: string | null;
};

/** Packs of one index: as many as a backup puts into one. */
const INDEX_BATCH = 64;

/** @throws REPOSITORY_BUSY when a prune or another repair is at work; IO_ERROR when the storage itself fails */
export async function repairRepository(core: RepositoryCore, options: RepairOptions = {}): Promise<RepairResult> {
  if (options.dryRun) return new Repair(core, '', options).run();
  // Of the kind of a prune: the two are never at work together.
  const handle = await core.sessions.register('prune', core.environment.identity().machine);
  try {
    const others = (await core.sessions.list()).filter((state) => state.document.id !== handle.id);
    const other = others.find((state) => state.alive && state.document.kind === 'prune');
    if (other !== undefined)
      throw new HvError(
        'REPOSITORY_BUSY',
        `A prune or repair of ${other.document.owner} is active in ${core.storage.location}`,
        {
          advice: 'Wait until it has ended, and run the repair again.',
          data: { location: core.storage.location, sessionId: other.document.id, expiresAt: other.document.expiresAt },
        },
      );
    return await new Repair(core, handle.id, options, () => handle.renew()).run();
  } finally {
    await handle.end().catch(() => undefined);
  }
}

class Repair {
  readonly #core: RepositoryCore;
  readonly #sessionId: string;
  readonly #options: RepairOptions;
  readonly #renew: () => Promise<void>;
  readonly #result: RepairResult = {
    objects: 0,
    indexesWritten: 0,
    packsIndexed: 0,
    quarantined: [],
    restored: [],
    restoredPoints: [],
    packsRewritten: 0,
    rewritten: [],
    healed: 0,
    damages: [],
    moreDamages: 0,
  };

  constructor(
    core: RepositoryCore,
    sessionId: string,
    options: RepairOptions,
    renew: () => Promise<void> = async () => {},
  ) {
    this.#core = core;
    this.#sessionId = sessionId;
    this.#options = options;
    this.#renew = renew;
  }

  async run(): Promise<RepairResult> {
    const aside = new Quarantine(this.#core, { dryRun: this.#options.dryRun });
    const { keyId = null, dryRun } = this.#options;
    this.#result.restored = await restoreFromSpares(this.#core.storage, aside, { current: keyId, dryRun });
    // Before the catalog goes: it may be all that still knows a manifest.
    const { restored: restoredPoints, kept: remembered } = await repairManifests(this.#core, this.#options);
    this.#result.restoredPoints = restoredPoints;
    const indexes = await this.#loadAnew(remembered);
    // Kept before anything counts as replaced.
    const kept: string[] = [];
    for (const name of indexes) if (await aside.keep(indexName(name))) kept.push(name);
    await this.#dropMissing();
    await this.#indexPacks(indexes);
    for (const name of kept) await aside.drop(indexName(name));
    const damage = await recheckDamage(this.#core, { ...this.#options, phase: 'repair' });
    await this.#rewritePacks();
    this.#result.rewritten = await repairDocuments(this.#core, aside, this.#options);
    await aside.sessions();
    await aside.marks();
    await aside.ledger();
    this.#result.quarantined.push(...aside.dropped);
    this.#result.objects += aside.objects;
    this.#result.objects += damage.records;
    this.#result.healed = damage.sound.length;
    // An index that could be neither kept nor deleted is superseded now; its damage is reported all the same.
    const { damages, moreDamages, objects } = await checkRepository(this.#core, this.#options);
    if (!this.#options.dryRun) await noteLosses(this.#core, damages);
    return { ...this.#result, damages, moreDamages, objects: this.#result.objects + objects };
  }

  /** @param remembered manifests that only this machine knows. @returns unreadable indexes */
  async #loadAnew(remembered: ReadonlyMap<string, ManifestEnvelope>): Promise<string[]> {
    const { catalog } = this.#core;
    this.#options.progress?.({ phase: 'repair', message: 'loading the catalog anew' });
    catalog.clear();
    for (const [name, manifest] of remembered) this.#core.manifests.remember(name, manifest);
    const { listed, unreadable } = await this.#core.refresh();
    this.#result.objects += listed.size;
    return unreadable.map(({ name }) => name);
  }

  async #rewritePacks(): Promise<void> {
    const session = this.#sessionId === '' ? null : { id: this.#sessionId, renew: this.#renew };
    const { packs, quarantined } = await rewriteBadPacks(this.#core, session, this.#options);
    this.#result.packsRewritten = packs;
    this.#result.quarantined.push(...quarantined);
  }

  /** Takes packs that are not there out of the indexes: no one must rely on them. */
  async #dropMissing(): Promise<void> {
    const { storage, index } = this.#core;
    await noteMissingPacks(storage, index);
    const missing = new Set(index.missing);
    if (missing.size === 0 || this.#options.dryRun) return;
    await this.#renew();
    if ((await replaceIndexes(this.#core, this.#sessionId, missing, [], [])) > 0) this.#result.indexesWritten += 1;
  }

  /** Names every complete pack that no readable index names, a batch an index. @param superseded unreadable indexes */
  async #indexPacks(superseded: readonly string[]): Promise<void> {
    const { storage, config, catalog, index } = this.#core;
    const indexed = new Set(catalog.packs().map((pack) => pack.id));
    const unindexed = (await storage.list(Folder.packs, { sizes: true })).flatMap(({ name, size }) => {
      const id = parsePackName(name);
      // What is marked for deletion has left the indexes on purpose.
      const isUnindexed = id !== null && size !== undefined && !indexed.has(id) && !index.marked.has(id);
      return isUnindexed ? [{ id, size }] : [];
    });
    this.#result.objects += indexed.size + unindexed.length;
    let batch: IndexedPack[] = [];
    let pending = superseded;
    const publish = async (): Promise<void> => {
      if (batch.length === 0 && pending.length === 0) return;
      await this.#publish(batch, pending);
      batch = [];
      pending = [];
    };
    for (const [done, { id, size }] of unindexed.entries()) {
      throwIfCancelled(this.#options.signal);
      this.#options.progress?.({ phase: 'repair', message: `pack ${done + 1} of ${unindexed.length}` });
      try {
        const pack = await readPackTail(storage, config.id, id, size);
        if (pack.records.length > 0) batch.push(pack);
      } catch (error) {
        // What it holds is stored anew.
        if (!isHvError(error, 'REPOSITORY_DAMAGED', 'FILE_NOT_FOUND', 'NOT_SUPPORTED')) throw error;
      }
      if (batch.length === INDEX_BATCH) await publish();
    }
    await publish();
  }

  async #publish(packs: readonly IndexedPack[], superseded: readonly string[]): Promise<void> {
    const core = this.#core;
    this.#result.packsIndexed += packs.length;
    this.#result.indexesWritten += 1;
    if (this.#options.dryRun) return;
    await this.#renew();
    // Their writer may have died before they were durable.
    for (const pack of packs) await core.storage.settle(packName(pack.id));
    const index = { sessionId: this.#sessionId, supersedes: [...superseded].sort(), packs: [...packs] };
    const name = await publishIndex(core.storage, core.config.id, core.keys, index);
    core.catalog.addIndex(name, index);
    core.index.invalidate();
    for (const pack of packs) core.index.removeUnindexed(pack.id);
  }
}

/** Structure check: every object decodes, and everything referred to is there (docs/format.md §2, §4). */
import { type HvError, isHvError, throwIfCancelled, toHvError } from '../../support/errors.ts';
import type { OperationContext } from '../../support/progress.ts';
import type { RepositoryCore } from '../core.ts';
import { MAX_CONFIG_LENGTH, spareDamage } from '../documents/spares.ts';
import { damaged } from '../errors.ts';
import { parseConfig } from '../format/config.ts';
import { CONFIG_NAME } from '../format/constants.ts';
import { Folder, packName } from '../format/names.ts';
import type { Damage } from '../port/damage.ts';
import { noteMissing } from '../prune/survey.ts';
import { findPacksWithoutIndex, PacksWithoutIndex } from '../reach/packs-without-index.ts';
import { LiveSet } from '../records/live-set.ts';
import { eachListedPack, PackSizes } from '../records/pack-sizes.ts';
import { toDamage } from '../tree/content-stream.ts';
import { checkPacks } from './check-packs.ts';
import { CheckWalk } from './check-walk.ts';
import { recheckDamage } from './recheck-damage.ts';

/** More say nothing new. */
const MAX_DAMAGES = 1000;
/** Times that what looks damaged is looked at, on new listings, while others are at work. */
const MAX_LOOKS = 3;
const DOCUMENT_FOLDERS = [
  Folder.ledger,
  Folder.chains,
  Folder.jobs,
  Folder.holds,
  Folder.removed,
  Folder.sessions,
  Folder.marks,
  Folder.damaged,
];

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
  /** What was listed last; what is known of it. */
  #indexes: ReadonlySet<string> = new Set();
  #sizes = new PackSizes();
  #seen = new LiveSet();
  /** Damage that is not in the list any more. */
  #more = 0;
  #objects = 0;
  /** Keys of records that were found damaged once and read well now. */
  #sound: readonly string[] = [];
  /** Nodes, and why they cannot be read. */
  readonly #unreadable = new Map<string, unknown>();
  /** Where something is that restore points need, when all of it is in packs that no index names. */
  #withoutIndex = new PacksWithoutIndex();

  constructor(core: RepositoryCore, context: OperationContext) {
    this.#core = core;
    this.#context = context;
  }

  async run(): Promise<{ damages: Damage[]; moreDamages: number; objects: number }> {
    const { storage } = this.#core;
    await this.#try(CONFIG_NAME, async () => {
      const bytes = await storage.get(CONFIG_NAME, MAX_CONFIG_LENGTH).catch((error) => {
        if (!isHvError(error, 'FILE_NOT_FOUND')) throw error;
        throw damaged('config', CONFIG_NAME, 'it is gone; its second copy was used');
      });
      parseConfig(bytes, storage.location);
    });
    for (const damage of await spareDamage(storage)) this.#add(damage);
    // First: whatever these need is in the listings that follow.
    const manifests = await this.#core.manifests.names();
    await this.#list();
    if (this.#core.index.damaged.size > 0) await this.#lookAgain();
    await checkPacks(this.#core, this.#sizes, (name, action) => this.#try(name, action));
    for (const folder of DOCUMENT_FOLDERS)
      for (const { name } of await storage.list(folder)) await this.#try(name, () => this.#core.documents.get(name));
    await this.#manifests(manifests);
    for (const damage of this.#core.manifests.differences.values()) this.#add(damage);
    return { damages: this.#damages, moreDamages: this.#more, objects: this.#objects };
  }

  /**
   * Looks at records that were found damaged before: where a cable, a controller or a share was to blame they read well
   * now, and what has passed raises no alarm. Repair removes the finding.
   */
  async #lookAgain(): Promise<void> {
    const { sound } = await recheckDamage(this.#core, { ...this.#context, dryRun: true, phase: 'check' });
    this.#sound = sound;
    this.#forgetSound();
    if (sound.length === 0) return;
    const are =
      sound.length === 1
        ? 'One record that was found damaged reads'
        : `${sound.length} records that were found damaged read`;
    this.#context.warn?.(
      `${are} well now. "hvbackup repair" removes the finding; until then backups store such blocks again.`,
    );
  }

  #forgetSound(): void {
    for (const key of this.#sound) this.#core.index.damaged.delete(key);
  }

  /** Lists indexes and packs, and forgets what was found out with older listings. */
  async #list(): Promise<void> {
    const { listed } = await this.#core.refresh();
    this.#forgetSound();
    const sizes = new PackSizes();
    await eachListedPack(this.#core.storage, this.#core.catalog.packCount(), { sizes: true }, (id, size) => {
      if (size !== undefined) sizes.set(id, size);
    });
    await this.#core.findUnindexed();
    this.#indexes = listed;
    this.#sizes = sizes;
    this.#unreadable.clear();
    this.#withoutIndex = new PacksWithoutIndex();
    this.#seen = new LiveSet();
    this.#seen.addKnown(this.#core.index);
    noteMissing(this.#core, this.#seen, sizes);
  }

  /** @returns whether there are other packs or indexes than before */
  async #listAgain(): Promise<boolean> {
    const [sizes, indexes] = [this.#sizes, this.#indexes];
    await this.#list();
    const same = indexes.size === this.#indexes.size && [...indexes].every((name) => this.#indexes.has(name));
    return !same || !sizes.isSame(this.#sizes);
  }

  /**
   * While it walks, a prune may put what is needed into other packs, and what was listed is then no more what the
   * indexes say: what looks damaged on a listing counts only when nothing has changed since, or when it looks so again
   * and again.
   */
  async #manifests(names: readonly string[]): Promise<void> {
    const [noted, more] = [this.#noted, this.#more];
    const listed = async (): Promise<Set<string>> => new Set(await this.#core.manifests.names());
    let walked = names;
    let suspects = await this.#walk(walked);
    let withoutIndex = this.#withoutIndex;
    for (let look = 1; look < MAX_LOOKS && suspects.size + withoutIndex.size > 0; look++) {
      // Removed and pruned meanwhile: nothing is missing.
      const still = await listed();
      walked = (withoutIndex.size > 0 ? walked : [...suspects.keys()]).filter((name) => still.has(name));
      if (!(await this.#listAgain())) break;
      [this.#noted, this.#more] = [noted, more];
      suspects = await this.#walk(walked);
      withoutIndex = this.#withoutIndex.among(withoutIndex);
    }
    if (suspects.size > 0) {
      const still = await listed();
      for (const [name, damages] of suspects) if (still.has(name)) this.#damages.push(...damages);
    }
    await this.#reportWithoutIndex(withoutIndex);
  }

  /**
   * What a restore point needs is indexed before it is published (docs/format.md §5, rule 3): an index was lost. Packs
   * that no restore point needs may well have none; a process that was killed left them.
   */
  async #reportWithoutIndex(needed: PacksWithoutIndex): Promise<void> {
    const packs = await findPacksWithoutIndex(this.#core, needed);
    if (packs.length === 0) return;
    this.#add({
      object: 'index',
      path: 'indexes',
      message: `No index names ${packs.length} packs that restore points need, ${packName(packs[0]!)} for one: indexes were lost. Everything can be read all the same. Run "hvbackup repair".`,
    });
  }

  /** @returns the manifests that need something that is damaged, and what that is */
  async #walk(names: readonly string[]): Promise<Map<string, Damage[]>> {
    const suspects = new Map<string, Damage[]>();
    const sure = this.#damages;
    const listing = {
      sizes: this.#sizes,
      seen: this.#seen,
      unreadable: this.#unreadable,
      withoutIndex: this.#withoutIndex,
    };
    const walk = new CheckWalk(this.#core, this.#context, listing, {
      charge: async (name, action) => {
        this.#damages = suspects.get(name) ?? [];
        await action();
        if (this.#damages.length > 0) suspects.set(name, this.#damages);
      },
      attempt: (name, action, again) => this.#try(name, action, again),
      note: (damage) => this.#add(damage),
      count: () => {
        this.#objects += 1;
      },
    });
    // Group by group: what was looked up last is found soonest.
    await walk.walk(names.toSorted());
    this.#damages = sure;
    return suspects;
  }

  /** @param again what it says was noted before */
  async #try(name: string, action: () => Promise<unknown>, again = false): Promise<void> {
    throwIfCancelled(this.#context.signal);
    if (!again) this.#objects += 1;
    this.#context.progress?.({ phase: 'check', message: name });
    try {
      await action();
    } catch (error) {
      const problem = toHvError(error, name);
      // Deleted since the listing: nothing refers to it any more.
      if (problem.code === 'FILE_NOT_FOUND' && !name.startsWith(Folder.packs)) return;
      if (!isHvError(problem, 'REPOSITORY_DAMAGED', 'IO_ERROR', 'NOT_SUPPORTED', 'FILE_NOT_FOUND')) throw problem;
      const found = toDamage(problem);
      const damage = { ...found, path: found.path === '' ? name : found.path, message: withPoint(problem, name) };
      const isSame = (one: Damage): boolean => one.path === damage.path && one.message === damage.message;
      if (!again || !this.#damages.some(isSame)) this.#add(damage);
    }
  }

  #add(found: Damage): void {
    if (this.#noted < MAX_DAMAGES) this.#damages.push(found);
    else this.#more += 1;
    this.#noted += 1;
  }
}

/** Damage found on the way from a restore point names it. */
const withPoint = (problem: HvError, name: string): string =>
  name.startsWith(Folder.manifests) && !problem.message.includes(name)
    ? `${name}: ${problem.message}`
    : problem.message;

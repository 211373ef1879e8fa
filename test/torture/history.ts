/**
 * One history of a repository on a disk that forgets: actions, most of them hit by a fault, and after each a new
 * process that must find every restore point right. The actions are a table: a new one is a line.
 */
import { openStoredRepository } from '../../backend/src/repository/open.ts';
import type { StoredRepository } from '../../backend/src/repository/repository.ts';
import { FolderStorage } from '../../backend/src/repository/storage/folder/folder.ts';
import { isHvError } from '../../backend/src/support/errors.ts';
import { below, pick, seeded } from '../fuzz/random.ts';
import { create } from './creation.ts';
import { FAULTS, type FaultKind, type FaultyProcess, faultyProcess, soundProcess } from './faults.ts';
import { HoldBook } from './hold-book.ts';
import { CHEAP, KeyRing } from './key-ring.ts';
import { Machines, type ModelProcess } from './machines.ts';
import { errno, ModelDisk } from './model-disk.ts';
import { ModelFiles } from './model-files.ts';
import { BLOCK_SIZE, changed, type ModelContent, type ModelPoint, requireContent, storePoint } from './points.ts';
import { garbageAmong } from './remains.ts';
import { Twin } from './twin.ts';

const LOCATION = '/repository';
/** Of the second one. */
const COPIES = '/copies';
const BLOCKS = 14;
const GROUPS = ['11111111-2222-3333-4444-555555555555', '66666666-7777-8888-9999-000000000000'];
const EXPIRY_MS = 27 * 3600 * 1000;
/**
 * After that what dead processes reserved or left in `tmp/` may be removed, in a file system that cannot tell that they
 * are dead.
 */
const RESERVED_MS = 11 * 60_000;
const LEFT_BEHIND_MS = 4 * 24 * 3600 * 1000;

export interface TortureFigures {
  histories: number;
  actions: Record<string, number>;
  /** Faults that happened, by kind. */
  faults: Record<string, number>;
  /** File operations of the processes that were hit. */
  operations: number;
  /** Restore points read back and compared byte for byte. */
  verified: number;
  /** Histories of an encrypted repository. */
  encrypted: number;
  /** Passphrases that opened, or did not open, as they must. */
  passphrases: number;
  /** Restore points that were held, or were not, as they must be. */
  holds: number;
}

export const noFigures = (): TortureFigures => ({
  histories: 0,
  actions: {},
  faults: {},
  operations: 0,
  verified: 0,
  encrypted: 0,
  passphrases: 0,
  holds: 0,
});

/** What an action may use. */
interface Stage {
  history: History;
  repository: StoredRepository;
  /** Opens the second repository, through the same process; closed with the action. */
  copies(): Promise<StoredRepository>;
}

/** What can happen to a repository, and how often. Each tells the history what it was acknowledged. */
export const ACTIONS: { name: string; weight: number; run(stage: Stage): Promise<void> }[] = [
  { name: 'full', weight: 3, run: ({ history, repository }) => history.backUp(repository, 'full') },
  { name: 'incremental', weight: 5, run: ({ history, repository }) => history.backUp(repository, 'incremental') },
  { name: 'remove', weight: 2, run: ({ history, repository }) => history.remove(repository) },
  { name: 'prune', weight: 3, run: async ({ repository }) => void (await repository.prune()) },
  { name: 'copy', weight: 3, run: async (stage) => stage.history.copy(stage.repository, await stage.copies()) },
  { name: 'key change', weight: 2, run: ({ history, repository }) => history.changeKeys(repository) },
  { name: 'key change of the copies', weight: 1, run: async (stage) => stage.history.changeKeys(await stage.copies()) },
  { name: 'hold', weight: 1, run: ({ history, repository }) => history.hold(repository) },
  { name: 'hold of a copy', weight: 1, run: async (stage) => stage.history.holdCopy(await stage.copies()) },
];

export class History {
  readonly disk = new ModelDisk();
  readonly machines = new Machines();
  readonly random: () => number;
  readonly figures: TortureFigures;
  /** Acknowledged as published. */
  readonly points = new Map<string, ModelPoint>();
  /** Asked to be removed: may be listed or not until it is acknowledged. */
  readonly leaving = new Set<string>();
  readonly removed = new Set<string>();
  /** Listed though their backup was never told so: a power cut may still take them. */
  readonly #unacknowledged = new Set<string>();
  /** Whatever was ever published, asked to be removed or not. */
  readonly #known = new Map<string, ModelPoint>();
  /** What each guest's disk holds. */
  readonly #contents: ModelContent[];
  /** Contents of backups that did not end: should their point be listed, it must be this. */
  readonly #attempts: ModelPoint[] = [];
  readonly #hardLinks: boolean;
  readonly #holds: HoldBook;
  readonly #twin: Twin;
  /** By location; null where nothing is encrypted. */
  readonly #keys: Record<string, KeyRing | null>;
  /** Operations an action takes, as far as it is known. */
  readonly #length = new Map<string, number>();
  readonly log: string[] = [];

  constructor(seed: number, figures: TortureFigures) {
    this.random = seeded(seed);
    this.figures = figures;
    this.#hardLinks = this.random() < 0.8;
    this.#contents = GROUPS.map(() => changed(Array(BLOCKS).fill(0), 20, this.random).content);
    this.#holds = new HoldBook(this.random);
    this.#twin = new Twin(this.random);
    this.#keys = Object.fromEntries(
      [LOCATION, COPIES].map((location) => [location, this.random() < 0.5 ? new KeyRing(location, this.random) : null]),
    );
    this.disk.now = Date.UTC(2020, 0, 1);
  }

  /** Time passes, for the machines and for the disk, whose clock is years behind. */
  #pass(ms: number): void {
    this.machines.time += ms;
    this.disk.now += ms;
  }

  /** @throws when a listed restore point is wrong, one is missing, or garbage cannot be collected */
  async run(steps: number): Promise<void> {
    this.figures.histories += 1;
    try {
      if (this.#keys[LOCATION]) this.figures.encrypted += 1;
      await this.#create(LOCATION, BLOCK_SIZE);
      await this.#create(COPIES, this.random() < 0.5 ? BLOCK_SIZE : 2 * BLOCK_SIZE);
      for (let step = 0; step < steps; step++) await this.#step();
      await this.#collectGarbage();
    } catch (error) {
      throw new Error(`${(error as Error).message}\n${this.log.map((line) => `  ${line}`).join('\n')}`, {
        cause: error,
      });
    } finally {
      this.machines.close();
    }
  }

  async #create(location: string, blockSize: number): Promise<void> {
    const options = { blockSize, passphrase: this.#keys[location]?.first, kdfCost: CHEAP };
    const kind = this.random() < 1 / 3 ? pick(this.random, FAULTS) : null;
    if (kind !== null) {
      const at = 1 + below(this.random, 40);
      const faulty = faultyProcess(kind, at, this.disk, this.random);
      this.log.push(`create ${location}, ${kind} at ${at}`);
      await create(location, this.#files(faulty), options, this.machines.process('one'), faulty);
      this.#count('create', kind, faulty);
      this.disk.capacity = Number.POSITIVE_INFINITY;
      if (faulty.dead && kind === 'power cut') this.#powerCut();
      this.#pass(RESERVED_MS);
    }
    const sound = soundProcess();
    await create(location, this.#files(sound), options, this.machines.process('one'), sound);
  }

  async copy(repository: StoredRepository, copies: StoredRepository): Promise<void> {
    await this.#twin.copy(repository, copies);
  }

  async changeKeys(repository: StoredRepository): Promise<void> {
    await this.#keys[repository.location]?.change(repository);
  }

  hold(repository: StoredRepository): Promise<void> {
    return this.#holds.change(
      repository,
      [...this.points.keys()].filter((id) => !this.leaving.has(id)),
    );
  }

  holdCopy(copies: StoredRepository): Promise<void> {
    return this.#twin.hold(copies);
  }

  async backUp(repository: StoredRepository, mode: 'full' | 'incremental'): Promise<void> {
    const which = below(this.random, GROUPS.length);
    const group = GROUPS[which]!;
    const base =
      mode === 'incremental' ? [...this.points.values()].findLast((point) => point.group === group) : undefined;
    const { content, indices } = changed(
      base?.content ?? this.#contents[which]!,
      1 + below(this.random, 6),
      this.random,
    );
    this.#contents[which] = content;
    this.#pass(1000);
    const now = this.machines.time;
    const plan = { group, content, now, base: base?.ref, indices: base && indices, described: true };
    const attempt: ModelPoint = { id: '', group, content, ref: { size: 0, height: 0, root: null } };
    this.#attempts.push(attempt);
    const point = await storePoint(repository, plan).catch((error) => {
      // Removed without our being told: then a full, as operations do.
      if (base === undefined || !isHvError(error, 'POINT_NOT_FOUND')) throw error;
      return storePoint(repository, { group, content, now, described: true });
    });
    this.#attempts.pop();
    this.points.set(point.id, point);
    this.#known.set(point.id, point);
  }

  async remove(repository: StoredRepository): Promise<void> {
    const ids = [...this.points.keys()];
    if (ids.length < 2) return;
    const id = pick(this.random, ids);
    if (!(await this.#holds.remove(repository, id, () => void this.leaving.add(id)))) return;
    this.points.delete(id);
    this.removed.add(id);
    await repository.prune();
  }

  /** An action, perhaps hit by a fault, and what a clean process finds afterwards. */
  async #step(): Promise<void> {
    const action = pick(
      this.random,
      ACTIONS.flatMap((one) => Array<typeof one>(one.weight).fill(one)),
    );
    const kind = this.random() < 0.85 ? pick(this.random, FAULTS) : null;
    const at = 1 + below(this.random, this.#length.get(action.name) ?? 150);
    const faulty = kind === null ? soundProcess() : faultyProcess(kind, at, this.disk, this.random);
    const line = `${action.name}${kind === null ? '' : `, ${kind} at ${at}`}`;
    this.log.push(line);
    const process = this.machines.process('one');
    const outcome = await this.#attempt(action, faulty, process);
    this.log[this.log.length - 1] = `${line}: ${outcome}`;
    if (kind === null) this.#length.set(action.name, faulty.operations);
    this.#count(action.name, kind, faulty);
    this.disk.capacity = Number.POSITIVE_INFINITY;
    this.machines.kill(process);
    if (kind !== null) this.#pass(RESERVED_MS);
    if (faulty.dead && (kind === 'power cut' || this.random() < 0.2)) this.#powerCut();
    if (faulty.dead || action.name.startsWith('key change')) await this.#tryKeys();
    await this.#inspect(faulty.dead);
    if (faulty.dead || /copy|copies/.test(action.name)) await this.#inspectCopies(this.disk);
    this.figures.holds += this.#holds.checked + this.#twin.holds.checked;
    this.#holds.checked = 0;
    this.#twin.holds.checked = 0;
  }

  async #attempt(action: (typeof ACTIONS)[number], faulty: FaultyProcess, process: ModelProcess): Promise<string> {
    let repository: StoredRepository | undefined;
    let copies: StoredRepository | undefined;
    try {
      repository = await this.open(this.disk, faulty, process);
      const openCopies = async () => {
        copies = await this.open(this.disk, faulty, process, { location: COPIES });
        return copies;
      };
      await action.run({ history: this, repository, copies: openCopies });
      return 'done';
    } catch (error) {
      if (!isHvError(error) && !faulty.dead) throw error;
      return (error as Error).message.slice(0, 150);
    } finally {
      await copies?.close().catch(() => undefined);
      await repository?.close().catch(() => undefined);
    }
  }

  #powerCut(): void {
    this.disk.powerCut(this.random);
    this.machines.reboot('one');
    if (this.random() < 0.3) this.machines.forgetCatalog('one');
    if (this.random() < 0.7) this.#pass(EXPIRY_MS);
  }

  #count(action: string, kind: FaultKind | null, { fired, operations }: FaultyProcess): void {
    const { figures } = this;
    figures.actions[action] = (figures.actions[action] ?? 0) + 1;
    figures.operations += operations;
    if (kind !== null && fired > 0) figures.faults[kind] = (figures.faults[kind] ?? 0) + fired;
  }

  /**
   * A new process without faults: everything acknowledged is listed, and everything listed is right.
   * @param powerFailed whether what was visible may be gone
   */
  async #inspect(powerFailed: boolean): Promise<void> {
    const repository = await this.open(this.disk, soundProcess(), this.machines.process('one'));
    try {
      const listed = await this.#verifyListed(repository);
      for (const id of this.points.keys()) {
        if (listed.has(id) || this.leaving.has(id)) continue;
        if (powerFailed && this.#unacknowledged.delete(id)) this.points.delete(id);
        else throw new Error(`restore point ${id} was acknowledged and is not listed`);
      }
      for (const id of this.leaving) if (!listed.has(id)) this.points.delete(id);
      await this.#holds.inspect(repository, listed);
      const { damages } = await repository.check();
      if (damages.length > 0) throw new Error(`check: ${damages.map((one) => one.message).join('; ')}`);
    } finally {
      await repository.close();
    }
  }

  async #inspectCopies(disk: ModelDisk): Promise<void> {
    const copies = await this.open(disk, soundProcess(), this.machines.process('one'), { location: COPIES });
    try {
      this.figures.verified += await this.#twin.inspect(copies, this.#known);
    } finally {
      await copies.close();
    }
  }

  async #tryKeys(): Promise<void> {
    for (const [location, keys] of Object.entries(this.#keys)) {
      if (keys === null) continue;
      const before = keys.tried;
      await keys.inspect((passphrase) =>
        this.open(this.disk, soundProcess(), this.machines.process('one'), { location, passphrase }),
      );
      this.figures.passphrases += keys.tried - before;
    }
  }

  async #verifyListed(repository: StoredRepository): Promise<Set<string>> {
    const listed = new Set<string>();
    for (const { id, group, contents } of await repository.listManifests()) {
      if (this.removed.has(id)) throw new Error(`restore point ${id} was removed and is listed`);
      listed.add(id);
      const known = this.#known.get(id);
      if (known) {
        await requireContent(repository, contents[0]!, known.content);
        this.points.set(id, known);
      } else await this.#adopt(repository, id, group, contents[0]!);
      this.figures.verified += 1;
    }
    return listed;
  }

  /** Published by a backup that was not told so: it must be what that backup saw. */
  async #adopt(repository: StoredRepository, id: string, group: string, ref: ModelPoint['ref']): Promise<void> {
    const attempt = this.#attempts.findLast((one) => one.group === group);
    if (attempt === undefined) throw new Error(`restore point ${id} comes from nowhere`);
    await requireContent(repository, ref, attempt.content);
    const point = { ...attempt, id, ref };
    this.points.set(id, point);
    this.#known.set(id, point);
    this.#unacknowledged.add(id);
  }

  /** With everything removed nothing is left; looked at on a copy of the disk. */
  async #collectGarbage(): Promise<void> {
    this.#pass(EXPIRY_MS);
    const disk = this.disk.clone();
    disk.now += LEFT_BEHIND_MS;
    for (const location of [LOCATION, COPIES]) {
      const verify = async (repository: StoredRepository): Promise<void> => {
        if (location === LOCATION) await this.#verifyListed(repository);
        else this.figures.verified += await this.#twin.inspect(repository, this.#known);
      };
      const options = { machine: 'two', location };
      const repository = await this.open(disk, soundProcess(), this.machines.process('two'), options);
      try {
        await verify(repository);
        await repository.prune();
        await verify(repository);
        for (const { id } of await repository.listManifests()) await repository.removeManifest(id);
        for (const path of await repository.records.list('holds/')) await repository.records.delete(path);
        const { pendingBytes } = await repository.prune();
        const mine = [...disk.files()].flatMap(([name]) =>
          `/${name}`.startsWith(`${location}/`) ? [name.slice(location.length)] : [],
        );
        const left = garbageAmong(mine);
        if (left.length > 0 || pendingBytes > 0)
          throw new Error(`garbage is left: ${pendingBytes} bytes pending, ${left.join(', ')}`);
      } finally {
        await repository.close();
      }
    }
  }

  /** @param options.passphrase default: any that opens */
  async open(
    disk: ModelDisk,
    faulty: FaultyProcess,
    process: ModelProcess,
    options: { machine?: string; location?: string; passphrase?: string } = {},
  ): Promise<StoredRepository> {
    const { machine = 'one', location = LOCATION } = options;
    const storage = new FolderStorage(location, this.#files(faulty, disk));
    return openStoredRepository(storage, {
      catalog: (id) => this.machines.catalog(machine, id),
      environment: process,
      workers: 0,
      passphrase: options.passphrase ?? this.#keys[location]?.choose(),
      kdfCost: CHEAP,
    });
  }

  #files(faulty: FaultyProcess, disk = this.disk): ModelFiles {
    return new ModelFiles(disk, this.random, async (operation, filePath, file) => {
      if (operation === 'link' && !this.#hardLinks) throw errno('ENOTSUP', 'link', filePath);
      return faulty.gate(operation, filePath, file);
    });
  }
}

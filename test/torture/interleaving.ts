/**
 * Writers, prunes, removals, checks, repairs and readers of several machines at once, in an order made by a seed;
 * writers and readers are paused for longer than their sessions, and clocks are wrong. After every change the oracle
 * looks whether a listed restore point lost something.
 */
import { initRepository, openStoredRepository } from '../../backend/src/repository/open.ts';
import type { ContentRef } from '../../backend/src/repository/port/contents.ts';
import type { ManifestEnvelope } from '../../backend/src/repository/port/points.ts';
import type { StoredRepository } from '../../backend/src/repository/repository.ts';
import type { Storage } from '../../backend/src/repository/storage/storage.ts';
import { isHvError } from '../../backend/src/support/errors.ts';
import { below, pick, seeded } from '../fuzz/random.ts';
import { Machines, type ModelProcess } from './machines.ts';
import { Oracle } from './oracle.ts';
import { BLOCK_SIZE, changed, type ModelContent, requireContent, storePoint } from './points.ts';
import { garbageAmong } from './remains.ts';
import { isKilled, ScheduledStorage, type StorageWorld } from './scheduled-storage.ts';
import { Scheduler } from './scheduler.ts';

const HOUR = 3600 * 1000;
const DAY = 24 * HOUR;
const BLOCKS = 10;
const ACTORS = ['writer-1', 'writer-2', 'writer-3', 'reader-1', 'reader-2', 'remover', 'pruner', 'checker', 'repairer'];
/** What whoever is at work puts first, and what comes of it last: where being late or dead does most harm. */
const DELICATE = /^(manifests\/|ledger\/|removed\/|indexes\/|marks\/|sessions\/.*\/(point-|claim-|read-))/;

export interface InterleavingFigures {
  runs: number;
  turns: number;
  published: number;
  /** Backups that gave up because their session had expired or their base was gone. */
  refused: number;
  removed: number;
  prunes: number;
  checks: number;
  repairs: number;
  read: number;
  /**
   * Restore points that readers pinned, the times these were read whole, and how often of one that had been removed by
   * then.
   */
  pinned: number;
  readPinned: number;
  readRemoved: number;
  /** Readers that slept for longer than their session, and found that what they read was removed and pruned. */
  overslept: number;
  /** Runs in which machines had clocks that are wrong by more than a day. */
  wrongClocks: number;
  /** Writers that were paused for longer than their session. */
  paused: number;
  /** Processes that were killed in the middle of something. */
  killed: number;
  /** Restore points that were published behind their tombstone: their writer had been taken for over. */
  late: number;
}

export const noInterleavings = (): InterleavingFigures => ({
  runs: 0,
  turns: 0,
  published: 0,
  refused: 0,
  removed: 0,
  prunes: 0,
  checks: 0,
  repairs: 0,
  read: 0,
  pinned: 0,
  readPinned: 0,
  readRemoved: 0,
  overslept: 0,
  wrongClocks: 0,
  paused: 0,
  killed: 0,
  late: 0,
});

export class Interleaving {
  readonly #random: () => number;
  /** Of the storage, where it has a clock. */
  #times: StorageWorld['times'];
  readonly #figures: InterleavingFigures;
  readonly #machines = new Machines();
  readonly #scheduler: Scheduler;
  readonly #objects = new Map<string, Buffer>();
  readonly #world: StorageWorld;
  readonly #oracle: Oracle;
  /** Of each actor, the newest. */
  readonly #processes = new Map<string, { storage: ScheduledStorage; process: ModelProcess }>();
  /** What the restore points must be, by id; also of those whose writer was not told. */
  readonly #contents = new Map<string, ModelContent>();
  /** What happened, for the report of a defect. */
  readonly #log: string[] = [];
  /** The fewer there are, the more the writers store the same. */
  readonly #kinds: number;
  /** A writer slept while it published an index, which it may have to correct, or died before it could. */
  #orphaned = false;
  /** Of each session: when its newest renewal was put, by the true time. */
  readonly #renewed = new Map<string, { at: number; by: string; name: string }>();
  /** What readers are reading, by actor: removed with preference. */
  readonly #reading = new Map<string, string>();
  /** Actors whose session others ended, rightly: it was older than any lives. */
  readonly #over = new Set<string>();
  /** Time that passes with a turn, at most. */
  #pace = 1000;

  constructor(seed: number, figures: InterleavingFigures) {
    this.#random = seeded(seed);
    this.#figures = figures;
    this.#kinds = pick(this.#random, [8, 40, 400]);
    this.#scheduler = new Scheduler(this.#random);
    this.#setClocks();
    this.#world = {
      objects: this.#objects,
      times: this.#times,
      arriving: new Set(),
      leaving: new Set(),
      random: this.#random,
      turn: (actor) => this.#scheduler.turn(actor),
    };
    this.#oracle = new Oracle(this.#objects, () => this.#open(this.#still(), 'oracle'));
  }

  /**
   * In half of the runs the storage has a clock, and then those of some machines are wrong, by days to years, ahead or
   * behind.
   */
  #setClocks(): void {
    if (this.#random() < 0.5) return;
    this.#times = { put: new Map(), now: () => this.#machines.time };
    for (const name of ACTORS) {
      if (this.#random() > 0.4) continue;
      const off = pick(this.#random, [26 * HOUR, 5 * DAY, 365 * DAY, 3652 * DAY]);
      this.#machines.skews.set(name, this.#random() < 0.5 ? off : -off);
    }
    if (this.#machines.skews.size > 0) this.#figures.wrongClocks += 1;
  }

  /** @throws when something a listed restore point or a reader needs is gone, or anything reads wrong */
  async run(): Promise<void> {
    this.#figures.runs += 1;
    await initRepository(this.#still(), { blockSize: BLOCK_SIZE, environment: this.#machines.process('zero') });
    this.#world.about = (name, actor) => this.#about(name, actor);
    this.#world.changed = (change, name, actor) => this.#watch(change, name, actor);
    const problems: unknown[] = [];
    const actor = (name: string, work: (name: string) => Promise<void>): Promise<void> =>
      work(name).catch((error) => {
        this.#log.push(`${new Date(this.#machines.time).toISOString()} ${name} FAILED: ${(error as Error).message}`);
        problems.push(error);
      });
    const writers = ['writer-1', 'writer-2', 'writer-3'].slice(0, 1 + below(this.#random, 3));
    const readers = ['reader-1', 'reader-2'].slice(0, 1 + below(this.#random, 2));
    const actors = [
      ...writers.map((name) => actor(name, (own) => this.#writer(own))),
      ...readers.map((name) => actor(name, (own) => this.#reader(own))),
      actor('remover', (own) => this.#remover(own)),
      actor('pruner', (own) => this.#pruner(own)),
      actor('checker', (own) => this.#checker(own)),
      ...(this.#random() < 0.3 ? [actor('repairer', (own) => this.#repairer(own))] : []),
    ];
    await this.#scheduler.run(actors, () => this.#tick([...writers, ...readers]));
    this.#figures.turns += this.#scheduler.turns;
    this.#world.changed = undefined;
    this.#world.about = undefined;
    this.#world.turn = async () => undefined;
    try {
      if (problems.length > 0) throw problems[0];
      await this.#aftermath();
    } catch (error) {
      const problem = error as Error;
      throw new Error(`${problem.message}\n${this.#log.map((line) => `  ${line}`).join('\n')}`, { cause: problem });
    } finally {
      this.#machines.close();
    }
  }

  /** Time passes; now and then a writer or reader falls asleep for longer than its session lives. */
  #tick(sleepers: readonly string[]): void {
    const asleep = sleepers.some((name) => this.#scheduler.isPaused(name));
    if (!asleep) this.#pace = 1000;
    this.#machines.time += below(this.#random, this.#pace);
    if (asleep || this.#random() > 0.004) return;
    this.#sleep(pick(this.#random, sleepers), 60 + below(this.#random, 400));
  }

  #sleep(actor: string, turns: number): void {
    this.#figures.paused += 1;
    this.#scheduler.pause(actor, turns);
    this.#pace = Math.ceil((60 * HOUR) / Math.min(turns, 500));
  }

  /**
   * Where it matters most a writer falls asleep more often: for long, or until nobody else is left. And there processes
   * die.
   */
  #about(name: string, actor: string): void {
    if (this.#random() < (DELICATE.test(name) ? 0.02 : 0.004))
      this.#processes.get(actor)?.storage.die(1 + below(this.#random, 3));
    if (!/^(manifests\/|indexes\/|sessions\/.*\/point-)/.test(name) || this.#random() > 0.1) return;
    this.#sleep(actor, this.#random() < 0.3 ? Number.MAX_SAFE_INTEGER : 100 + below(this.#random, 400));
    // It wakes up, its put happens, and it cannot mend any more what is wrong with that.
    this.#orphaned ||= name.startsWith('indexes/');
    if (this.#random() < 0.3) this.#processes.get(actor)?.storage.die(2);
  }

  async #watch(change: 'put' | 'delete', name: string, actor: string): Promise<void> {
    this.#log.push(`${new Date(this.#machines.time).toISOString()} ${actor}: ${change} ${name}`);
    await this.#oracle.changed(change, name);
    if (change === 'put') this.#watchSession(name, actor);
    if (change === 'put' && /^manifests\//.test(name) && this.#objects.has(`removed/${name.split('/')[2]}`))
      this.#figures.late += 1;
    if (!/^(packs|manifests|removed)\//.test(name)) return;
    for (const broken of this.#oracle.broken())
      throw new Error(`LOST: ${actor} ${change} ${name}: ${broken} needs what is gone`);
  }

  /**
   * Nobody takes a session for over whose newest renewal is younger than a session lives, however wrong his clock is.
   */
  #watchSession(name: string, actor: string): void {
    const [, id] = /^sessions\/([0-9a-f]{32})\/\d{8}$/.exec(name) ?? [];
    if (id === undefined) return;
    const known = this.#renewed.get(id);
    if (known === undefined || known.by === actor) {
      this.#renewed.set(id, { at: this.#machines.time, by: actor, name });
      return;
    }
    // It has ended meanwhile: its renewal is gone, or this very name was free again.
    if (known.name === name || !this.#objects.has(known.name)) return;
    const age = this.#machines.time - known.at;
    if (this.#times !== undefined && age < 25 * HOUR)
      throw new Error(`TAKEN FOR OVER: ${actor} ends the session of ${known.by} after ${age / HOUR} hours`);
    this.#over.add(known.by);
  }

  async #writer(name: string): Promise<void> {
    let content: ModelContent = changed(Array(BLOCKS).fill(0), 12, this.#random, this.#kinds).content;
    let base: ContentRef | undefined;
    let repository: StoredRepository | undefined;
    for (let round = 1 + below(this.#random, 4); round > 0; round--) {
      // A process of its own for each backup, or one that has been running for long.
      if (repository === undefined || this.#random() < 0.5) {
        await repository?.close();
        repository = await this.#start(name);
      }
      const next = changed(content, 1 + below(this.#random, 4), this.#random, this.#kinds);
      content = next.content;
      try {
        base = await this.#backUp(repository, name, content, base, next.indices);
      } catch (error) {
        base = undefined;
        repository = await this.#bury(name, repository, error);
      }
    }
    await repository?.close();
  }

  /** @returns the content's reference, or undefined when the next backup must be a full */
  async #backUp(
    repository: StoredRepository,
    group: string,
    content: ModelContent,
    base: ContentRef | undefined,
    indices: number[],
  ): Promise<ContentRef | undefined> {
    const chosen = base && this.#random() < 0.8 ? { base, indices } : {};
    const now = this.#machines.time;
    try {
      const announce = (id: string) => void this.#contents.set(id, content);
      const point = await storePoint(repository, { group, content, now, announce, ...chosen });
      this.#figures.published += 1;
      return point.ref;
    } catch (error) {
      // It relied on what such an index named, and saw in time that it is not there.
      const warned = this.#orphaned && isHvError(error, 'REPOSITORY_DAMAGED') && error.data.packs !== undefined;
      if (!warned && !isHvError(error, 'POINT_NOT_FOUND', 'REPOSITORY_SESSION_EXPIRED')) throw error;
      this.#figures.refused += 1;
      return undefined;
    }
  }

  async #remover(name: string): Promise<void> {
    let repository = await this.#start(name);
    for (let round = 0; round < 4; round++) {
      try {
        await this.#removeOne(repository);
        await this.#prune(repository);
      } catch (error) {
        await this.#bury(name, repository, error);
        repository = await this.#start(name);
      }
    }
    await repository.close();
  }

  async #removeOne(repository: StoredRepository): Promise<void> {
    const points = await this.#someManifests(repository);
    const read = points.filter(({ id }) => [...this.#reading.values()].includes(id));
    const victim =
      points.length > 0 ? pick(this.#random, read.length > 0 && this.#random() < 0.7 ? read : points) : undefined;
    if (victim !== undefined) {
      await repository.removeManifest(victim.id).catch((error) => {
        if (!isHvError(error, 'POINT_NOT_FOUND')) throw error;
      });
      this.#figures.removed += 1;
    }
  }

  async #prune(repository: StoredRepository): Promise<void> {
    try {
      await repository.prune();
      this.#figures.prunes += 1;
    } catch (error) {
      // It was held up for longer than its session: whatever it began the next one finishes.
      if (!isHvError(error, 'REPOSITORY_SESSION_EXPIRED')) throw error;
      this.#figures.refused += 1;
    }
  }

  async #pruner(name: string): Promise<void> {
    for (let round = 0; round < 3; round++) {
      const repository = await this.#start(name);
      const dead = (error: unknown) => this.#bury(name, repository, error);
      await this.#prune(repository).then(() => repository.close(), dead);
    }
  }

  async #checker(name: string): Promise<void> {
    for (let round = 0; round < 2; round++) {
      const repository = await this.#start(name);
      await this.#check(repository, 'beside the others');
      this.#figures.checks += 1;
      await this.#readOne(repository);
      await repository.close();
    }
  }

  /** Pins restore points and reads each several times, slowly, while others remove and prune. */
  async #reader(name: string): Promise<void> {
    for (let round = 0; round < 3; round++) {
      const repository = await this.#start(name);
      try {
        await this.#readPinned(repository, name);
        await repository.close();
      } catch (error) {
        await this.#bury(name, repository, error);
      }
    }
  }

  async #readPinned(repository: StoredRepository, name: string): Promise<void> {
    const points = await this.#someManifests(repository);
    if (points.length === 0) return;
    const point = pick(this.#random, points);
    this.#over.delete(name);
    this.#reading.set(name, point.id);
    const pin = await repository.pin([point], { owner: name });
    if (!pin.gone.has(point.id)) this.#figures.pinned += 1;
    for (let times = 1 + below(this.#random, 4); times > 0 && !pin.gone.has(point.id); times--) {
      try {
        await requireContent(repository, point.contents[0]!, this.#contents.get(point.id)!);
        this.#figures.readPinned += 1;
        if (this.#objects.has(`removed/${point.id}`)) this.#figures.readRemoved += 1;
      } catch (error) {
        // Not even of a restore point that was removed meanwhile may anything be missing, but after a sleep of days.
        if (!isHvError(error, 'REPOSITORY_DAMAGED', 'FILE_NOT_FOUND') || !this.#over.has(name)) throw error;
        if ((await pin.removed()).length === 0) throw error;
        this.#figures.overslept += 1;
        break;
      }
      await pin.renew();
    }
    this.#reading.delete(name);
    await pin.end();
  }

  /** The first restore points take a while to come. */
  async #someManifests(repository: StoredRepository): Promise<ManifestEnvelope[]> {
    for (let times = 0; times < 40; times++) {
      const points = await repository.listManifests();
      if (points.length > 0) return points;
    }
    return [];
  }

  /**
   * A writer that slept may publish an index of what was deleted meanwhile; that stays until it corrects it, or the
   * next prune does.
   */
  async #check(repository: StoredRepository, when: string): Promise<void> {
    const messages = (await repository.check()).damages.map(({ message }) => message);
    const wrong = messages.filter(
      (one) => !this.#orphaned || !one.endsWith('an index names this pack, but it is not there'),
    );
    if (wrong.length > 0) throw new Error(`check ${when}: ${wrong.join('; ')}`);
  }

  /** Reads a listed restore point. It may be removed meanwhile, then it may also be gone in part. */
  async #readOne(repository: StoredRepository): Promise<void> {
    const points = await repository.listManifests();
    if (points.length === 0) return;
    const { id, contents } = pick(this.#random, points);
    try {
      await requireContent(repository, contents[0]!, this.#contents.get(id)!);
      this.#figures.read += 1;
    } catch (error) {
      if (!isHvError(error, 'REPOSITORY_DAMAGED', 'FILE_NOT_FOUND')) throw error;
      const still = (await repository.listManifests()).some((one) => one.id === id);
      if (still) throw error;
    }
  }

  async #repairer(name: string): Promise<void> {
    const repository = await this.#start(name);
    try {
      await repository.repair().catch((error) => {
        if (!isHvError(error, 'REPOSITORY_BUSY', 'REPOSITORY_SESSION_EXPIRED')) throw error;
      });
      this.#figures.repairs += 1;
      await repository.close();
    } catch (error) {
      await this.#bury(name, repository, error);
    }
  }

  /** When all have ended and time has passed, everything listed is right, and garbage can be collected. */
  async #aftermath(): Promise<void> {
    // Also what a clock that is a day ahead has promised is over.
    this.#machines.time += 52 * HOUR;
    const repository = await this.#open(this.#still(), 'last');
    const verify = async (): Promise<void> => {
      for (const { id, contents } of await repository.listManifests())
        await requireContent(repository, contents[0]!, this.#contents.get(id)!);
    };
    try {
      await verify();
      await this.#check(repository, 'after all');
      await repository.prune();
      await verify();
      this.#orphaned = false;
      await this.#check(repository, 'after the last prune');
      await this.#requireLedger(repository);
      for (const { id } of await repository.listManifests()) await repository.removeManifest(id);
      await repository.prune();
      const left = garbageAmong([...this.#objects.keys()]);
      if (left.length > 0) throw new Error(`garbage is left: ${left.join(', ')}`);
    } finally {
      await repository.close();
    }
  }

  /** What counts is in the ledger, and what the ledger names is there or was removed. */
  async #requireLedger({ core }: StoredRepository): Promise<void> {
    const noted = await core.ledger.names();
    const listed = new Set(await core.manifests.names());
    const removed = await core.tombstones.ids();
    for (const name of listed) if (!noted.has(name)) throw new Error(`not in the ledger: ${name}`);
    for (const name of noted)
      if (!listed.has(name) && !removed.has(name.slice(-26))) throw new Error(`gone without a tombstone: ${name}`);
  }

  /** Waits for nobody. */
  #still(): Storage {
    const { objects, random, times } = this.#world;
    const turn = async (): Promise<void> => undefined;
    return new ScheduledStorage({ objects, random, times, arriving: new Set(), leaving: new Set(), turn }, 'still');
  }

  /** A new process of an actor, with the catalog of those before it. */
  #start(actor: string): Promise<StoredRepository> {
    const started = { storage: new ScheduledStorage(this.#world, actor), process: this.#machines.process(actor) };
    this.#processes.set(actor, started);
    return this.#open(started.storage, actor, started.process);
  }

  /** What is left to do when a process has been killed. @throws any other error */
  async #bury(actor: string, repository: StoredRepository, error: unknown): Promise<undefined> {
    if (!isKilled(error)) throw error;
    this.#figures.killed += 1;
    this.#log.push(`${new Date(this.#machines.time).toISOString()} ${actor} was killed`);
    this.#machines.kill(this.#processes.get(actor)!.process);
    await repository.close().catch(() => undefined);
  }

  /** @param process without one a machine that knows nothing yet */
  #open(storage: Storage, machine: string, process?: ModelProcess): Promise<StoredRepository> {
    if (process === undefined) this.#machines.forgetCatalog(machine);
    return openStoredRepository(storage, {
      catalog: (id) => this.#machines.catalog(machine, id),
      environment: process ?? this.#machines.process(machine),
      workers: 0,
    });
  }
}

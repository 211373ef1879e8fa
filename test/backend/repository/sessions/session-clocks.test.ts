/** Sessions and clocks that are wrong (docs/format.md §6): the writer's, the judge's, the storage's. */
import { describe, expect, it } from 'vitest';
import { listFenced } from '../../../../backend/src/repository/coordination/fencing.ts';
import type { Environment } from '../../../../backend/src/repository/environment.ts';
import type { StoredRepository } from '../../../../backend/src/repository/repository.ts';
import type { ObjectInfo } from '../../../../backend/src/repository/storage/storage.ts';
import { ulid } from '../../../../backend/src/support/ulid.ts';
import { closedAfterEach } from '../support/closing.ts';
import { MemoryStorage } from '../support/memory-storage.ts';
import { BLOCK, backup, createMemoryRepository, GROUP, openMemory, sampleBytes, storeDisk } from '../support/model.ts';
import { World } from '../support/process.ts';

const HOUR = 3600 * 1000;
const YEAR = 365 * 24 * HOUR;
const open = closedAfterEach<StoredRepository>();

/** A storage with a clock of its own. */
class TimedStorage extends MemoryStorage {
  readonly #world: World;
  readonly #times = new Map<string, number>();
  /** How wrong its clock is, ms. */
  skew = 0;
  hasClock = true;

  constructor(world: World) {
    super();
    this.#world = world;
  }

  override async put(name: string, data: Uint8Array): Promise<boolean> {
    const put = await super.put(name, data);
    if (put) this.#times.set(name, this.#world.time + this.skew);
    return put;
  }

  override async list(prefix: string, options: { sizes?: boolean } = {}): Promise<ObjectInfo[]> {
    const found = await super.list(prefix);
    if (!options.sizes || !this.hasClock) return found;
    return found.map((object) => ({ ...object, modifiedAt: this.#times.get(object.name) }));
  }

  async clock(): Promise<number> {
    if (!this.hasClock) throw new Error('must not be asked');
    return this.#world.time + this.skew;
  }
}

async function fixture(options: { clock?: boolean } = {}) {
  const world = new World();
  const storage = new TimedStorage(world);
  if (options.clock === false) {
    storage.hasClock = false;
    (storage as { clock?: unknown }).clock = undefined;
  }
  await (await createMemoryRepository(storage)).close();
  /** @param skew how wrong the machine's clock is; may change */
  const connect = async (machine: string, skew = 0) => {
    const process = world.process(machine);
    const clock = { skew };
    const environment: Environment = { ...process, now: () => process.now() + clock.skew };
    const repository = await openMemory(storage, environment);
    open.push(repository);
    return { repository, process, clock };
  };
  const sessions = (): string[] => [...storage.objects.keys()].filter((name) => name.startsWith('sessions/'));
  return { world, storage, connect, sessions };
}

const prune = async (repository: StoredRepository) => {
  const warnings: string[] = [];
  return { ...(await repository.prune({ warn: (text) => warnings.push(text) })), warnings };
};

/** A writer that stays at work, and garbage that a prune may take beside it. */
async function writing(made: Awaited<ReturnType<typeof fixture>>, skew: number) {
  const { repository: other } = await made.connect('other');
  const { id } = await backup(other, sampleBytes(20 * BLOCK, 1));
  const writer = await made.connect('writer', skew);
  const session = await writer.repository.beginSession();
  const { ref } = await storeDisk(session, sampleBytes(10 * BLOCK, 2), BLOCK);
  await other.removeManifest(id);
  const publish = () => session.publish({ id: ulid(), group: GROUP, createdAt: '', contents: [ref], body: null });
  return { ...writer, session, publish };
}

describe('a session whose writer had a clock years ahead', () => {
  it('blocks no prune for longer than its life after it was last seen, by the clock of the storage', async () => {
    const made = await fixture();
    await writing(made, 10 * YEAR);
    const { repository: pruner } = await made.connect('pruner');
    const first = await prune(pruner);
    expect(first.pendingBytes).toBeGreaterThan(0);
    expect(first.warnings.join()).toMatch(/clocks disagree .* on writer: it ends at 2035.*at most/);
    made.world.time += 24 * HOUR;
    expect((await prune(pruner)).packsDeleted).toBe(0);
    made.world.time += 2 * HOUR;
    const last = await prune(pruner);
    expect(last.packsDeleted).toBeGreaterThan(0);
    expect(last.pendingBytes).toBe(0);
    expect(made.sessions()).toEqual([]);
  });

  it('blocks none either where the storage ran by the same wrong clock, or has none', async () => {
    for (const clock of [true, false]) {
      const made = await fixture({ clock });
      made.storage.skew = 10 * YEAR;
      await writing(made, 10 * YEAR);
      made.storage.skew = 0;
      const { repository: pruner } = await made.connect('pruner');
      expect((await prune(pruner)).packsDeleted).toBe(0);
      made.world.time += 24 * HOUR;
      expect((await prune(pruner)).packsDeleted).toBe(0);
      made.world.time += 2 * HOUR;
      expect((await prune(pruner)).packsDeleted).toBeGreaterThan(0);
      await prune(pruner);
      expect(made.sessions()).toEqual([]);
    }
  });

  it('that is still at work is waited for, and publishes', async () => {
    const made = await fixture();
    const { publish, session } = await writing(made, 10 * YEAR);
    const { repository: pruner } = await made.connect('pruner');
    for (let day = 0; day < 3; day++) {
      made.world.time += 20 * HOUR;
      await (await session.openContent(BLOCK)).finish();
      expect((await prune(pruner)).packsDeleted).toBe(0);
    }
    await publish();
    expect(await pruner.listManifests()).toHaveLength(1);
  });
});

describe('a judge whose clock is wrong', () => {
  it('takes no live session for over, ahead or behind, and says that the clocks disagree', async () => {
    for (const skew of [3 * YEAR, 30 * HOUR, -30 * HOUR, -3 * YEAR]) {
      const made = await fixture();
      const { publish } = await writing(made, 0);
      const { repository: pruner } = await made.connect('pruner', skew);
      const { packsDeleted, warnings } = await prune(pruner);
      expect(packsDeleted).toBe(0);
      expect(warnings.join()).toMatch(/clocks disagree about the session of .* on writer/);
      await publish();
      expect(await pruner.listManifests()).toHaveLength(1);
    }
  });

  it('waits for no session that is over', async () => {
    for (const skew of [3 * YEAR, -3 * YEAR]) {
      const made = await fixture();
      await writing(made, 0);
      made.world.time += 26 * HOUR;
      const { repository: pruner } = await made.connect('pruner', skew);
      expect((await prune(pruner)).packsDeleted).toBeGreaterThan(0);
    }
  });

  it('without a clock of the storage goes by its own: the writer it wrongs is told by whom and by which clock', async () => {
    const made = await fixture({ clock: false });
    const { publish } = await writing(made, 0);
    const { repository: pruner } = await made.connect('pruner', 3 * YEAR);
    await listFenced(pruner.core, '');
    const error = await publish().catch((caught) => caught);
    expect(error).toMatchObject({ code: 'REPOSITORY_SESSION_EXPIRED', data: { treatedAsExpiredBy: 'pruner' } });
    expect(error.message).toMatch(
      /was treated as expired by pruner at 2028-.* by the clock there; it was valid until 2026-01-02.*, and the clock of this machine shows 2026-01-01/,
    );
    expect(error.advice).toContain('Compare the clocks');
    expect(await pruner.listManifests()).toEqual([]);
  });
});

describe('a writer', () => {
  it('whose clock is set back while it works renews its session all the same', async () => {
    const made = await fixture();
    const { publish, session, clock } = await writing(made, 3 * YEAR);
    clock.skew = 0;
    for (let day = 0; day < 3; day++) {
      made.world.time += 20 * HOUR;
      await (await session.openContent(BLOCK)).finish();
      expect((await prune((await made.connect('pruner')).repository)).packsDeleted).toBe(0);
    }
    await publish();
  });

  it('that was fenced and forgotten cannot live again by a renewal', async () => {
    const made = await fixture({ clock: false });
    const { publish, session } = await writing(made, 0);
    const { repository: pruner } = await made.connect('pruner', 3 * YEAR);
    await prune(pruner);
    expect(made.sessions()).toEqual([]);
    made.world.time += 13 * HOUR;
    await expect(session.openContent(BLOCK)).rejects.toMatchObject({ code: 'REPOSITORY_SESSION_EXPIRED' });
    await expect(publish()).rejects.toMatchObject({ code: 'REPOSITORY_SESSION_EXPIRED' });
    await session.close();
    // It leaves packs that no restore point needs, and says that it has ended for whoever finds them.
    expect(made.sessions().filter((name) => name.endsWith('/end'))).toHaveLength(1);
  });
});

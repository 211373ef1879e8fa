/** Machines and processes of a test: who is dead, and what time it is, is the test's to say. */
import { SqliteCatalog } from '../../backend/src/catalog/sqlite-catalog.ts';
import type { Environment } from '../../backend/src/repository/environment.ts';
import type { Catalog } from '../../backend/src/repository/port/catalog.ts';

export interface ModelProcess extends Environment {
  pid: number;
}

export class Machines {
  /** Milliseconds since 1970. */
  time = Date.UTC(2026, 0, 1);
  readonly #dead = new Set<number>();
  readonly #boots = new Map<string, number>();
  readonly #catalogs = new Map<string, Map<string, SqliteCatalog>>();
  #nextPid = 1;
  /** How wrong a machine's clock is, milliseconds. */
  readonly skews = new Map<string, number>();

  process(machine: string): ModelProcess {
    const pid = this.#nextPid++;
    const identity = `${machine} boot ${this.#boots.get(machine) ?? 0}`;
    return {
      pid,
      now: () => {
        this.time += 1;
        return this.time + (this.skews.get(machine) ?? 0);
      },
      identity: () => ({ machine: identity, pid, start: '1' }),
      isDead: (other) => other.machine === identity && this.#dead.has(other.pid),
    };
  }

  kill(process: ModelProcess): void {
    this.#dead.add(process.pid);
  }

  /** All its processes are gone, and those of before cannot be told from another machine's. */
  reboot(machine: string): void {
    this.#boots.set(machine, (this.#boots.get(machine) ?? 0) + 1);
  }

  /** The machine's catalog of a repository: it stays when its processes go. */
  catalog(machine: string, repositoryId: string): Catalog {
    const catalogs = this.#catalogs.get(machine) ?? new Map<string, SqliteCatalog>();
    this.#catalogs.set(machine, catalogs);
    const kept = catalogs.get(repositoryId) ?? new SqliteCatalog(null, repositoryId);
    catalogs.set(repositoryId, kept);
    return new Proxy(kept, {
      get: (target, name) => {
        if (name === 'close') return () => undefined;
        const value = Reflect.get(target, name, target);
        return typeof value === 'function' ? value.bind(target) : value;
      },
    });
  }

  forgetCatalog(machine: string): void {
    for (const catalog of this.#catalogs.get(machine)?.values() ?? []) catalog.close();
    this.#catalogs.delete(machine);
  }

  close(): void {
    for (const machine of [...this.#catalogs.keys()]) this.forgetCatalog(machine);
  }
}

/** Several processes in one test: each has its own identity, and the test says which are dead and what time it is. */
import type { Environment } from '../../../../backend/src/repository/environment.ts';

export class World {
  time = Date.UTC(2026, 0, 1);
  readonly #dead = new Set<number>();
  #next = 1;

  /** A new process. */
  process(machine = 'one'): Environment & { pid: number } {
    const pid = this.#next++;
    return {
      pid,
      now: () => {
        this.time += 1;
        return this.time;
      },
      identity: () => ({ machine, pid, start: '1' }),
      isDead: (identity) => identity.machine === machine && this.#dead.has(identity.pid),
    };
  }

  kill(process: { pid: number }): void {
    this.#dead.add(process.pid);
  }
}

/** A folder of the host where disks are built before they are visible, held by its maker's life. */
import { randomUUID } from 'node:crypto';
import { readdir, rm } from 'node:fs/promises';
import path from 'node:path';
import { HvError, toHvError } from '../../support/errors.ts';
import { createDirectoryDurably, PRIVATE_FOLDER } from '../../support/file.ts';
import type { HostContext } from './context.ts';
import { addGarbage, collectGarbage } from './garbage.ts';
import { absolute } from './layout.ts';
import { HostLock } from './lock.ts';
import { locked } from './locked.ts';
import { planFolder, planLock } from './plan-leftovers.ts';
import type { State } from './state.ts';

export class Staging {
  readonly id: string;
  readonly #ctx: HostContext;
  readonly #lock: HostLock;
  #closed = false;

  private constructor(ctx: HostContext, id: string, lock: HostLock) {
    this.#ctx = ctx;
    this.id = id;
    this.#lock = lock;
  }

  /** Takes the host's lock. @param check runs under the lock, and may throw */
  static open(ctx: HostContext, vmId: string, check: () => void = () => undefined): Promise<Staging> {
    return locked(ctx, async () => {
      check();
      const id = randomUUID();
      const folder = absolute(ctx.root, planFolder(id));
      const lock = new HostLock(planLock(ctx, id));
      try {
        await createDirectoryDurably(folder, PRIVATE_FOLDER);
        if (!lock.tryHold()) throw new HvError('HOST_BUSY', `Another process works in ${folder}`);
        ctx.state.run('INSERT INTO plans VALUES (?, ?, ?)', id, vmId, new Date().toISOString());
      } catch (error) {
        lock.close();
        await rm(folder, { recursive: true, force: true }).catch(() => undefined);
        throw toHvError(error, folder);
      }
      return new Staging(ctx, id, lock);
    });
  }

  /** Path of a file in the folder, relative to the host. */
  relative(name: string): string {
    return `${planFolder(this.id)}/${name}`;
  }

  /** Absolute path of a file in the folder. */
  path(name: string): string {
    return path.join(absolute(this.#ctx.root, planFolder(this.id)), name);
  }

  /** Nothing is built here any more. Within the transaction that makes what was built visible. */
  forget(state: State): void {
    state.run('DELETE FROM plans WHERE id = ?', this.id);
    addGarbage(state, [planFolder(this.id)]);
  }

  /** Lets go of the folder. After {@link forget}. */
  release(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#lock.close();
  }

  /** Removes the folder with everything in it, now or when the host is opened next. Idempotent; never fails. */
  async discard(): Promise<void> {
    if (this.#closed) return;
    // What was built goes first: on a full volume, even to note that it may go takes room.
    await this.#empty();
    this.release();
    await locked(this.#ctx, async () => {
      this.#ctx.state.transaction(() => this.forget(this.#ctx.state));
      await collectGarbage(this.#ctx);
    }).catch(() => undefined);
  }

  /** Removes what lies in the folder, but for the lock. */
  async #empty(): Promise<void> {
    const lock = path.basename(planLock(this.#ctx, this.id));
    const names = await readdir(this.path('')).catch(() => []);
    for (const name of names.filter((each) => each !== lock)) {
      await rm(this.path(name), { recursive: true, force: true }).catch(() => undefined);
    }
  }
}

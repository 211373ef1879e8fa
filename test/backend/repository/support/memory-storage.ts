/** Storages for tests: one in memory, and one that fails or dies at a chosen operation. */

import { damaged } from '../../../../backend/src/repository/errors.ts';
import {
  type ObjectInfo,
  type PutStream,
  requireObjectName,
  type Storage,
} from '../../../../backend/src/repository/storage/storage.ts';
import { HvError } from '../../../../backend/src/support/errors.ts';

export class MemoryStorage implements Storage {
  readonly location = 'memory:';
  readonly objects: Map<string, Buffer>;

  /** @param objects shared between instances that stand for several processes */
  constructor(objects = new Map<string, Buffer>()) {
    this.objects = objects;
  }

  async put(name: string, data: Uint8Array): Promise<boolean> {
    requireObjectName(name);
    if (this.objects.has(name)) return false;
    this.objects.set(name, Buffer.from(data));
    return true;
  }

  async createPut(name: string): Promise<PutStream> {
    requireObjectName(name);
    const chunks: Buffer[] = [];
    return {
      append: async (added) => {
        for (const chunk of added) chunks.push(Buffer.from(chunk));
      },
      commit: () => this.put(name, Buffer.concat(chunks)),
      abort: async () => undefined,
    };
  }

  async get(name: string, limit = Number.POSITIVE_INFINITY): Promise<Buffer> {
    const data = this.#find(name);
    if (data.length > limit) throw damaged('object', name, 'it is too large');
    return Buffer.from(data);
  }

  async read(name: string, offset: number, target: Uint8Array): Promise<void> {
    const data = this.#find(name);
    if (offset + target.length > data.length)
      throw damaged('object', name, 'the object ends here', { offset: data.length });
    target.set(data.subarray(offset, offset + target.length));
  }

  async list(prefix: string): Promise<ObjectInfo[]> {
    return [...this.objects]
      .filter(([name]) => name.startsWith(prefix))
      .map(([name, data]) => ({ name, size: data.length }))
      .sort((a, b) => (a.name < b.name ? -1 : 1));
  }

  async delete(name: string): Promise<void> {
    this.objects.delete(requireObjectName(name));
  }

  async settle(): Promise<void> {}

  async housekeep(): Promise<number> {
    return 0;
  }

  async close(): Promise<void> {}

  #find(name: string): Buffer {
    const data = this.objects.get(requireObjectName(name));
    if (data === undefined) throw new HvError('FILE_NOT_FOUND', `There is no object ${name}`, { data: { path: name } });
    return data;
  }
}

export class Killed extends Error {
  constructor() {
    super('killed by the test');
  }
}

export interface FaultPlan {
  /** Counts changing operations (put, commit, delete) from 1; this one and all operations after it do not return. */
  killAt?: number;
  /** Whether the operation it dies in has taken effect. */
  effective?: boolean;
  /** Asked before each operation; an error it returns is thrown. */
  fail?: (operation: string, name: string, count: number) => Error | undefined;
  /** Called before each operation: a place to interleave other processes. */
  before?: (operation: string, name: string, count: number) => Promise<void> | void;
}

/** Wraps a storage and stands for one process's connection to it. */
export class FaultStorage implements Storage {
  readonly location: string;
  readonly inner: Storage;
  readonly plan: FaultPlan;
  /** Changing operations so far. */
  changes = 0;
  dead = false;
  /** Bytes read through get() and read(). */
  readBytes = 0;

  constructor(inner: Storage, plan: FaultPlan = {}) {
    this.inner = inner;
    this.location = inner.location;
    this.plan = plan;
  }

  put(name: string, data: Uint8Array): Promise<boolean> {
    return this.#change('put', name, () => this.inner.put(name, data));
  }

  async createPut(name: string): Promise<PutStream> {
    this.#alive();
    const stream = await this.inner.createPut(name);
    // Appends count in the order they were called in, however long each is held up.
    let turn: Promise<unknown> = Promise.resolve();
    return {
      append: (chunks) => {
        const appended = Promise.all([this.#ask('append', name), turn]).then(() => stream.append(chunks));
        turn = appended.catch(() => undefined);
        return appended;
      },
      commit: () => this.#change('commit', name, () => stream.commit()),
      abort: () => stream.abort(),
    };
  }

  async get(name: string, limit?: number): Promise<Buffer> {
    await this.#ask('get', name);
    const data = await this.inner.get(name, limit);
    this.readBytes += data.length;
    return data;
  }

  async read(name: string, offset: number, target: Uint8Array): Promise<void> {
    await this.#ask('read', name);
    this.readBytes += target.length;
    await this.inner.read(name, offset, target);
  }

  async list(prefix: string, options?: { sizes?: boolean }): Promise<ObjectInfo[]> {
    await this.#ask('list', prefix);
    return this.inner.list(prefix, options);
  }

  delete(name: string): Promise<void> {
    return this.#change('delete', name, () => this.inner.delete(name));
  }

  settle(name: string): Promise<void> {
    return this.inner.settle(name);
  }

  housekeep(): Promise<number> {
    return this.inner.housekeep();
  }

  async close(): Promise<void> {}

  #alive(): void {
    if (this.dead) throw new Killed();
  }

  async #ask(operation: string, name: string): Promise<void> {
    this.#alive();
    await this.plan.before?.(operation, name, this.changes);
    this.#alive();
    const error = this.plan.fail?.(operation, name, this.changes);
    if (error) throw error;
  }

  async #change<T>(operation: string, name: string, action: () => Promise<T>): Promise<T> {
    this.#alive();
    this.changes += 1;
    if (this.changes === this.plan.killAt) {
      this.dead = true;
      if (this.plan.effective) await action();
      throw new Killed();
    }
    await this.#ask(operation, name);
    return action();
  }
}

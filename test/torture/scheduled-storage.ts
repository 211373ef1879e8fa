/**
 * A storage in memory whose operations wait for their turn, before they happen and before they return. Listings are as
 * the contract allows them at worst: read piece by piece, what is being put or deleted there or not.
 */

import { damaged } from '../../backend/src/repository/errors.ts';
import {
  type ObjectInfo,
  type PutStream,
  requireObjectName,
  type Storage,
} from '../../backend/src/repository/storage/storage.ts';
import { HvError } from '../../backend/src/support/errors.ts';
import { below } from '../fuzz/random.ts';

export interface StorageWorld {
  objects: Map<string, Buffer>;
  /** Put, but the put has not returned. */
  arriving: Set<string>;
  /** Deleted, but the delete has not returned; and whoever listed when it was called. */
  leaving: Set<string>;
  random: () => number;
  /** When each object was put, by the storage's own clock; absent where it has none. */
  times?: { put: Map<string, number>; now: () => number };
  turn(actor: string): Promise<void>;
  /** Told of every put before it waits for its turn. */
  about?(name: string, actor: string): void;
  /** Told of every change when it has happened; may wait, nobody else goes on meanwhile. */
  changed?(change: 'put' | 'delete', name: string, actor: string): Promise<void>;
}

/** The process that asked is dead. */
class Killed extends Error {}

/** Whether an error comes of that: some layers put it into one of their own. */
export const isKilled = (error: unknown): boolean =>
  error instanceof Killed || (error instanceof Error && isKilled(error.cause));

export class ScheduledStorage implements Storage {
  readonly location = 'memory:';
  readonly #world: StorageWorld;
  readonly #actor: string;
  /** Turns that its process has left. */
  #life = Number.POSITIVE_INFINITY;

  readonly clock?: () => Promise<number>;

  constructor(world: StorageWorld, actor: string) {
    this.#world = world;
    this.#actor = actor;
    const { times } = world;
    if (times === undefined) return;
    this.clock = async () => {
      await this.#turn();
      return times.now();
    };
  }

  /** Its process is killed in so many turns: 1 is before whatever it waits for has happened, 2 may be after that. */
  die(turns: number): void {
    this.#life = Math.min(this.#life, turns);
  }

  async put(name: string, data: Uint8Array): Promise<boolean> {
    const { objects, arriving, leaving } = this.#world;
    requireObjectName(name);
    const bytes = Buffer.from(data);
    this.#world.about?.(name, this.#actor);
    await this.#turn();
    const taken = objects.has(name);
    if (!taken) {
      objects.set(name, bytes);
      this.#world.times?.put.set(name, this.#world.times.now());
      arriving.add(name);
      leaving.delete(name);
      await this.#world.changed?.('put', name, this.#actor);
    }
    // Told that a name is taken, the caller may rely on it: as the contract says, it is then there for good.
    await this.#turn().finally(() => arriving.delete(name));
    return !taken;
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
    await this.#turn();
    const data = this.#find(name);
    if (data.length > limit) throw damaged('object', name, 'it is too large');
    return Buffer.from(data);
  }

  async read(name: string, offset: number, target: Uint8Array): Promise<void> {
    await this.#turn();
    const data = this.#find(name);
    if (offset + target.length > data.length)
      throw damaged('object', name, 'the object ends here', { offset: data.length });
    target.set(data.subarray(offset, offset + target.length));
  }

  async list(prefix: string): Promise<ObjectInfo[]> {
    await this.#turn();
    const { objects, arriving, leaving, random } = this.#world;
    // In pieces by name, in any order, each as it is at its own time.
    const pieces = 1 + below(random, 3);
    const found = new Map<string, ObjectInfo>();
    for (let piece = 0; piece < pieces; piece++) {
      for (const [name, data] of objects)
        if (name.startsWith(prefix) && hash(name) % pieces === piece && (!arriving.has(name) || random() < 0.5))
          found.set(name, { name, size: data.length, modifiedAt: this.#world.times?.put.get(name) });
      for (const name of leaving)
        if (name.startsWith(prefix) && hash(name) % pieces === piece && random() < 0.5) found.set(name, { name });
      if (piece < pieces - 1) await this.#turn();
    }
    return [...found.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
  }

  async delete(name: string): Promise<void> {
    requireObjectName(name);
    await this.#turn();
    if (this.#world.objects.delete(name)) {
      this.#world.leaving.add(name);
      await this.#world.changed?.('delete', name, this.#actor);
    }
    await this.#turn().finally(() => this.#world.leaving.delete(name));
  }

  async settle(name: string): Promise<void> {
    await this.#turn();
    this.#world.arriving.delete(name);
  }

  async housekeep(): Promise<number> {
    return 0;
  }

  async close(): Promise<void> {}

  async #turn(): Promise<void> {
    await this.#world.turn(this.#actor);
    if (--this.#life <= 0) throw new Killed(`${this.#actor} was killed`);
  }

  #find(name: string): Buffer {
    const data = this.#world.objects.get(requireObjectName(name));
    if (data === undefined) throw new HvError('FILE_NOT_FOUND', `There is no object ${name}`, { data: { path: name } });
    return data;
  }
}

/** Which piece of a listing a name falls into. */
function hash(name: string): number {
  let sum = 7;
  for (let i = 0; i < name.length; i++) sum = (sum * 31 + name.charCodeAt(i)) >>> 0;
  return sum;
}

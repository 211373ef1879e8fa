/** A storage that stumbles: calls fail as a share's do, before or after they took effect. */

import type { PatienceClock } from '../../../../backend/src/repository/storage/retrying/patience.ts';
import type { ObjectInfo, PutStream, Storage } from '../../../../backend/src/repository/storage/storage.ts';
import { toHvError } from '../../../../backend/src/support/errors.ts';

/** The system's error as a storage reports it. */
export const stumble = (code: string, syscall = 'read') =>
  toHvError(Object.assign(new Error(code), { code, syscall, errno: -1 }), 'object');

export type Verdict = { errno: string; after?: boolean } | undefined;

export class StumblingStorage implements Storage {
  readonly location: string;
  readonly inner: Storage;
  /** Asked at each call. */
  verdict: (operation: string, name: string) => Verdict;
  calls = 0;

  constructor(inner: Storage, verdict: StumblingStorage['verdict'] = () => undefined) {
    this.inner = inner;
    this.location = inner.location;
    this.verdict = verdict;
  }

  put(name: string, data: Uint8Array): Promise<boolean> {
    return this.#call('put', name, () => this.inner.put(name, data));
  }
  async createPut(name: string): Promise<PutStream> {
    const stream = await this.#call('createPut', name, () => this.inner.createPut(name));
    // As of a real one, what is appended before a failure is not to be relied on.
    let failed = false;
    return {
      append: async (chunks) => {
        const copies = chunks.map((chunk) => Buffer.from(chunk));
        const verdict = this.#ask('append', name);
        const added = stream.append(copies);
        if (verdict === undefined) return added;
        failed = true;
        throw stumble(verdict.errno, 'write');
      },
      commit: () => {
        if (failed) throw new Error('commit() of a stream that failed');
        return this.#call('commit', name, () => stream.commit());
      },
      abort: () => stream.abort(),
    };
  }
  get(name: string, limit?: number): Promise<Buffer> {
    return this.#call('get', name, () => this.inner.get(name, limit));
  }
  read(name: string, offset: number, target: Uint8Array): Promise<void> {
    return this.#call('read', name, () => this.inner.read(name, offset, target));
  }
  list(prefix: string, options?: { sizes?: boolean }): Promise<ObjectInfo[]> {
    return this.#call('list', prefix, () => this.inner.list(prefix, options));
  }
  delete(name: string): Promise<void> {
    return this.#call('delete', name, () => this.inner.delete(name));
  }
  settle(name: string): Promise<void> {
    return this.#call('settle', name, () => this.inner.settle(name));
  }
  housekeep(): Promise<number> {
    return this.#call('housekeep', '', () => this.inner.housekeep());
  }
  close(): Promise<void> {
    return this.inner.close();
  }

  #ask(operation: string, name: string): Verdict {
    this.calls += 1;
    return this.verdict(operation, name);
  }

  async #call<T>(operation: string, name: string, action: () => Promise<T>): Promise<T> {
    const verdict = this.#ask(operation, name);
    if (verdict === undefined) return action();
    if (verdict.after) await action();
    throw stumble(verdict.errno);
  }
}

/** A clock that does not wait: time passes by sleeping. */
export class QuickClock implements PatienceClock {
  time = 0;
  now = (): number => this.time;
  sleep = async (ms: number, signal?: AbortSignal): Promise<void> => {
    // Others get their turn.
    await new Promise((resolve) => setImmediate(resolve));
    signal?.throwIfAborted();
    this.time += ms;
  };
}

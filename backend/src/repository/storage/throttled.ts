/** A storage whose reads keep within a rate; everything else goes straight through. */
import type { RateLimiter } from '../../support/rate-limiter.ts';
import type { Storage } from './storage.ts';

/** @param signal ends the waiting */
export function throttledStorage(storage: Storage, limiter: RateLimiter, signal?: AbortSignal): Storage {
  const reading: Pick<Storage, 'read' | 'get'> = {
    read: (name, offset, target) =>
      limiter.pieces(
        target.length,
        (at, length) => storage.read(name, offset + at, target.subarray(at, at + length)),
        signal,
      ),
    get: async (name, limit) => {
      const data = await storage.get(name, limit);
      // How long it is shows only now; the next one waits for it.
      await limiter.take(data.length, signal);
      return data;
    },
  };
  return new Proxy(storage, {
    get(target, key) {
      const value: unknown = Reflect.get(key === 'read' || key === 'get' ? reading : target, key);
      return typeof value === 'function' ? value.bind(target) : value;
    },
  });
}

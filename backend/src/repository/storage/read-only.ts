/** A storage that may be read only: whatever would change it is refused. */
import type { HvError } from '../../support/errors.ts';
import type { Storage } from './storage.ts';

const WRITING: readonly (keyof Storage)[] = ['put', 'createPut', 'delete', 'housekeep'];

/** @param refusal what a write is answered with */
export function readOnlyStorage(storage: Storage, refusal: () => HvError): Storage {
  return new Proxy(storage, {
    get(target, key) {
      if ((WRITING as readonly (string | symbol)[]).includes(key)) return () => Promise.reject(refusal());
      const value: unknown = Reflect.get(target, key);
      return typeof value === 'function' ? value.bind(target) : value;
    },
  });
}

/**
 * Distinguishes one object that cannot be read from a storage that is gone. A bad sector, a folder in the place of a
 * file or missing rights are damage of that object, in every command alike; when the configuration cannot be read
 * either, it is the storage that fails.
 */
import { type HvError, isHvError } from '../../support/errors.ts';
import { damaged } from '../errors.ts';
import { CONFIG_NAME } from '../format/constants.ts';
import { spareOf } from '../format/names.ts';
import type { Storage } from './storage.ts';
import { isOutage } from './stumble.ts';

/** What reading one object may fail with while all others can be read. */
const OF_ONE_OBJECT = ['IO_ERROR', 'ACCESS_DENIED', 'NOT_A_FILE', 'NOT_A_DIRECTORY'] as const;

const KINDS: Record<string, string> = {
  packs: 'pack',
  indexes: 'index',
  manifests: 'manifest',
  removed: 'tombstone',
  keys: 'key',
};

/**
 * @returns the same storage; get() and read() throw REPOSITORY_DAMAGED, with `unreadable` in its data, where only the
 * object fails
 */
export function judgingStorage(storage: Storage): Storage {
  const judge = async (error: unknown, name: string): Promise<never> => {
    if (!isHvError(error, ...OF_ONE_OBJECT) || isOutage(error) || name === CONFIG_NAME) throw error;
    // A bad sector may lie under the configuration as well: then its second copy speaks for the storage.
    const answers = await storage
      .get(CONFIG_NAME)
      .catch(() => storage.get(spareOf(CONFIG_NAME)))
      .then(
        () => true,
        () => false,
      );
    throw answers ? unreadable(name, error) : error;
  };
  const reading: Pick<Storage, 'read' | 'get'> = {
    read: (name, offset, target) => storage.read(name, offset, target).catch((error) => judge(error, name)),
    get: (name, limit) => storage.get(name, limit).catch((error) => judge(error, name)),
  };
  return new Proxy(storage, {
    get(target, key) {
      const value: unknown = Reflect.get(key === 'read' || key === 'get' ? reading : target, key);
      return typeof value === 'function' ? value.bind(target) : value;
    },
  });
}

function unreadable(name: string, cause: HvError): HvError {
  const kind = KINDS[name.slice(0, name.indexOf('/'))] ?? 'document';
  const problem = damaged(kind, name, `it cannot be read: ${cause.message}`, { cause });
  const { errno } = cause.data;
  Object.assign(problem.data, { unreadable: true, ...(errno === undefined ? {} : { errno }) });
  return problem;
}

/**
 * Whether an object is damaged because its bytes cannot be had, now. What it says is not known then, which is another
 * matter than bytes that are there and wrong: it may still hide, hold or keep something.
 */
export const isUnreadable = (error: unknown): error is HvError =>
  isHvError(error, 'REPOSITORY_DAMAGED') && error.data.unreadable === true;

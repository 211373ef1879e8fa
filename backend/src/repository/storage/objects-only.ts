/**
 * A storage in whose listings there are objects alone, and nothing of what others put beside them (foreign-names.ts).
 */
import { folderOf } from '../format/names.ts';
import { isFolderOfObjects, objectsIn } from './foreign-names.ts';
import type { ObjectInfo, Storage } from './storage.ts';

const wrapped = new WeakSet<Storage>();

/** Doing it twice changes nothing. */
export function objectsOnly(storage: Storage): Storage {
  if (wrapped.has(storage)) return storage;
  const own = {
    list: async (prefix: string, options?: { sizes?: boolean }) => onlyObjects(await storage.list(prefix, options)),
    folders: storage.folders && (async (prefix: string) => onlyTheirs(await storage.folders!(prefix))),
  };
  // Asked for with each read.
  const bound = new Map<string | symbol, unknown>();
  const proxy = new Proxy(storage, {
    get(target, key) {
      if (bound.has(key)) return bound.get(key);
      const value: unknown = key in own ? own[key as keyof typeof own] : Reflect.get(target, key);
      if (typeof value !== 'function') return value;
      const method = value.bind(target);
      bound.set(key, method);
      return method;
    },
  });
  wrapped.add(proxy);
  return proxy;
}

/** What lies right in the repository is left as it is: names there that are not known may be of later software. */
function onlyObjects(listed: ObjectInfo[]): ObjectInfo[] {
  let folder = '';
  // Judged once a folder: there may be hundreds of thousands of names.
  let isObject = objectsIn(folder);
  return listed.filter(({ name }) => {
    const end = name.lastIndexOf('/') + 1;
    if (end !== folder.length || !name.startsWith(folder)) {
      folder = folderOf(name);
      isObject = isFolderOfObjects(folder) ? objectsIn(folder) : () => false;
    }
    return end === 0 || isObject(name.slice(end));
  });
}

/** Joined ids of restore points. */
const IDS = /^[0-9A-Z/]*$/;

/** @param found as `Storage.folders` returns it. Whether a name is a file's is not known here */
function onlyTheirs(found: Map<string, string>): Map<string, string> {
  const theirs = new Map<string, string>();
  for (const [folder, text] of found) {
    if (!isFolderOfObjects(folder)) continue;
    const names = IDS.test(text) ? text : text.split('/').filter(objectsIn(folder)).join('/');
    if (names !== '') theirs.set(folder, names);
  }
  return theirs;
}

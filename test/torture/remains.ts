/** What prune must leave when all restore points were removed. */

/** The configuration, its second copy, the keys, those of interrupted creations, and tombstones. */
const REMAINS = /^((spare\/)?hvbackup-repository\.json$|removed\/|keys\/|quarantine\/keys\/)/;

/**
 * @param names of all objects of a repository.
 * @returns garbage; what the ledger says of points that have a tombstone is none
 */
export function garbageAmong(names: readonly string[]): string[] {
  const all = new Set(names);
  const isNoted = (name: string): boolean => {
    const id = /^ledger\/[^/]+\/([0-9A-Z]{26})/.exec(name)?.[1];
    return id !== undefined && all.has(`removed/${id}`);
  };
  const isCopy = (name: string): boolean => name.startsWith('spare/keys/') && all.has(name.slice('spare/'.length));
  return names.filter((name) => !REMAINS.test(name) && !isNoted(name) && !isCopy(name));
}

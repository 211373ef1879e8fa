/**
 * What others put into a repository's folders. NAS boxes, Explorer, sync tools and people leave files and folders
 * anywhere: they are no concern of ours. But an object that was renamed (an encrypting virus, a file system that
 * folds case, a virus scanner) is one that is missing, and nothing may be deleted because of that. One judgement for
 * all: ours, foreign, or doubtful.
 *
 * Through {@link objectsOnly}, as the core of a repository sees its storage, `list` returns what is ours alone, so that
 * callers that list objects need not handle the others; what is there besides is asked for with {@link foreignNames}.
 */
import { Folder } from '../format/names.ts';
import { type FolderNames, namesIn } from './folder-names.ts';
import { isSegment, type Storage, type StorageEntry } from './storage.ts';

export interface ForeignEntry extends StorageEntry {
  /** Of the repository, `/` between. */
  path: string;
  /**
   * Doubtful: it resembles an object of the folder that is not there under its own name. Foreign: it does not, or that
   * is there too.
   */
  verdict: 'foreign' | 'doubtful';
  /** For people. */
  reason: string;
}

/** What others leave whatever it is named after. */
const NEVER_OURS: readonly [RegExp, string][] = [
  [
    /^(desktop\.ini|thumbs\.db|ehthumbs(_vista)?\.db|\$recycle\.bin|recycler|system volume information)$/i,
    'of Windows',
  ],
  [/^(\._.*|\.ds_store|icon\r|\.(trashes|spotlight-v100|fseventsd|temporaryitems|appledouble|apdisk))$/is, 'of macOS'],
  [/^(@.*|#recycle|#snapshot|\.@.*)$/i, 'of a NAS'],
  [
    /^(\.snapshots?|~snapshot|\.zfs|lost\+found|\.trash-\d+|\.nfs[0-9a-f]+|\.smbdelete.*|\.fuse_hidden.*)$/i,
    'of the file system',
  ],
  [/^(\.~lock\..*#|~\$.*)$/s, 'of an office program'],
  [/^(\.sync|\.stfolder|\.stversions|\.stignore|\.dropbox.*|\.owncloud.*|\.csync.*)$/i, 'of a sync tool'],
];

/** Whether it can be a name of an object, or of a folder of objects, anywhere. */
export const mayBeOurs = (name: string): boolean => isSegment(name) && foreignReason(name) === undefined;

/** @param names of the folder it lies in; undefined where any may lie */
function isOurs(names: FolderNames | undefined, { name, kind }: StorageEntry): boolean {
  if (names === undefined) return kind !== 'other' && mayBeOurs(name);
  return names.forms.some((form) => form.kind === kind && form.isName(name));
}

/**
 * Whether objects lie there. Doubtful folders count, so that what lies in them shows as damage of its own.
 * @param folder `/` at its end
 */
export function isFolderOfObjects(folder: string): boolean {
  const parts = folder.split('/').slice(0, -1);
  return parts.every((name, i) => {
    const names = i === 0 ? undefined : namesIn(`${parts.slice(0, i).join('/')}/`);
    if (names === undefined) return mayBeOurs(name);
    const entry: StorageEntry = { name, kind: 'folder' };
    return isOurs(names, entry) || (mayBeOurs(name) && judge(entry, names, new Set()).verdict === 'doubtful');
  });
}

/**
 * Which names are those of objects, for a folder with very many. @param folder one of objects
 * @returns whether a name in it is one
 */
export function objectsIn(folder: string): (name: string) => boolean {
  const names = namesIn(folder);
  if (names === undefined) return mayBeOurs;
  const forms = names.forms.filter(({ kind }) => kind === 'file');
  return (name) => forms.some((form) => form.isName(name));
}

const hasFolders = (names: FolderNames): boolean => names.forms.some(({ kind }) => kind === 'folder');

/**
 * Judges all that lies in one folder.
 * @param folder within the repository, `/` at its end; '' for the repository itself
 * @param entries everything in it
 * @returns what is not ours
 */
export function judgeFolder(folder: string, entries: readonly StorageEntry[]): ForeignEntry[] {
  const names = namesIn(folder);
  // A link to another disk may stand for a folder at the top.
  const isKept = (entry: StorageEntry): boolean =>
    isOurs(names, entry) || (folder === '' && entry.kind === 'other' && isOurs(names, { ...entry, kind: 'folder' }));
  const others = entries.filter((entry) => !isKept(entry));
  if (others.length === 0) return [];
  const ours = new Set(entries.filter(isKept).map(({ name }) => name));
  return others.map((entry) => ({ ...entry, path: folder + entry.name, ...judge(entry, names, ours) }));
}

function judge(
  { name, kind }: StorageEntry,
  names: FolderNames | undefined,
  ours: ReadonlySet<string>,
): Pick<ForeignEntry, 'verdict' | 'reason'> {
  const known = foreignReason(name);
  if (known !== undefined) return { verdict: 'foreign', reason: known };
  if (names === undefined) return { verdict: 'foreign', reason: 'no name of an object' };
  const verdict = names.matters ? 'doubtful' : 'foreign';
  for (const form of names.forms) {
    if (form.isName(name)) return { verdict, reason: `${aKind(kind)} where ${aKind(form.kind)} belongs` };
    // A renamed file is still a file.
    if (form.kind !== kind) continue;
    const meant = form.within(name);
    // All that it may have come from has to be missing: of ids that overlap, only one is meant.
    if (meant.some((one) => ours.has(one)))
      return { verdict: 'foreign', reason: 'something beside an object that is there' };
    if (meant.length > 0) return { verdict, reason: `it resembles ${meant[0]}, which is not there under its own name` };
    if (!form.isCut?.(name)) continue;
    if ([...ours].some((one) => one.startsWith(name)))
      return { verdict: 'foreign', reason: 'it is named like the beginning of an object that is there' };
    return { verdict, reason: 'it looks like a name of an object that was cut short' };
  }
  return { verdict: 'foreign', reason: 'no name of an object' };
}

const aKind = (kind: StorageEntry['kind']): string =>
  kind === 'file' ? 'a file' : kind === 'folder' ? 'a folder' : 'something else';

function foreignReason(name: string): string | undefined {
  const found = NEVER_OURS.find(([pattern]) => pattern.test(name));
  return found && `left there by others: ${found[1]}`;
}

/** Folders that are looked at with all that lies below them. */
const TREES = ['', ...Object.values(Folder).filter((folder) => folder !== Folder.quarantine)];

/**
 * All that is not ours in `folder` and in the folders of objects below it. What lies in foreign folders is not looked
 * at.
 * @param folder as for {@link judgeFolder}; '' looks at the top alone, {@link everyForeignName} at everything
 */
export async function foreignNames(storage: Storage, folder: string): Promise<ForeignEntry[]> {
  const entries = (await storage.entries?.(folder)) ?? [];
  const found = judgeFolder(folder, entries);
  if (folder === '') return found;
  const names = namesIn(folder);
  if (names === undefined || !hasFolders(names)) return found;
  for (const entry of entries)
    if (entry.kind === 'folder' && isOurs(names, entry))
      found.push(...(await foreignNames(storage, `${folder}${entry.name}/`)));
  return found;
}

/** All that is not ours in a repository, but below `tmp/` and `quarantine/`, where anything may lie. */
export async function everyForeignName(storage: Storage): Promise<ForeignEntry[]> {
  const found: ForeignEntry[] = [];
  for (const folder of TREES) found.push(...(await foreignNames(storage, folder)));
  return found;
}

/**
 * Names of the objects in a repository (docs/format.md §2): built and taken apart here and nowhere else, which
 * `npm run check` holds. A parser returns null for what is no name of its kind. Which names a folder may hold at all is
 * in storage/folder-names.ts: listings of a repository give no others.
 */
import { isUlid } from '../../support/ulid.ts';
import { isHash, isRandomId } from './ids.ts';

/** What lies at the top, each with the `/` that listings take. */
export const Folder = {
  spares: 'spare/',
  features: 'features/',
  keys: 'keys/',
  packs: 'packs/',
  indexes: 'indexes/',
  manifests: 'manifests/',
  ledger: 'ledger/',
  removed: 'removed/',
  holds: 'holds/',
  chains: 'chains/',
  jobs: 'jobs/',
  sessions: 'sessions/',
  marks: 'marks/',
  damaged: 'damaged/',
  quarantine: 'quarantine/',
} as const;

/** The folder that an object lies in, `/` at its end. */
export const folderOf = (name: string): string => name.slice(0, name.lastIndexOf('/') + 1);
export const lastPart = (name: string): string => name.slice(name.lastIndexOf('/') + 1);
/** A folder as a path of its own. */
export const withoutSlash = (folder: string): string => folder.slice(0, -1);

/** Numbers sort as text. */
const digits = (number: number): string => String(number).padStart(8, '0');

/** @returns null when it does not lie there */
const below = (folder: string, name: string): string | null =>
  name.startsWith(folder) ? name.slice(folder.length) : null;

/** Second copy of `hvbackup-repository.json` or of a key object (§2.5); of a folder, where its copies lie. */
export const spareOf = (name: string): string => Folder.spares + name;
export const originalOf = (spare: string): string | null => below(Folder.spares, spare);

export const parseFeatureName = (name: string): string | null => below(Folder.features, name);

/** @param id of the key, or its beginning */
export const keyObjectName = (id: string): string => Folder.keys + id;

export function parseKeyName(name: string): string | null {
  const id = below(Folder.keys, name);
  return id !== null && isRandomId(id) ? id : null;
}

/** @param id of a pack, or its first two digits */
export const packFolder = (id: string): string => `${Folder.packs}${id.slice(0, 2)}/`;
export const packName = (id: string): string => packFolder(id) + id;

/** @returns the pack's id. In another folder than its own it is no pack */
export function parsePackName(name: string): string | null {
  const id = lastPart(name);
  return isRandomId(id) && name === packName(id) ? id : null;
}

/** @param hash SHA-256 of the index, hex */
export const indexName = (hash: string): string => Folder.indexes + hash;

export function parseIndexName(name: string): string | null {
  const hash = below(Folder.indexes, name);
  return hash !== null && isHash(hash) ? hash : null;
}

/** @param folder the group, or in an encrypted repository what hides it (§7) */
export const manifestFolder = (folder: string): string => `${Folder.manifests}${folder}/`;
export const manifestName = (folder: string, point: string): string => manifestFolder(folder) + point;

export function isManifestName(name: string): boolean {
  const slash = name.indexOf('/', Folder.manifests.length);
  return name.startsWith(Folder.manifests) && slash > Folder.manifests.length && isUlid(name.slice(slash + 1));
}

/** Id of the restore point in the name of its manifest. */
export const pointIdOf = lastPart;
/** What the manifest's folder is called; '' for that of all manifests. */
export const pointFolderOf = (manifest: string): string => manifest.split('/')[1] ?? '';

/**
 * A point that was published again under its id, as a copy after a removal is, has `<id>.2`, `<id>.3`, … as well.
 * @param manifest its name
 * @param publication from 1
 */
export const ledgerName = (manifest: string, publication: number): string =>
  `${Folder.ledger}${manifest.slice(Folder.manifests.length)}${publication === 1 ? '' : `.${publication}`}`;

const ENTRY = /^([^/]+)\/([0-9A-Z]{26})(?:\.([2-9]|[1-9]\d{1,5}))?$/;

/** @returns name of the manifest that the entry is about */
export function manifestOfEntry(name: string): string | null {
  const [, folder, id] = ENTRY.exec(below(Folder.ledger, name) ?? '') ?? [];
  return folder !== undefined && id !== undefined && isUlid(id) ? manifestName(folder, id) : null;
}

export const tombstoneName = (point: string): string => Folder.removed + point;

export function parseTombstoneName(name: string): string | null {
  const point = below(Folder.removed, name);
  return point !== null && isUlid(point) ? point : null;
}

const NUMBERED = /^([^/]+)\/(\d{8,12})$/;

function parseNumbered(folder: string, name: string): { of: string; number: number } | null {
  const [, of, number] = NUMBERED.exec(below(folder, name) ?? '') ?? [];
  return of === undefined ? null : { of, number: Number(number) };
}

export const holdFolder = (point: string): string => `${Folder.holds}${point}/`;
export const holdName = (point: string, number: number): string => holdFolder(point) + digits(number);
/** @returns `of`: the restore point */
export const parseHoldName = (name: string) => parseNumbered(Folder.holds, name);

/** @param vm id, or in an encrypted repository what hides it (§7) */
export const chainFolder = (vm: string): string => `${Folder.chains}${vm}/`;
export const chainName = (vm: string, number: number): string => chainFolder(vm) + digits(number);
/** @returns `of`: the VM */
export const parseChainName = (name: string) => parseNumbered(Folder.chains, name);

export interface JobKey {
  vmId: string;
  jobId: string;
}
export type JobStep = '1-started' | '2-checkpoint' | '9-ended';

export const jobsFolder = (vmId: string): string => `${Folder.jobs}${vmId}/`;
export const jobFolder = ({ vmId, jobId }: JobKey): string => `${jobsFolder(vmId)}${jobId}/`;
export const jobName = (job: JobKey, step: JobStep): string => jobFolder(job) + step;
export const jobIdOf = (name: string): string | null =>
  /^[^/]+\/([^/]+)\/[^/]+$/.exec(below(Folder.jobs, name) ?? '')?.[1] ?? null;

/**
 * Takes a record, or a folder of records, that lies below a VM's id apart, so that the id can be hidden.
 * @returns `rest` with its `/`, undefined without one
 */
export function parseVmRecord(path: string): { folder: string; vm: string; rest: string | undefined } | null {
  const folder = [Folder.chains, Folder.jobs].find((one) => path.startsWith(one));
  if (folder === undefined) return null;
  const [, vm, rest] = /^([^/]*)(\/.*)?$/s.exec(path.slice(folder.length))!;
  return { folder, vm: vm!, rest };
}

export const sessionFolder = (session: string): string => `${Folder.sessions}${session}/`;
export const renewalName = (session: string, number: number): string => sessionFolder(session) + digits(number);
export const sessionEndName = (session: string): string => `${sessionFolder(session)}end`;
/** @param dead id of the session whose packs it goes on with */
export const claimName = (session: string, dead: string): string => `${sessionFolder(session)}claim-${dead}`;
export const announcementName = (session: string, point: string): string => `${sessionFolder(session)}point-${point}`;
/** @param renewal number of the one that was seen */
export const sightingName = (session: string, renewal: number): string =>
  `${sessionFolder(session)}seen-${digits(renewal)}`;
export const readPinName = (session: string, number: number): string =>
  `${sessionFolder(session)}read-${digits(number)}`;

/** @returns id of the session that an object is of */
export function sessionOf(name: string): string | null {
  const [id, part] = below(Folder.sessions, name)?.split('/') ?? [];
  return id !== undefined && part !== undefined && isRandomId(id) ? id : null;
}

/** @param part a pattern of the last part with one group. @returns what the group matched */
function parseSessionPart(name: string, part: RegExp): string | null {
  return name.startsWith(Folder.sessions) ? (part.exec(lastPart(name))?.[1] ?? null) : null;
}

/** @returns its number */
export function parseRenewalName(name: string): number | null {
  const number = parseSessionPart(name, /^(\d{8})$/);
  return number === null ? null : Number(number);
}

export const isRenewal = (name: string): boolean => parseRenewalName(name) !== null;
/** @returns id of the dead session */
export const parseClaimName = (name: string): string | null => parseSessionPart(name, /^claim-([0-9a-f]{32})$/);
/** @returns id of the restore point */
export const parseAnnouncementName = (name: string): string | null => parseSessionPart(name, /^point-([0-9A-Z]{26})$/);
export const isReadPin = (name: string): boolean => parseSessionPart(name, /^read-(\d{8})$/) !== null;

export const markFolder = (mark: string): string => `${Folder.marks}${mark}/`;
export const markPacksName = (mark: string): string => `${markFolder(mark)}packs`;
export const markWaitingName = (mark: string): string => `${markFolder(mark)}waiting`;
export const markBaseName = (mark: string, point: string): string => `${markFolder(mark)}base-${point}`;

/** @returns id of the mark that an object is of */
export const markOf = (name: string): string | null =>
  /^([^/]+)\/[^/]+$/.exec(below(Folder.marks, name) ?? '')?.[1] ?? null;
export const isMarkPacks = (name: string): boolean => name.startsWith(Folder.marks) && lastPart(name) === 'packs';
export const isMarkBase = (name: string): boolean =>
  name.startsWith(Folder.marks) && /^base-[0-9A-Z]+$/.test(lastPart(name));

/** Which record is damaged: the last part of the name of its damage record. @param at offset in bytes */
export const damageKey = (at: { packId: string; offset: number }): string =>
  `${at.packId}-${at.offset.toString(16).padStart(8, '0')}`;
export const damageName = (key: string): string => Folder.damaged + key;

/** Id of the pack that a key names. */
export const damagedPack = (key: string): string => key.slice(0, 32);

export function parseDamageKey(key: string): { packId: string; offset: number } | null {
  const [, packId, offset] = /^([0-9a-f]{32})-([0-9a-f]{8})$/.exec(key) ?? [];
  return packId === undefined ? null : { packId, offset: Number.parseInt(offset!, 16) };
}

/** @returns the key: {@link damageKey} */
export function parseDamageName(name: string): string | null {
  const key = below(Folder.damaged, name);
  return key !== null && parseDamageKey(key) !== null ? key : null;
}

/** @param name of the object that is kept there. @param copy from 1: there may be other bytes of that name already */
export const quarantineName = (name: string, copy = 1): string =>
  `${Folder.quarantine}${name}${copy === 1 ? '' : `.${copy}`}`;

/**
 * Whether a folder (`/` at its end) goes with what lies in it: that of one session, or of one job. Where folders stay
 * when they are empty, as in a file system, the storage removes these: there would be two more for each backup ever
 * made, each to be listed by the next.
 */
export function isPassing(folder: string): boolean {
  return (
    /^[^/]+\/$/.test(below(Folder.sessions, folder) ?? '') || /^[^/]+\/[^/]+\/$/.test(below(Folder.jobs, folder) ?? '')
  );
}

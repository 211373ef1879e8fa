/** What the names in each folder of a repository look like (docs/format.md §2). */
import { Folder, withoutSlash } from '../format/names.ts';

/** One form that names of a folder take. */
interface NameForm {
  kind: 'file' | 'folder';
  isName(name: string): boolean;
  /** Names of this form that `text` may have come from: in another case, or with something before or behind. */
  within(text: string): string[];
  /** Whether it is a name of this form that lost its end. */
  isCut?(text: string): boolean;
}

export interface FolderNames {
  forms: readonly NameForm[];
  /** Something would be lost with an object of it: what only resembles one is worth a question. */
  matters: boolean;
}

const ULID = '[0-7][0-9A-HJKMNP-TV-Z]{25}';
const HASH = '[0-9a-f]{64}';
const ID = '[0-9a-f]{32}';
const GUID = '[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}';
const IN_CAPITALS = new RegExp(`^(?:${GUID}|${ID})$`, 'i');
const PLAIN = /^[A-Za-z0-9][A-Za-z0-9_-]{0,119}$/;
/** Characters of an id that make it unlikely to be anything else. */
const CUT_LENGTH = 12;

type Kind = NameForm['kind'];

/** Ids are long enough to be found anywhere in a name. @param digits those of the id, for one that is cut */
function idForm(kind: Kind, pattern: string, digits: string, upper = false): NameForm {
  const whole = new RegExp(`^(?:${pattern})$`);
  const cut = new RegExp(`^[${digits}]{${CUT_LENGTH},}$`);
  const inside = new RegExp(`(?=(${pattern}))`, 'gi');
  const fold = (text: string): string => (upper ? text.toUpperCase() : text.toLowerCase());
  return {
    kind,
    isName: (name) => whole.test(name),
    within: (text) => [...text.matchAll(inside)].map((match) => fold(match[1]!)),
    isCut: (text) => cut.test(text),
  };
}

/** Words and numbers are short: only one in another case resembles it, and one with an ending. */
function wordForm(kind: Kind, pattern: string): NameForm {
  const whole = new RegExp(`^(?:${pattern})$`);
  const before = new RegExp(`^(${pattern})(?:[._~-]| \\(|$)`, 'i');
  return {
    kind,
    isName: (name) => whole.test(name),
    within: (text) => [before.exec(text)?.[1]?.toLowerCase() ?? []].flat(),
  };
}

const HEX = '0-9a-f-';
const point = (kind: Kind) => idForm(kind, ULID, '0-9A-HJKMNP-TV-Z', true);
const number = wordForm('file', '\\d{8,12}');
const vm: NameForm[] = [
  idForm('folder', GUID, HEX),
  idForm('folder', ID, HEX),
  // Groups need not be VMs: any plain word. An id in capitals is none of them.
  {
    kind: 'folder',
    isName: (name) => PLAIN.test(name) && !IN_CAPITALS.test(name),
    within: () => [],
  },
];

/** `claim-<id>`: the word in lower case, the id as it is. */
function wordedId(word: string, id: string): NameForm {
  const isUpper = id === ULID;
  const whole = new RegExp(`^(?:${word})-${id}$`);
  const inside = new RegExp(`(${word})-(${id})`, 'i');
  return {
    kind: 'file',
    isName: (name) => whole.test(name),
    within: (text) => {
      const match = inside.exec(text);
      if (match === null) return [];
      return [`${match[1]!.toLowerCase()}-${isUpper ? match[2]!.toUpperCase() : match[2]!.toLowerCase()}`];
    },
  };
}

/** What the ledger says of a restore point that was published again. */
const againForm: NameForm = {
  kind: 'file',
  isName: (name) => new RegExp(`^${ULID}\\.[1-9]\\d{0,5}$`).test(name),
  within: () => [],
};

/** A pack lies in the folder that its first digits name. */
function packsOf(folder: string): FolderNames {
  const form = idForm('file', ID, HEX);
  return { forms: [{ ...form, isName: (name) => form.isName(name) && name.startsWith(folder) }], matters: true };
}

const TOP = [...Object.values(Folder).map(withoutSlash), 'tmp'];

/** By path of the folder; `*` stands for any one name. */
const FOLDERS: ReadonlyMap<string, FolderNames> = new Map([
  [
    '',
    {
      forms: [
        wordForm('file', 'hvbackup-repository\\.json'),
        wordForm('file', 'hvbackup-reserve'),
        wordForm('folder', TOP.join('|')),
      ],
      matters: true,
    },
  ],
  [Folder.features, { forms: [wordForm('file', '[a-z0-9][a-z0-9-]{0,63}')], matters: false }],
  [Folder.keys, { forms: [idForm('file', ID, HEX)], matters: true }],
  // A second copy that is lost is made again.
  [
    Folder.spares,
    {
      forms: [wordForm('file', 'hvbackup-repository\\.json'), wordForm('folder', withoutSlash(Folder.keys))],
      matters: false,
    },
  ],
  [`${Folder.spares}*/`, { forms: [idForm('file', ID, HEX)], matters: false }],
  // A folder of packs that is a file holds none: what is missed is missed as packs.
  [Folder.packs, { forms: [wordForm('folder', '[0-9a-f]{2}')], matters: false }],
  [Folder.indexes, { forms: [idForm('file', HASH, HEX)], matters: true }],
  [Folder.manifests, { forms: vm, matters: true }],
  [`${Folder.manifests}*/`, { forms: [point('file')], matters: true }],
  [Folder.ledger, { forms: vm, matters: true }],
  [`${Folder.ledger}*/`, { forms: [point('file'), againForm], matters: true }],
  [Folder.removed, { forms: [point('file')], matters: true }],
  [Folder.holds, { forms: [point('folder')], matters: true }],
  [`${Folder.holds}*/`, { forms: [number], matters: true }],
  // Lost without harm: the next backup is a full, or cleans up less.
  [Folder.chains, { forms: vm, matters: false }],
  [`${Folder.chains}*/`, { forms: [number], matters: false }],
  [Folder.jobs, { forms: vm, matters: false }],
  [`${Folder.jobs}*/`, { forms: [point('folder')], matters: false }],
  [`${Folder.jobs}*/*/`, { forms: [wordForm('file', '\\d-[a-z]+')], matters: false }],
  [Folder.sessions, { forms: [idForm('folder', ID, HEX)], matters: true }],
  [
    `${Folder.sessions}*/`,
    {
      forms: [
        number,
        wordForm('file', 'end'),
        wordedId('[a-z]+', ID),
        wordedId('[a-z]+', ULID),
        wordedId('read|seen', '\\d{8}'),
      ],
      matters: true,
    },
  ],
  [Folder.marks, { forms: [point('folder')], matters: true }],
  [`${Folder.marks}*/`, { forms: [wordForm('file', 'packs|waiting'), wordedId('[a-z]+', ULID)], matters: true }],
  [Folder.damaged, { forms: [wordForm('file', `${ID}-[0-9a-f]{8}`)], matters: false }],
]);

/** @param folder `/` at its end, '' for the repository itself. @returns undefined where any name may lie */
export function namesIn(folder: string): FolderNames | undefined {
  const [top, ...below] = folder.split('/').slice(0, -1);
  if (top === undefined) return FOLDERS.get('');
  if (`${top}/` === Folder.packs && below.length === 1) return packsOf(below[0]!);
  return FOLDERS.get(`${[top, ...below.map(() => '*')].join('/')}/`);
}

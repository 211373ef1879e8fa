/** What others put into a repository's folders, and what only looks like that. */
import { describe, expect, it } from 'vitest';
import {
  type ForeignEntry,
  isFolderOfObjects,
  judgeFolder,
  objectsIn,
} from '../../../../backend/src/repository/storage/foreign-names.ts';
import type { StorageEntry } from '../../../../backend/src/repository/storage/storage.ts';

const POINT = '01M7Y8YPPQRFXYBQJD2PV3A1GG';
const OTHER = '01M7Y8YRQW9PBSYZKCK71B4116';
const GUID = '8ea9d076-6b32-4f56-a1ef-f3b15a366efc';
const ID = '138e35a19c98a573fb3f72ea29430e9a';
const HASH = '4b899922354e29d8319eb1188555e39fdc410c11569e85a5de8fcf5f1bed24bf';

/** One object of each folder, by its name and kind, and the folder. */
const OBJECTS: readonly [folder: string, name: string, kind: 'file' | 'folder'][] = [
  ['', 'hvbackup-repository.json', 'file'],
  ['', 'manifests', 'folder'],
  ['features/', 'delta', 'file'],
  ['keys/', ID, 'file'],
  ['packs/', '13', 'folder'],
  ['packs/13/', ID, 'file'],
  ['indexes/', HASH, 'file'],
  ['manifests/', GUID, 'folder'],
  ['manifests/', ID, 'folder'],
  [`manifests/${GUID}/`, POINT, 'file'],
  ['ledger/', GUID, 'folder'],
  [`ledger/${GUID}/`, POINT, 'file'],
  ['removed/', POINT, 'file'],
  ['holds/', POINT, 'folder'],
  [`holds/${POINT}/`, '00000001', 'file'],
  ['chains/', GUID, 'folder'],
  [`chains/${GUID}/`, '00000012', 'file'],
  ['jobs/', GUID, 'folder'],
  [`jobs/${GUID}/`, POINT, 'folder'],
  [`jobs/${GUID}/${POINT}/`, '1-started', 'file'],
  ['sessions/', ID, 'folder'],
  [`sessions/${ID}/`, '00000001', 'file'],
  [`sessions/${ID}/`, 'end', 'file'],
  [`sessions/${ID}/`, `claim-${ID}`, 'file'],
  [`sessions/${ID}/`, `point-${POINT}`, 'file'],
  ['marks/', POINT, 'folder'],
  [`marks/${POINT}/`, 'packs', 'file'],
  [`marks/${POINT}/`, 'waiting', 'file'],
  [`marks/${POINT}/`, `base-${POINT}`, 'file'],
  ['damaged/', `${ID}-0000a060`, 'file'],
];

/** Names that are never ours, whatever lies beside them. */
const FOREIGN = [
  'desktop.ini',
  'Desktop.ini',
  'Thumbs.db',
  'ehthumbs.db',
  '.DS_Store',
  '._.DS_Store',
  `._${POINT}`,
  `._${ID}`,
  '.AppleDouble',
  'Icon\r',
  '@eaDir',
  '@SynoResource',
  '@Recycle',
  '@Recently-Snapshot',
  '#recycle',
  '#snapshot',
  '.snapshot',
  '~snapshot',
  'System Volume Information',
  '$RECYCLE.BIN',
  'lost+found',
  '.Trash-1000',
  `~$${POINT}`,
  `.~lock.${HASH}#`,
  '.sync',
  '.stfolder',
  '.nfs000000000123abcd00000001',
  '.fuse_hidden0000001200000001',
  'New folder (2)',
  'Neuer Ordner',
  'Bericht für März.docx',
  'rapport [final].pdf',
  '備份.txt',
  'readme.txt',
  'eicar.com.vir',
  'a:b*c?.tmp',
  'x'.repeat(255),
  'ö'.repeat(127),
  '.',
  ' ',
  '-rf',
];

const judged = (folder: string, ...entries: StorageEntry[]): ForeignEntry[] => judgeFolder(folder, entries);
const file = (name: string): StorageEntry => ({ name, kind: 'file' });

describe('names in the folders of a repository', () => {
  it.each(OBJECTS)('takes %s%s for ours', (folder, name, kind) => {
    expect(judged(folder, { name, kind })).toEqual([]);
    if (folder === '') return;
    expect(isFolderOfObjects(folder)).toBe(true);
    expect(kind === 'file' ? objectsIn(folder)(name) : isFolderOfObjects(`${folder}${name}/`)).toBe(true);
  });

  it.each(FOREIGN)('takes %j for foreign in every folder, as a file and as a folder', (name) => {
    for (const [folder] of OBJECTS)
      for (const kind of ['file', 'folder', 'other'] as const) {
        const [found] = judged(folder, { name, kind });
        expect(found, folder).toMatchObject({ name, kind, path: folder + name, verdict: 'foreign' });
        expect(found?.reason).not.toBe('');
        if (folder !== '')
          expect(objectsIn(folder)(name) || isFolderOfObjects(`${folder}${name}/`), folder).toBe(false);
      }
  });

  it('takes what lies beside the object it is named after for foreign', () => {
    for (const [folder, name, kind] of OBJECTS.filter(([folder]) => !/^(features|damaged|jobs.*)\/$/.test(folder)))
      for (const beside of [
        `${name} (conflicted copy 2026-11-30)`,
        `${name}.bak`,
        `${name}.partial`,
        `${name}.crdownload`,
        `${name}~`,
        `${name}.sync-conflict-20261130-101112-ABCDEF7`,
      ])
        expect(judged(folder, { name, kind }, { name: beside, kind }), folder + beside).toMatchObject([
          { name: beside, verdict: 'foreign' },
        ]);
    expect(
      judged(`manifests/${GUID}/`, file(POINT), file(POINT.toLowerCase()), file(POINT.slice(0, 20))),
    ).toMatchObject([{ verdict: 'foreign' }, { verdict: 'foreign' }]);
  });

  it.each([
    [`manifests/${GUID}/`, `${POINT}.locked`],
    [`manifests/${GUID}/`, `${POINT}.encrypted`],
    [`manifests/${GUID}/`, `${POINT}.bak`],
    [`manifests/${GUID}/`, `${POINT} (conflicted copy 2026-11-30)`],
    [`manifests/${GUID}/`, `[admin@evil.example].${POINT}.id-1A2B`],
    [`manifests/${GUID}/`, `.${POINT}.Xy3abc`],
    [`manifests/${GUID}/`, POINT.toLowerCase()],
    [`manifests/${GUID}/`, POINT.slice(0, 20)],
    [`manifests/${GUID}/`, `${POINT}A`],
    [`ledger/${GUID}/`, `${POINT}.crypt`],
    ['removed/', POINT.toLowerCase()],
    ['keys/', ID.toUpperCase()],
    ['keys/', `${ID}.vir`],
    ['indexes/', HASH.slice(0, 40)],
    ['indexes/', `${HASH}.locked`],
    ['packs/13/', `${ID}.quarantined`],
    ['packs/14/', ID],
    [`holds/${POINT}/`, '00000001.locked'],
    [`sessions/${ID}/`, '00000002.locked'],
    [`sessions/${ID}/`, `POINT-${POINT}`],
    [`sessions/${ID}/`, 'end.locked'],
    [`marks/${POINT}/`, 'packs.locked'],
    [`marks/${POINT}/`, 'WAITING'],
    ['', 'hvbackup-repository.json.locked'],
  ])('takes %s%s for doubtful when the object is not there', (folder, name) => {
    expect(judged(folder, file(name), file('desktop.ini'), file(OTHER))).toContainEqual(
      expect.objectContaining({ path: folder + name, verdict: 'doubtful' }),
    );
    expect(objectsIn(folder)(name)).toBe(false);
  });

  it.each([
    ['', 'Manifests'],
    ['', 'manifests.old'],
    ['manifests/', GUID.toUpperCase()],
    ['manifests/', `${GUID}.locked`],
    ['manifests/', ID.toUpperCase()],
    ['sessions/', `${ID}.locked`],
    ['marks/', POINT.toLowerCase()],
    ['holds/', `${POINT} - Copy`],
  ])('takes the folder %s%s for doubtful', (folder, name) => {
    expect(judged(folder, { name, kind: 'folder' })).toMatchObject([{ verdict: 'doubtful' }]);
  });

  it('takes a folder in the place of an object for doubtful, and a file in the place of a folder of packs for foreign', () => {
    expect(judged(`manifests/${GUID}/`, { name: POINT, kind: 'folder' })).toMatchObject([{ verdict: 'doubtful' }]);
    expect(judged('', { name: 'manifests', kind: 'file' })).toMatchObject([{ verdict: 'doubtful' }]);
    expect(judged('packs/', { name: '3a', kind: 'file' })).toMatchObject([{ verdict: 'foreign' }]);
    // A link to another disk.
    expect(judged('', { name: 'packs', kind: 'other' })).toEqual([]);
  });

  it('has no doubt about what is lost without harm', () => {
    expect(judged(`chains/${GUID}/`, file('00000003.bak'))).toMatchObject([{ verdict: 'foreign' }]);
    expect(judged('damaged/', file(`${ID}-0000a060.bak`))).toMatchObject([{ verdict: 'foreign' }]);
  });

  it('lets anything lie below what is put aside', () => {
    expect(judged(`quarantine/manifests/${GUID}/`, file(`${POINT}.2`))).toEqual([]);
    expect(objectsIn('quarantine/indexes/')(`${HASH}.2`)).toBe(true);
  });
});

/** Names of objects, byte for byte as docs/format.md §2 has them. */
import { expect, it } from 'vitest';
import * as names from '../../../../backend/src/repository/format/names.ts';
import { isFolderOfObjects, objectsIn } from '../../../../backend/src/repository/storage/foreign-names.ts';

const ID = '00112233445566778899aabbccddeeff';
const DEAD = 'ffeeddccbbaa99887766554433221100';
const HASH = 'ab'.repeat(32);
const VM = '11111111-2222-3333-4444-555555555555';
const POINT = '01ARZ3NDEKTSV4RRFFQ69G5FAV';
const JOB = { vmId: VM, jobId: '01BX5ZZKBKACTAV9WEVGEMMVRZ' };
const MANIFEST = `manifests/${VM}/${POINT}`;
const DAMAGE = names.damageKey({ packId: ID, offset: 0x1234 });

const BUILT: [built: string, name: string][] = [
  [names.spareOf('hvbackup-repository.json'), 'spare/hvbackup-repository.json'],
  [names.spareOf(names.keyObjectName(ID)), `spare/keys/${ID}`],
  [names.keyObjectName(ID), `keys/${ID}`],
  [names.packName(ID), `packs/00/${ID}`],
  [names.indexName(HASH), `indexes/${HASH}`],
  [names.manifestName(VM, POINT), MANIFEST],
  [names.ledgerName(MANIFEST, 1), `ledger/${VM}/${POINT}`],
  [names.ledgerName(MANIFEST, 12), `ledger/${VM}/${POINT}.12`],
  [names.tombstoneName(POINT), `removed/${POINT}`],
  [names.holdName(POINT, 7), `holds/${POINT}/00000007`],
  [names.chainName(VM, 123), `chains/${VM}/00000123`],
  [names.jobName(JOB, '2-checkpoint'), `jobs/${VM}/${JOB.jobId}/2-checkpoint`],
  [names.renewalName(ID, 42), `sessions/${ID}/00000042`],
  [names.sessionEndName(ID), `sessions/${ID}/end`],
  [names.claimName(ID, DEAD), `sessions/${ID}/claim-${DEAD}`],
  [names.announcementName(ID, POINT), `sessions/${ID}/point-${POINT}`],
  [names.sightingName(ID, 3), `sessions/${ID}/seen-00000003`],
  [names.readPinName(ID, 0), `sessions/${ID}/read-00000000`],
  [names.markPacksName(POINT), `marks/${POINT}/packs`],
  [names.markWaitingName(POINT), `marks/${POINT}/waiting`],
  [names.markBaseName(POINT, JOB.jobId), `marks/${POINT}/base-${JOB.jobId}`],
  [names.damageName(DAMAGE), `damaged/${ID}-00001234`],
  [names.quarantineName(MANIFEST), `quarantine/${MANIFEST}`],
  [names.quarantineName(MANIFEST, 2), `quarantine/${MANIFEST}.2`],
];

it.each(BUILT)('%s is built, and listings of a repository give it', (built, name) => {
  expect(built).toBe(name);
  const folder = names.folderOf(name);
  expect(isFolderOfObjects(folder) && objectsIn(folder)(names.lastPart(name))).toBe(true);
});

/** Each parser, what it makes of its own names, and names beside those. */
const PARSED: [parse: (name: string) => unknown, own: [string, unknown][], others: string[]][] = [
  [names.originalOf, [[`spare/keys/${ID}`, `keys/${ID}`]], [`keys/${ID}`]],
  [names.parseKeyName, [[`keys/${ID}`, ID]], [`keys/${ID}0`, `spare/keys/${ID}`, ID]],
  [names.parsePackName, [[`packs/00/${ID}`, ID]], [`packs/01/${ID}`, `packs/${ID}`, `packs/00/${ID.toUpperCase()}`]],
  [names.parseIndexName, [[`indexes/${HASH}`, HASH]], [`indexes/${ID}`, HASH]],
  [
    names.manifestOfEntry,
    [
      [`ledger/${VM}/${POINT}`, MANIFEST],
      [`ledger/${VM}/${POINT}.2`, MANIFEST],
      [`ledger/${VM}/${POINT}.999999`, MANIFEST],
    ],
    [`ledger/${VM}/${POINT}.1`, `ledger/${VM}/${POINT}.02`, `ledger/${POINT}`, MANIFEST],
  ],
  [names.parseTombstoneName, [[`removed/${POINT}`, POINT]], [`removed/${VM}`, `removed/${POINT}/1`]],
  [
    names.parseHoldName,
    [[`holds/${POINT}/00000007`, { of: POINT, number: 7 }]],
    [`holds/${POINT}/7`, `chains/${VM}/00000007`],
  ],
  [
    names.parseChainName,
    [[`chains/${VM}/123456789`, { of: VM, number: 123_456_789 }]],
    [`chains/${VM}/x`, `holds/${POINT}/00000007`],
  ],
  [names.jobIdOf, [[`jobs/${VM}/${JOB.jobId}/9-ended`, JOB.jobId]], [`jobs/${VM}/${JOB.jobId}`, `chains/${VM}/1/2`]],
  [names.sessionOf, [[`sessions/${ID}/end`, ID]], [`sessions/${ID}`, `sessions/${POINT}/end`, `marks/${ID}/packs`]],
  [
    names.parseRenewalName,
    [[`sessions/${ID}/00000042`, 42]],
    [`sessions/${ID}/seen-00000042`, `sessions/${ID}/0000042`, `holds/${POINT}/00000042`],
  ],
  [names.parseClaimName, [[`sessions/${ID}/claim-${DEAD}`, DEAD]], [`sessions/${ID}/claim-${POINT}`]],
  [names.parseAnnouncementName, [[`sessions/${ID}/point-${POINT}`, POINT]], [`marks/${ID}/point-${POINT}`]],
  [names.markOf, [[`marks/${POINT}/waiting`, POINT]], [`marks/${POINT}`, `sessions/${ID}/end`]],
  [
    names.parseDamageName,
    [[`damaged/${ID}-00001234`, `${ID}-00001234`]],
    [`damaged/${ID}`, `damaged/${ID}-1234`, `quarantine/${ID}-00001234`],
  ],
  [names.parseDamageKey, [[`${ID}-00001234`, { packId: ID, offset: 0x1234 }]], [ID]],
  [
    names.parseVmRecord,
    [
      [`chains/${VM}/00000001`, { folder: 'chains/', vm: VM, rest: '/00000001' }],
      [`jobs/${VM}`, { folder: 'jobs/', vm: VM, rest: undefined }],
    ],
    [`holds/${POINT}/00000001`],
  ],
];

it.each(PARSED)('%o takes its own names apart, and no others', (parse, own, others) => {
  for (const [name, parsed] of own) expect(parse(name)).toEqual(parsed);
  for (const name of others) expect(parse(name)).toBeNull();
});

it('tells manifests, parts of sessions and of marks, and folders that go with what lies in them', () => {
  const isOne = (name: string) => [
    names.isManifestName(name),
    names.isReadPin(name),
    names.isMarkPacks(name),
    names.isMarkBase(name),
    names.isPassing(names.folderOf(name)),
  ];
  expect(isOne(MANIFEST)).toEqual([true, false, false, false, false]);
  for (const other of [`manifests/${POINT}`, `manifests//${POINT}`, `manifests/${VM}/${VM}`, `${MANIFEST}/x`])
    expect(names.isManifestName(other)).toBe(false);
  expect(isOne(`sessions/${ID}/read-00000001`)).toEqual([false, true, false, false, true]);
  expect(isOne(`marks/${POINT}/packs`)).toEqual([false, false, true, false, false]);
  expect(isOne(`marks/${POINT}/base-${POINT}`)).toEqual([false, false, false, true, false]);
  expect(isOne(`jobs/${VM}/${JOB.jobId}/1-started`)).toEqual([false, false, false, false, true]);
  expect(isOne(`jobs/${VM}/1-started`)).toEqual([false, false, false, false, false]);
  expect([names.pointIdOf(MANIFEST), names.pointFolderOf(MANIFEST), names.pointFolderOf('manifests/')]).toEqual([
    POINT,
    VM,
    '',
  ]);
});

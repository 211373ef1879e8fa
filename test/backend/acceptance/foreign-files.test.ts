/**
 * Files and folders of NAS boxes, Explorer, sync tools and antivirus in every folder of a repository: ignored, and
 * reported.
 */
import { mkdirSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { describe, expect, it } from 'vitest';
import { noise } from '../../fixtures/content.ts';
import { cli, ok } from '../support/cli.ts';
import { scratchForSuite } from '../support/scratch.ts';
import { World } from './world.ts';

const MIB = 1024 * 1024;
const FILES = [
  'desktop.ini',
  'Thumbs.db',
  '.DS_Store',
  '._01ARZ3NDEKTSV4RRFFQ69G5FAV',
  'Icon\r',
  '.nfs000000000123abcd00000001',
  '~$report.docx',
  '.~lock.report.ods#',
  'New Text Document (2).txt',
  'rapport [final].pdf',
  'Bericht für März.docx',
  'readme.txt',
  'backup.partial',
  'setup.exe.crdownload',
  'quarantined_eicar.vir',
  '.owncloudsync.log',
  '-rf',
  'ö'.repeat(127),
  'x'.repeat(255),
];
const FOLDERS = [
  '@eaDir',
  '#recycle',
  '#snapshot',
  '.stfolder',
  'System Volume Information',
  '$RECYCLE.BIN',
  'lost+found',
];

/** All folders of objects, and the repository's own; what lies in `tmp` is nobody's concern. */
function foldersOf(repository: string): string[] {
  const below = readdirSync(repository, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map((entry) => join(entry.parentPath, entry.name));
  return [repository, ...below].filter((folder) => !/^(tmp|quarantine)/.test(relative(repository, folder)));
}

/** @returns paths within the repository */
function litter(repository: string): string[] {
  // Folders that come and go, and some that are not there.
  for (const folder of ['features', 'keys', 'holds', 'marks', 'damaged', 'removed', `sessions/${'ab'.repeat(16)}`])
    mkdirSync(join(repository, folder), { recursive: true });
  const paths: string[] = [];
  for (const folder of foldersOf(repository)) {
    for (const name of FILES) {
      writeFileSync(join(folder, name), `left there: ${name}`);
      paths.push(relative(repository, join(folder, name)));
    }
    for (const name of FOLDERS) {
      mkdirSync(join(folder, name));
      writeFileSync(join(folder, name, 'thumb 1.jpg'), 'inside');
      paths.push(relative(repository, join(folder, name)));
    }
  }
  return paths;
}

describe.each([undefined, 'geheim'])('foreign files in every folder (passphrase: %s)', async (passphrase) => {
  const folder = await scratchForSuite('foreign');

  it('change nothing for any command, and check reports them', { timeout: 600_000 }, async () => {
    const world = await World.create(join(folder, 'world'), { passphrase });
    world.vm('guest', await world.rawImage(noise(2 * MIB, 1)));
    const first = world.backup('guest').restorePointId;
    await world.write('guest', 0, MIB, noise(65536, 2));
    const second = world.backup('guest', '--hold').restorePointId;
    await world.write('guest', 0, 0, noise(65536, 3));
    const third = world.backup('guest').restorePointId;
    world.remove(third);
    const [hash] = await world.hashes(second);

    const of = ['--repository', world.repository, ...world.secret];
    const stats = ok(['stats', ...of], world);
    const listed = world.points();
    const litterPaths = litter(world.repository);
    // Where a folder of packs would be: a file.
    const free = Array.from({ length: 256 }, (_, i) => i.toString(16).padStart(2, '0'));
    const there = new Set(readdirSync(join(world.repository, 'packs')));
    for (const name of free.filter((one) => !there.has(one)).slice(0, 60)) {
      writeFileSync(join(world.repository, 'packs', name), 'a file');
      litterPaths.push(`packs/${name}`);
    }

    const check = cli(['check', ...of], world);
    expect([check.json.damages, check.status]).toEqual([[], 0]);
    expect(check.json.foreign.length + check.json.moreForeign).toBe(litterPaths.length);
    for (const { path } of check.json.foreign) expect(litterPaths).toContain(path);

    expect(ok(['stats', ...of], world)).toEqual(stats);
    expect(world.points()).toEqual(listed);
    if (passphrase !== undefined) expect(ok(['repository', 'key', 'list', ...of], world).keys).toHaveLength(1);
    expect(ok(['repair', ...of, '--dry-run'], world)).toMatchObject({ ok: true, quarantined: [], packsIndexed: 0 });
    expect(await world.hashes(second)).toEqual([hash]);

    // At work: a backup of the VM, of another one, retention, removal, copy, repair.
    await world.write('guest', 0, 0, noise(65536, 4));
    const fourth = world.backup('guest');
    expect(fourth.warnings).toEqual([]);
    const to = join(folder, 'second');
    ok(['repository', 'create', to], world);
    const copy = ['copy', ...of, '--to', to];
    expect(ok(copy, world)).toMatchObject({ copied: 3, failed: 0 });
    litter(to);
    expect(ok(copy, world)).toMatchObject({ copied: 0, skipped: 3, failed: 0 });
    expect(ok(['prune', ...of, '--keep-last', '1'], world).removed).toBe(1);
    expect(world.points().map(({ id }) => id)).toEqual([second, fourth.restorePointId]);
    ok(['hold', ...of, '--point', second, '--release'], world);
    world.remove(second);
    expect(ok(['repair', ...of], world)).toMatchObject({ ok: true, quarantined: [] });
    expect(world.verify()).toBe(true);
    expect(first).not.toBe(second);
    // None of it was touched.
    for (const path of litterPaths) expect(statSync(join(world.repository, path))).toBeDefined();
  });

  it('are damage when an object may be behind a name', async () => {
    const world = await World.create(join(folder, 'renamed'), { passphrase });
    world.vm('guest', await world.rawImage(noise(MIB, 1)));
    world.backup('guest');
    const of = ['--repository', world.repository, ...world.secret];
    const removed = join(world.repository, 'removed');
    mkdirSync(removed, { recursive: true });
    writeFileSync(join(removed, '01arz3ndektsv4rrffq69g5fav'), 'in lower case');
    const check = cli(['check', ...of], world);
    expect(check.status).toBe(4);
    expect(check.json.damages).toContainEqual(
      expect.objectContaining({ object: 'listing', path: 'removed/01arz3ndektsv4rrffq69g5fav' }),
    );
    rmSync(removed, { recursive: true });
    expect(cli(['check', ...of], world).status).toBe(0);
  });
});

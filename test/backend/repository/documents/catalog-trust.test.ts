/**
 * The catalog's manifests are a hint: a row that says something else than the repository decides over nothing but is
 * replaced.
 */
import { copyFileSync, existsSync, readdirSync, renameSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { describe, expect, it } from 'vitest';
import { RowProof } from '../../../../backend/src/repository/documents/row-proof.ts';
import { noise } from '../../../fixtures/content.ts';
import { World } from '../../acceptance/world.ts';
import { cli, ok } from '../../support/cli.ts';
import { scratchForEach } from '../../support/scratch.ts';
import { sha256 } from '../support/model.ts';

const scratch = scratchForEach('catalog-trust');
const SIZE = 2 << 20;

async function twoVms(folder: string) {
  const world = await World.create(folder);
  const points: string[] = [];
  for (const [i, name] of ['alpha', 'beta'].entries()) {
    world.vm(name, await world.rawImage(noise(SIZE, i + 1)));
    points.push(world.backup(name).restorePointId);
  }
  ok(['list', '--repository', world.repository], world);
  const catalogs = join(world.state, 'catalogs');
  const catalog = join(catalogs, readdirSync(catalogs).find((name) => name.endsWith('.sqlite'))!);
  return {
    world,
    alpha: points[0]!,
    beta: points[1]!,
    catalog,
    hashes: [1, 2].map((seed) => sha256(noise(SIZE, seed))),
  };
}

/** Gives alpha's row the disks of beta, with all else that is believed beside it. */
function exchange(catalog: string, alpha: string, beta: string): void {
  const database = new DatabaseSync(catalog);
  const rows = database.prepare('SELECT * FROM manifests').all() as { path: string; json: string }[];
  const [a, b] = [alpha, beta].map((id) => rows.find(({ path }) => path.endsWith(id))!) as [
    (typeof rows)[0],
    (typeof rows)[0],
  ];
  const [from, to] = [JSON.parse(b.json), JSON.parse(a.json)];
  const json = JSON.stringify({ ...to, contents: from.contents, body: { ...to.body, disks: from.body.disks } });
  database.prepare('UPDATE manifests SET json = ? WHERE path = ?').run(json, a.path);
  database.prepare("UPDATE digests SET json = replace(json, 'alpha', 'gamma')").run();
  database.exec('PRAGMA wal_checkpoint(TRUNCATE)');
  database.close();
}

describe('a catalog that somebody edited', () => {
  it('is not what list, show, verify, export, copy and the next incremental go by; check reports it, once', async () => {
    const { world, alpha, beta, catalog, hashes } = await twoVms(await scratch());
    const edit = () => exchange(catalog, alpha, beta);

    edit();
    const listed = ok(['list', '--repository', world.repository], world);
    expect(listed.points.map((point: { vmName: string }) => point.vmName)).toEqual(['alpha', 'beta']);
    expect(listed.warnings.join()).toMatch(new RegExp(`catalog held something else for restore point ${alpha}`));

    edit();
    expect(await world.hashes(alpha)).toEqual([hashes[0]]);

    edit();
    const checked = cli(['check', '--repository', world.repository], world);
    expect(checked.status).toBe(4);
    expect(checked.json.damages).toEqual([
      expect.objectContaining({ object: 'catalog', message: expect.stringContaining(alpha) }),
    ]);
    expect(cli(['check', '--repository', world.repository], world).status).toBe(0);

    edit();
    const second = world.with(join(world.folder, 'second'));
    ok(['repository', 'create', second.repository], world);
    ok(['copy', '--repository', world.repository, '--to', second.repository], world);
    expect(await second.hashes(alpha)).toEqual([hashes[0]]);

    edit();
    await world.write('alpha', 0, 0, Buffer.alloc(4096, 9));
    const next = world.backup('alpha');
    const expected = noise(SIZE, 1);
    expected.fill(9, 0, 4096);
    expect([next.mode, await world.hashes(next.restorePointId)]).toEqual(['incremental', [sha256(expected)]]);
  });

  it('by way of a log that was put beside it', async () => {
    const { world, alpha, beta, catalog, hashes } = await twoVms(await scratch());
    const evil = join(world.folder, 'evil.sqlite');
    copyFileSync(catalog, evil);
    const database = new DatabaseSync(evil);
    database.exec('PRAGMA wal_autocheckpoint = 0');
    const rows = database.prepare('SELECT path, json FROM manifests').all() as { path: string; json: string }[];
    const json = rows.find(({ path }) => path.endsWith(beta))!.json;
    database.prepare('UPDATE manifests SET json = ? WHERE path LIKE ?').run(json.replaceAll(beta, alpha), `%${alpha}`);
    copyFileSync(`${evil}-wal`, `${catalog}-wal`);
    database.close();
    expect(await world.hashes(alpha)).toEqual([hashes[0]]);
  });
});

it('manifests that were exchanged in the repository are damage to verify and check, also on a machine that knew them', async () => {
  const { world, alpha, beta } = await twoVms(await scratch());
  const manifests = join(world.repository, 'manifests');
  const paths = readdirSync(manifests, { recursive: true, encoding: 'utf8' }).map((name) => join(manifests, name));
  const [a, b] = [alpha, beta].map((id) => paths.find((path) => path.endsWith(id))!) as [string, string];
  for (const [from, to] of [
    [a, `${a}.x`],
    [b, a],
    [`${a}.x`, b],
  ] as const)
    renameSync(from, to);
  expect(existsSync(a)).toBe(true);
  for (const command of ['verify', 'check']) {
    const { status, json } = cli([command, '--repository', world.repository], world);
    expect(status).toBe(4);
    expect(json.damages.map((damage: { message: string }) => damage.message).join()).toMatch(/under a wrong name/);
  }
});

it('a proof fits one path, kind, key and text, and takes the key of an encrypted repository', () => {
  const keys = { encryptionKey: Buffer.alloc(32, 1), idKey: Buffer.alloc(32, 2) };
  const proof = new RowProof('repository', keys);
  const row = proof.manifest('manifests/a/1', '{}');
  expect(proof.isManifest('manifests/a/1', row)).toBe(true);
  expect(proof.isManifest('manifests/a/2', row)).toBe(false);
  expect(proof.isManifest('manifests/a/1', { ...row, json: '{ }' })).toBe(false);
  const digest = proof.digest('summary', 'manifests/a/1', '{}', 'web01');
  expect(proof.isDigest('summary', 'manifests/a/1', digest)).toBe(true);
  expect(proof.isDigest('summary', 'manifests/a/1', { ...digest, key: 'web02' })).toBe(false);
  expect(proof.isDigest('summary', 'manifests/a/1', { ...digest, key: null })).toBe(false);
  expect(proof.isDigest('other', 'manifests/a/1', digest)).toBe(false);
  for (const other of [null, { ...keys, idKey: Buffer.alloc(32, 3) }])
    expect(proof.isManifest('manifests/a/1', new RowProof('repository', other).manifest('manifests/a/1', '{}'))).toBe(
      false,
    );
});

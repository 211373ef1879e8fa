/** Repositories that earlier programs made: they open for ever, and keep the version they have. */
import { cpSync, existsSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { noise } from '../../fixtures/content.ts';
import { cli, ok } from '../support/cli.ts';
import { scratchForEach } from '../support/scratch.ts';
import { sha256File } from '../support/sparse.ts';
import { World } from './world.ts';

const FIXTURES = join(dirname(fileURLToPath(import.meta.url)), '..', '..', 'fixtures');

interface Expected {
  formatVersion?: number;
  passphrase?: string;
  points: { id: string; sha256: string }[];
}

describe.each(['repository-v1', 'repository-v2', 'repository-v2-encrypted'])('%s', (name) => {
  const scratch = scratchForEach('fixture');

  it('lists, checks, verifies, exports, removes, prunes and is backed up to', async () => {
    const expected = JSON.parse(readFileSync(join(FIXTURES, name, 'expected.json'), 'utf8')) as Expected;
    const version = expected.formatVersion ?? 1;
    const world = await World.create(await scratch());
    const location = join(world.folder, 'fixture');
    cpSync(join(FIXTURES, name, 'repo'), location, { recursive: true });
    const file = join(world.folder, 'passphrase.txt');
    writeFileSync(file, `${expected.passphrase ?? 'x'}\n`);
    const secret = expected.passphrase === undefined ? [] : ['--passphrase-file', file];
    const run = (...args: string[]) => ok([...args, '--repository', location, ...secret], world);

    expect(run('list').points.map((point: { id: string }) => point.id)).toEqual(expected.points.map(({ id }) => id));
    expect(run('stats')).toMatchObject({ formatVersion: version, encrypted: secret.length > 0 });
    expect(run('check')).toMatchObject({ ok: true });
    expect(run('verify')).toMatchObject({ ok: true });
    const exported = async (id: string): Promise<string> => {
      const { files } = run('export', '--point', id, '--to', join(world.folder, id), '--format', 'raw');
      return sha256File(files[0].path);
    };
    for (const { id, sha256 } of expected.points) expect(await exported(id)).toBe(sha256);

    const wrong = cli(['list', '--repository', location, '--passphrase-file', join(world.folder, 'wrong')], world);
    expect(wrong.json.error.code).toBe('FILE_NOT_FOUND');
    writeFileSync(join(world.folder, 'wrong'), 'not it');
    const refused = cli(['list', '--repository', location, '--passphrase-file', join(world.folder, 'wrong')], world);
    expect(refused.json.error.code).toBe(secret.length > 0 ? 'WRONG_PASSPHRASE' : 'REPOSITORY_NOT_ENCRYPTED');

    run('remove', '--point', expected.points[0]!.id);
    run('prune');
    world.vm('new', await world.rawImage(noise(3 * 1024 * 1024, 5)));
    for (let round = 0; round < 2; round++) {
      const [result] = run('backup', '--host', world.host, '--vm', 'new').results;
      expect(result).toMatchObject({ mode: round === 0 ? 'full' : 'incremental', warnings: [] });
      await world.write('new', 0, 70_000, noise(5000, round));
    }
    const left = expected.points.slice(1);
    expect(run('list').points).toHaveLength(left.length + 2);
    expect(run('check')).toMatchObject({ ok: true });
    expect(run('verify')).toMatchObject({ ok: true });
    for (const { id, sha256 } of left) {
      const again = join(world.folder, `${id}-again`);
      const { files } = run('export', '--point', id, '--to', again, '--format', 'raw');
      expect(await sha256File(files[0].path)).toBe(sha256);
    }
    const config = JSON.parse(readFileSync(join(location, 'hvbackup-repository.json'), 'utf8'));
    expect(config.version).toBe(version);
    expect(existsSync(join(location, 'keys'))).toBe(secret.length > 0);
  });
});

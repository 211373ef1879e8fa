/**
 * Prune, remove and retention over repositories whose manifests somebody has renamed, overwritten or taken: nothing is
 * deleted.
 */
import { randomBytes } from 'node:crypto';
import { cpSync, readdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { noise } from '../../fixtures/content.ts';
import { cli, ok } from '../support/cli.ts';
import { scratchForEach } from '../support/scratch.ts';
import { World } from './world.ts';

const MIB = 1024 * 1024;
const scratch = scratchForEach('certainty');

const filesBelow = (folder: string): string[] =>
  readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .map((name) => join(folder, name))
    .filter((path) => statSync(path).isFile())
    .sort();

/** What is done to the manifests. @returns what prune may answer */
const HARM: Record<string, (manifests: string) => number[]> = {
  'renamed by a virus': (folder) => each(folder, (path) => renameSync(path, `${path}.locked`)),
  'in lower case': (folder) =>
    each(folder, (path) =>
      renameSync(
        path,
        path.replace(/[^/]*$/, (id) => id.toLowerCase()),
      ),
    ),
  'half of them gone': (folder) => each(folder, (path, i) => i % 2 === 0 && rmSync(path)),
  'all gone': (folder) => each(folder, (path) => rmSync(path)),
  'the folder gone': (folder) => {
    rmSync(folder, { recursive: true });
    return [4];
  },
  // Known damage: what they need is known from the ledger, or nothing is deleted.
  'random bytes': (folder) => {
    each(folder, (path) => writeFileSync(path, randomBytes(statSync(path).size)));
    return [0, 4];
  },
};

function each(folder: string, action: (path: string, i: number) => unknown): number[] {
  filesBelow(folder).forEach(action);
  return [4];
}

it.each([undefined, 'correct horse'])(
  'manifests that are not there, or not what they were (passphrase: %s)',
  async (passphrase) => {
    const world = await World.create(await scratch(), { blockSize: 65536, passphrase });
    world.vm('web', await world.rawImage(noise(MIB, 1)));
    const points = [world.backup('web').restorePointId];
    for (let i = 0; i < 3; i++) {
      await world.write('web', 0, i * 65536, noise(65536, 10 + i));
      points.push(world.backup('web').restorePointId);
    }
    world.remove(points[0]);
    const { repository, secret } = world;
    const saved = join(world.folder, 'saved');
    cpSync(repository, saved, { recursive: true });
    const packs = () => filesBelow(join(repository, 'packs')).map((path) => `${path} ${statSync(path).size}`);
    const stranger = { state: join(world.folder, 'stranger') };
    const before = packs();
    for (const [what, harm] of Object.entries(HARM)) {
      const answers = harm(join(repository, 'manifests'));
      for (const machine of [world, stranger])
        for (const command of [['prune'], ['prune', '--keep-last', '5'], ['remove', '--point', points[3]]]) {
          // One whose manifest cannot be read may be removed by its id: a person names it.
          if (what === 'random bytes' && command[0] === 'remove') continue;
          const { status, json } = cli([...command, '--repository', repository, ...secret], machine);
          const allowed = command[0] === 'remove' ? [1, 4] : answers;
          expect({ what, command, status: allowed.includes(status!) ? 'refused' : status, json }).toMatchObject({
            status: 'refused',
          });
          if (status === 4 && !answers.includes(0)) expect(json.error.code).toBe('REPOSITORY_DOUBTFUL');
          expect(packs()).toEqual(before);
        }
      expect(cli(['check', '--repository', repository, ...secret], stranger).status).toBe(4);
      rmSync(repository, { recursive: true });
      cpSync(saved, repository, { recursive: true });
    }
    expect(world.points().map(({ id }) => id)).toEqual(points.slice(1));
    expect(world.verify()).toBe(true);

    const [first] = filesBelow(join(repository, 'manifests'));
    rmSync(first!);
    const forced = ok(['prune', '--override-doubt', '--repository', repository, ...secret], world);
    expect(forced.freedBytes).toBeGreaterThanOrEqual(0);
    expect(cli(['prune', '--repository', repository, ...secret], stranger).status).toBe(4);
    expect(ok(['repository', 'accept-removed', '--repository', repository, ...secret], stranger).points).toHaveLength(
      1,
    );
    expect(cli(['prune', '--repository', repository, ...secret], world).status).toBe(0);
  },
  600_000,
);

it('another repository in the place of the one that was there is a warning, and keeps prune from deleting', async () => {
  const world = await World.create(await scratch(), { blockSize: 65536 });
  world.vm('web', await world.rawImage(noise(MIB, 1)));
  world.backup('web');
  const other = join(world.folder, 'other');
  ok(['repository', 'create', other], { state: join(world.folder, 'stranger') });
  rmSync(world.repository, { recursive: true });
  renameSync(other, world.repository);
  const list = cli(['list', '--repository', world.repository], world);
  expect(list.status).toBe(0);
  expect(JSON.stringify(list.json.warnings)).toContain('another repository');
  const refused = cli(['prune', '--repository', world.repository], world);
  expect([refused.status, refused.json.error.code]).toEqual([4, 'REPOSITORY_DOUBTFUL']);
  ok(['repository', 'accept-removed', '--repository', world.repository], world);
  expect(cli(['prune', '--repository', world.repository], world).status).toBe(0);
  expect(readFileSync(join(world.repository, 'hvbackup-repository.json'), 'utf8')).toContain('hypervbackup');
});

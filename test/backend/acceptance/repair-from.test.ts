/** Healing from a second repository, through the command line: by copy and by repair --from (trial 3). */
import { createHash } from 'node:crypto';
import { cpSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { noise } from '../../fixtures/content.ts';
import { cli, ok } from '../support/cli.ts';
import { scratchForEach } from '../support/scratch.ts';
import { flip, manifestOf, objects, packsOf, records } from './damaging.ts';
import { World } from './world.ts';

const MIB = 1024 * 1024;
const sha256 = (bytes: Buffer): string => createHash('sha256').update(bytes).digest('hex');

describe('a repository and its mirror of another block size', () => {
  const scratch = scratchForEach('repair-from');

  async function prepared() {
    const world = await World.create(await scratch(), { blockSize: 65536 });
    const vault = join(world.folder, 'vault');
    ok(['repository', 'create', vault, '--block-size', '262144'], world);
    const disk = noise(3 * MIB, 1);
    world.vm('web', await world.rawImage(disk));
    const points = new Map<string, string>();
    points.set(world.backup('web').restorePointId, sha256(disk));
    const data = noise(65536, 2);
    await world.write('web', 0, 20 * 65536, data);
    data.copy(disk, 20 * 65536);
    points.set(world.backup('web').restorePointId, sha256(disk));
    const copy = (...more: string[]) => cli(['copy', '--repository', world.repository, '--to', vault, ...more], world);
    expect(copy().status).toBe(0);
    return { world, there: world.with(vault), vault, points, copy };
  }

  const complete = async (there: World, points: Map<string, string>): Promise<void> => {
    for (const [id, hash] of points) expect(await there.hashes(id)).toEqual([hash]);
  };

  it('copy stores again what the mirror is known to have lost, replaces a manifest there, and brings back a removed point that is named', async () => {
    const { world, there, vault, points, copy } = await prepared();
    const [one, two] = [...points.keys()];
    const [pack] = packsOf(vault, 0);
    for (const number of [1, 4]) flip(pack!, records(readFileSync(pack!))[number]!.at + 96 + 500);
    expect(cli(['verify', '--repository', vault], world).status).toBe(4);
    rmSync(packsOf(vault, 1)[0]!);
    flip(manifestOf(vault, two!), -20);
    rmSync(world.state, { recursive: true, force: true });
    const healed = copy();
    expect([healed.status, healed.json.failed, healed.json.healed]).toEqual([0, 0, 2]);
    await complete(there, points);
    expect(copy().json).toMatchObject({ healed: 0, skipped: 2, failed: 0 });
    there.remove(one!);
    expect(copy().json.points[0].reason).toContain('removed there');
    expect(copy('--point', one!).json).toMatchObject({ copied: 1 });
    await complete(there, points);
    expect(there.points().map(({ id }) => id)).toEqual([one, two]);
  });

  it('repair --from finds and heals what nobody had read yet, also of a restore point whose manifest it brings back', async () => {
    const { world, vault, points } = await prepared();
    const [one, two] = [...points.keys()];
    for (const pack of packsOf(world.repository, 0)) flip(pack, records(readFileSync(pack))[0]!.at + 96 + 500);
    for (const id of [one!, two!]) flip(manifestOf(world.repository, id), -20);
    for (const entry of objects(world.repository, 'ledger')) rmSync(entry);
    rmSync(world.state, { recursive: true, force: true });
    const repaired = cli(['repair', '--repository', world.repository, '--from', vault], world);
    expect([repaired.status, repaired.json.damages, repaired.json.losses]).toEqual([0, [], []]);
    expect(repaired.json.from).toMatchObject({ restored: [one, two], healed: expect.arrayContaining([one]) });
    await complete(world, points);
    expect(world.verify()).toBe(true);
  });

  it('repair --from heals the original from the mirror: blocks, block maps, manifests; it goes on with incrementals', async () => {
    const { world, vault, points } = await prepared();
    const [, two] = [...points.keys()];
    for (const pack of objects(world.repository, 'packs')) rmSync(pack);
    flip(manifestOf(world.repository, two!), -20);
    for (const entry of objects(world.repository, 'ledger')) rmSync(entry);
    rmSync(world.state, { recursive: true, force: true });
    const alone = cli(['repair', '--repository', world.repository], world);
    expect(alone.status).toBe(4);
    const repaired = cli(['repair', '--repository', world.repository, '--from', vault], world);
    expect([repaired.status, repaired.json.damages, repaired.json.losses]).toEqual([0, [], []]);
    expect(repaired.json.from.restored).toEqual([two]);
    await complete(world, points);
    expect(world.verify()).toBe(true);
    expect(world.backup('web').mode).toBe('incremental');
    expect(cli(['repair', '--repository', world.repository, '--from', vault], world).json.from).toEqual({
      restored: [],
      healed: [],
      records: [],
    });
  });

  it('repair --from takes what it lacks from a copy of the folder', async () => {
    const { world, points } = await prepared();
    const mirror = join(world.folder, 'mirror');
    cpSync(world.repository, mirror, { recursive: true });
    for (const pack of packsOf(world.repository, 0)) flip(pack, records(readFileSync(pack))[0]!.at + 96 + 40);
    const [chain] = objects(world.repository, 'chains');
    flip(chain!, 60);
    expect(cli(['verify', '--repository', world.repository], world).status).toBe(4);
    const repaired = cli(['repair', '--repository', world.repository, '--from', mirror], world);
    expect([repaired.status, repaired.json.damages]).toEqual([0, []]);
    expect(repaired.json.from.records).toHaveLength(1);
    await complete(world, points);
    expect(world.backup('web').mode).toBe('incremental');
    expect(world.verify()).toBe(true);
  });
});

/** The day after damage, through the command line: what is still there is used, said, and made whole. */
import { createHash } from 'node:crypto';
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { beforeEach, describe, expect, it } from 'vitest';
import { noise } from '../../fixtures/content.ts';
import { cli } from '../support/cli.ts';
import { scratchForEach } from '../support/scratch.ts';
import { flip, packsOf, records } from './damaging.ts';
import { World } from './world.ts';

const MIB = 1024 * 1024;
const BLOCK = 65536;
const sha256 = (bytes: Buffer): string => createHash('sha256').update(bytes).digest('hex');

describe.each([
  ['plain', undefined],
  ['encrypted', 'correct horse'],
])('in a repository that is %s', (_, passphrase) => {
  const scratch = scratchForEach(`heal-${_}`);
  let world: World;
  let disk: Buffer;

  const command = (name: string, ...more: string[]) =>
    cli([name, '--repository', world.repository, ...world.secret, ...more], world);

  async function change(seed: number, offset: number): Promise<void> {
    const data = noise(BLOCK, seed);
    data.copy(disk, offset);
    await world.write('web', 0, offset, data);
  }

  function backup(...more: string[]) {
    return world.backup('web', ...more);
  }

  beforeEach(async () => {
    world = await World.create(await scratch(), { blockSize: BLOCK, passphrase });
    disk = noise(3 * MIB, 1);
    world.vm('web', await world.rawImage(disk));
    backup();
    await change(2, 5 * BLOCK);
    backup();
  });

  describe('backup (trial 2, 10)', () => {
    it.each(['removed', 'flipped', 'cut to nothing'])(
      'whose base has a block map that is %s is a full in the same run, with the reason',
      async (how) => {
        for (const pack of packsOf(world.repository, 1)) {
          if (how === 'removed') rmSync(pack);
          else if (how === 'flipped') flip(pack, 96 + 96 + 20);
          else writeFileSync(pack, '');
        }
        await change(3, 9 * BLOCK);
        const result = backup();
        expect(result.mode).toBe('full');
        expect(result.disks[0].reason).toContain('the base cannot be built on');
        expect(await world.hashes(result.restorePointId)).toEqual([sha256(disk)]);
        await change(4, 11 * BLOCK);
        expect(backup().mode).toBe('incremental');
        expect(command('verify', '--point', result.restorePointId).status).toBe(0);
      },
    );

    it('takes over nothing from a base whose packs are gone or known to be damaged: it reads those blocks again and says so', async () => {
      const [largest] = packsOf(world.repository, 0);
      rmSync(largest!);
      await change(3, 9 * BLOCK);
      const after = backup();
      expect(after.mode).toBe('incremental');
      expect(after.warnings.join()).toMatch(/Disk 0: \d+ blocks of restore point .* damaged or missing/);
      expect(await world.hashes(after.restorePointId)).toEqual([sha256(disk)]);
      const [pack] = packsOf(world.repository, 0);
      flip(pack!, records(readFileSync(pack!))[3]!.at + 96 + 1000);
      expect(command('verify').status).toBe(4);
      await change(4, 13 * BLOCK);
      const next = backup();
      expect(next.warnings.join()).toMatch(/Disk 0: 1 blocks of restore point/);
      expect(next.mode).toBe('incremental');
      expect(command('verify', '--point', next.restorePointId).status).toBe(0);
    });
  });
});

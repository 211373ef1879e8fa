/**
 * The backend killed in the middle of a backup, with its helper and without: the next run cleans up its own, and nobody
 * else's.
 */
import { spawn } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { makeScratch } from '../../support/scratch.ts';
import { pwsh } from './hyperv-double.ts';
import { HyperVWorld, MIB } from './hyperv-world.ts';

const SOURCES = join(import.meta.dirname, '../../../../backend/src');

describe.skipIf(!pwsh)('Hyper-V: killed backends (skipped without pwsh)', () => {
  let world: HyperVWorld;
  let foreign: string;
  beforeAll(async () => {
    world = await HyperVWorld.create(await makeScratch('hyperv-backend'), [4 * MIB]);
    const request = { consistency: 'crash' as const, allowCrashConsistent: false, label: 'Other product' };
    foreign = (await world.sim.createRecoveryCheckpoint(world.vmId, request)).id;
    await world.backup();
  });
  afterAll(() => world?.close());

  /** A backup in another process, which kills itself when it comes to `phase`; its children first, where `both`. */
  async function die(phase: string, both: boolean): Promise<void> {
    const script = `
      import { spawnSync } from 'node:child_process';
      import { backupVm } from ${JSON.stringify(`${SOURCES}/operations/index.ts`)};
      import { BackupVmParams } from ${JSON.stringify(`${SOURCES}/schema/backup.ts`)};
      const params = BackupVmParams.parse({ host: 'hyperv:', vm: 'guest', repository: ${JSON.stringify(world.repository)} });
      await backupVm(params, { progress: ({ phase }) => {
        if (phase !== ${JSON.stringify(phase)}) return;
        const die = () => {
          if (${both}) spawnSync('pkill', ['-KILL', '-P', String(process.pid)]);
          process.kill(process.pid, 'SIGKILL');
        };
        // The phase is told before its work: half of the runs die in it.
        if (${both}) setTimeout(die, 300); else die();
      } });
    `;
    const file = join(world.folder, 'dies.ts');
    await writeFile(file, script);
    const child = spawn(process.execPath, [file], { stdio: ['ignore', 'inherit', 'inherit'] });
    await new Promise((resolve) => child.once('close', resolve));
  }

  it.each(
    ['checkpoint', 'read', 'publish', 'convert'].flatMap((phase) =>
      [false, true].map((both) => [phase, both] as const),
    ),
  )('in phase %s, helper too: %s', async (phase, both) => {
    await world.write(0, 0, Buffer.from(`${phase} ${both} ${Math.random()}`));
    await die(phase, both);
    await world.write(0, 8192, Buffer.from(`after ${phase}`));
    const result = await world.backup();
    expect(await world.holds(result.restorePointId)).toBe(true);
    const left = (await world.checkpoints()).filter((id) => id !== foreign);
    expect(await world.checkpoints()).toContain(foreign);
    // Died in the very call: then it is named. Otherwise nothing of it is there any more.
    for (const id of left) {
      expect(result.warnings.join()).toContain(id);
      await world.sim.removeCheckpoint(id);
    }
    if (phase !== 'checkpoint') expect(left).toEqual([]);
  });
});

/** Several VMs at once, and reading within a rate, through the command line. */
import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { noise } from '../../fixtures/content.ts';
import { cli, ok, start } from '../support/cli.ts';
import { scratchForEach } from '../support/scratch.ts';
import { World } from './world.ts';

const MIB = 1024 * 1024;
const sha256 = (data: Buffer) => createHash('sha256').update(data).digest('hex');

describe('several VMs in one call', () => {
  const scratch = scratchForEach('parallel');
  const names = ['a', 'b', 'c', 'd', 'e'];

  it('at once give the results in order, and the restore points are right', async () => {
    const world = await World.create(await scratch());
    const contents = new Map(names.map((name, i) => [name, noise(12 * MIB, i)]));
    for (const name of names) world.vm(name, await world.rawImage(contents.get(name)!));
    const command = ['backup', '--host', world.host, '--repository', world.repository, '--parallel', '3'];
    for (const mode of ['full', 'incremental']) {
      const { results } = ok(command, world);
      expect(results.map((result: { vmName: string }) => result.vmName)).toEqual(names);
      for (const result of results) {
        expect(result.mode).toBe(mode);
        expect(await world.hashes(result.restorePointId)).toEqual([sha256(contents.get(result.vmName)!)]);
      }
      for (const name of names) {
        const data = noise(MIB, name.charCodeAt(0));
        await world.write(name, 0, 5 * MIB, data);
        data.copy(contents.get(name)!, 5 * MIB);
      }
    }
    expect(world.verify()).toBe(true);
  });

  it('do not stop for one that fails, nor for one that is asked for twice', async () => {
    const world = await World.create(await scratch());
    for (const name of ['a', 'b']) world.vm(name, await world.rawImage(noise(4 * MIB, 1)));
    const vms = ['a', 'none', 'b', 'a'].flatMap((name) => ['--vm', name]);
    const { status, json } = cli(
      ['backup', '--host', world.host, '--repository', world.repository, '--parallel', '4', ...vms],
      world,
    );
    expect(status).toBe(3);
    expect(json.results.map((result: { vmName: string }) => result.vmName)).toEqual(['a', 'none', 'b', 'a']);
    expect(json.results[1].error.code).toBe('VM_NOT_FOUND');
    expect(json.results.map((result: { mode?: string }) => result.mode)).toEqual([
      'full',
      undefined,
      'full',
      'incremental',
    ]);
    expect(world.verify()).toBe(true);
  });

  it('killed together leave nothing half-made', async () => {
    const world = await World.create(await scratch());
    for (const name of names) world.vm(name, await world.rawImage(noise(40 * MIB, 7)));
    const command = ['backup', '--host', world.host, '--repository', world.repository, '--parallel', '3'];
    const victim = start(command, world);
    await sleep(1500);
    victim.kill('SIGKILL');
    await victim.done;
    const before = world.points();
    expect(world.verify()).toBe(true);
    const { results } = ok(command, world);
    expect(results).toHaveLength(5);
    expect(world.points()).toHaveLength(before.length + 5);
    for (const result of results)
      expect(await world.hashes(result.restorePointId)).toEqual([sha256(noise(40 * MIB, 7))]);
  });
});

describe('a rate limit', () => {
  const scratch = scratchForEach('rate');
  const timed = (
    args: string[],
    world: World,
  ): { seconds: number; json: { results: { disks: { readBytes: number }[] }[] } } => {
    const clock = performance.now();
    const json = ok(args, world);
    return { seconds: (performance.now() - clock) / 1000, json };
  };

  it('holds for a backup of several VMs together, for restore and export; and cancelling does not wait for it', async () => {
    const world = await World.create(await scratch());
    for (const name of ['a', 'b']) world.vm(name, await world.rawImage(noise(16 * MIB, name.charCodeAt(0))));
    const rate = ['--limit-rate', '8M'];
    const backup = ['backup', '--host', world.host, '--repository', world.repository, '--parallel', '2'];
    const { seconds, json } = timed([...backup, ...rate], world);
    expect(seconds).toBeGreaterThan(((32 - 2) / 8) * 0.95);
    const point = (json.results[0] as unknown as { restorePointId: string }).restorePointId;
    const from = ['--repository', world.repository, '--point', point];
    const to = join(world.folder, 'out');
    expect(timed(['export', ...from, '--to', to, '--format', 'raw', ...rate], world).seconds).toBeGreaterThan(1.6);
    expect(timed(['restore', ...from, '--host', world.host, '--new-id', ...rate], world).seconds).toBeGreaterThan(1.6);

    const victim = start([...backup, '--mode', 'full', '--limit-rate', '1K'], world);
    await sleep(2500);
    const clock = performance.now();
    victim.kill('SIGINT');
    expect((await victim.done).status).toBe(5);
    expect(performance.now() - clock).toBeLessThan(20_000);
    expect(world.points()).toHaveLength(2);
  });
});

/** A restore whose process died: the next one finishes or undoes it, and never touches what a VM uses. */
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { readState, writeState } from '../../../helper/double/state.ts';
import { makeScratch } from '../../support/scratch.ts';
import { openDouble, pwsh } from './hyperv-double.ts';
import { HyperVWorld, MIB } from './hyperv-world.ts';

const SOURCES = join(import.meta.dirname, '../../../../backend/src');

describe.skipIf(!pwsh)('restores that died on a Hyper-V host (skipped without pwsh)', () => {
  let world: HyperVWorld;
  beforeEach(async () => {
    world = await HyperVWorld.create(await makeScratch('hyperv-leftovers'), [2 * MIB]);
  });
  afterEach(async () => {
    world.behave({});
    await world.close();
  });

  /** Plans, in another process, and dies after `more`. */
  async function die(request: object, more: string): Promise<void> {
    const script = `
      import { createVhdxWriter } from ${JSON.stringify(`${SOURCES}/disk/index.ts`)};
      import { openHyperVHost } from ${JSON.stringify(`${SOURCES}/hosts/hyperv/index.ts`)};
      import { openSimulatedHost } from ${JSON.stringify(`${SOURCES}/hosts/simulated/index.ts`)};
      const sim = await openSimulatedHost(${JSON.stringify(world.directory)});
      const host = openHyperVHost(undefined, ${JSON.stringify(world.double)});
      const vm = await host.getVm(${JSON.stringify(world.vmId)});
      const plan = await host.planVm({ vm, ...${JSON.stringify(request)} });
      const writer = await createVhdxWriter(plan.diskPath(0), { size: ${2 * MIB} });
      await writer.finish();
      ${more}
      process.kill(process.pid, 'SIGKILL');
    `;
    const file = join(world.folder, 'dies.ts');
    await writeFile(file, script);
    const child = spawn(process.execPath, [file], { stdio: ['ignore', 'inherit', 'inherit'] });
    await new Promise((resolve) => child.once('close', resolve));
  }

  const folders = () => readdir(`${world.directory}.disks`);

  /** Another restore, given up at once. @returns its warnings */
  async function another(): Promise<string[]> {
    const host = openDouble(world.double);
    try {
      const vm = { ...(await world.sim.getVm(world.vmId)), disks: [] };
      const plan = await host.planVm({ vm, newId: true, replace: false, kind: 'data', name: 'another' });
      await plan.discard();
      return plan.warnings;
    } finally {
      await host.close();
    }
  }

  it('before its VM was made: plan and files go', async () => {
    await die({ newId: true, replace: false, kind: 'data' }, '');
    expect(readState(world.directory).planned).toHaveLength(1);
    expect(await folders()).toHaveLength(1);
    expect((await another()).join()).toMatch(/was interrupted; what it left was removed/);
    expect(readState(world.directory).planned).toEqual([]);
    expect(await folders()).toEqual([]);
  });

  it.each([
    ['the old one comes back', false],
    ['the old one comes back, also when what was asked for last has come to be', true],
  ])('with the old VM off the host: %s', async (_, late) => {
    await world.write(0, 0, Buffer.alloc(512, 5));
    // The process dies between taking the old VM off and making the new one.
    world.behave({ hangs: ['DefinePlannedSystem'] });
    const gone = `
      plan.realise().catch(() => undefined);
      while ((await sim.listVms()).length > 0) await new Promise((resolve) => setTimeout(resolve, 100));
      await new Promise((resolve) => setTimeout(resolve, 500));
    `;
    await die({ newId: false, replace: true, kind: 'data' }, gone);
    world.behave({});
    expect(await world.sim.listVms()).toEqual([]);
    const missing = world.vmId;
    if (late) {
      const state = readState(world.directory);
      state.planned.push({
        id: missing,
        settings: { Version: '10.0', ElementName: 'guest' },
        components: [],
        next: 100,
      });
      writeState(world.directory, state);
    }
    world.vmId = (await world.sim.createVm({ name: 'witness', disks: [] })).vm.id;
    expect((await another()).join()).toMatch(/is as it was/);
    world.vmId = missing;
    expect((await world.sim.getVm(missing)).name).toBe('guest');
    expect(await folders()).toEqual([]);
    const { restorePointId } = await world.backup();
    expect(await world.holds(restorePointId)).toBe(true);
  });

  it('after its VM was made: nothing of that VM is touched', async () => {
    await die({ newId: true, replace: false, kind: 'data', name: 'made' }, 'await plan.realise();');
    const made = (await world.sim.listVms()).find((vm) => vm.name === 'made')!;
    await another();
    const vm = await world.sim.getVm(made.id);
    expect(existsSync(vm.disks[0]!.path)).toBe(true);
    expect(vm.disks[0]!.size).toBe(2 * MIB);
  });

  it('a plan of a living process stays', async () => {
    const host = openDouble(world.double);
    const vm = { ...(await world.sim.getVm(world.vmId)), disks: [] };
    const plan = await host.planVm({ vm, newId: true, replace: false, kind: 'data', name: 'living' });
    expect(await another()).toEqual(expect.not.arrayContaining([expect.stringMatching(/interrupted/)]));
    expect(readState(world.directory).planned).toHaveLength(1);
    await plan.discard();
    await host.close();
  });
});

import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'vitest';
import { endIdleHelpers } from '../../../../backend/src/hosts/hyperv/index.ts';
import { createSimulatedHost } from '../../../../backend/src/hosts/simulated/index.ts';
import { makeScratch } from '../../support/scratch.ts';
import { hostContract } from '../contract.ts';
import { makeDouble, openDouble, pwsh } from './hyperv-double.ts';

if (!pwsh) describe.skip('host contract: hyperv (needs pwsh)', () => it('is skipped', () => {}));
else {
  hostContract('hyperv over its doubles', async () => {
    const folder = await makeScratch('hyperv-contract');
    const directory = join(folder, 'host');
    const world = await createSimulatedHost(directory);
    await mkdir(`${directory}.disks`);
    const double = await makeDouble(folder, directory);
    const host = openDouble(double);
    return {
      host,
      reopen: async () => openDouble(double),
      createVm: async (name, sizes, generation = 2) =>
        (await world.createVm({ name, generation, disks: sizes.map((size) => ({ size })) })).vm.id,
      guestWrite: async (vmId, disk, offset, data) => void (await world.guestWrites(vmId, disk, [{ offset, data }])),
      setRunning: (vmId, running) => world.setVmState(vmId, running ? 'Running' : 'Off'),
      removeVm: (vmId) => world.removeVm(vmId),
      addSwitch: (name) => world.addSwitch(name),
      setAdapters: (vmId, networkAdapters) => world.configureVm(vmId, { networkAdapters }),
      refuseApplicationConsistency: (vmId) =>
        world.setFault({ name: 'application-consistency-refused', vmId, count: 1 }),
      close: async () => {
        await host.close();
        await endIdleHelpers();
        await world.close();
        await rm(folder, { recursive: true, force: true, maxRetries: 20, retryDelay: 100 });
      },
    };
  });
}

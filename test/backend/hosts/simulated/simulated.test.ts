import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { createSimulatedHost, openSimulatedHost } from '../../../../backend/src/hosts/simulated/index.ts';
import { makeScratch } from '../../support/scratch.ts';
import { hostContract } from '../contract.ts';

hostContract('simulated', async () => {
  const folder = await makeScratch('sim-contract');
  const directory = join(folder, 'host');
  const host = await createSimulatedHost(directory);
  return {
    host,
    reopen: () => openSimulatedHost(directory),
    createVm: async (name, sizes, generation = 2) =>
      (await host.createVm({ name, generation, disks: sizes.map((size) => ({ size })) })).vm.id,
    guestWrite: async (vmId, disk, offset, data) => void (await host.guestWrites(vmId, disk, [{ offset, data }])),
    setRunning: (vmId, running) => host.setVmState(vmId, running ? 'Running' : 'Off'),
    removeVm: (vmId) => host.removeVm(vmId),
    addSwitch: (name) => host.addSwitch(name),
    setAdapters: (vmId, networkAdapters) => host.configureVm(vmId, { networkAdapters }),
    refuseApplicationConsistency: (vmId) => host.setFault({ name: 'application-consistency-refused', vmId, count: 1 }),
    close: async () => {
      await host.close();
      await rm(folder, { recursive: true, force: true });
    },
  };
});

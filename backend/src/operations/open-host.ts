/** From a host address to its adapter (DESIGN §8: `sim:DIR`, `hyperv:`, `hyperv:SERVER`). */
import { resolve } from 'node:path';
import type { Host } from '../hosts/port.ts';
import { openSimulatedHost, type SimulatedHost } from '../hosts/simulated/index.ts';
import { HvError } from '../support/errors.ts';

/** @throws USAGE for an address of no known kind, HOST_NOT_FOUND, NOT_SUPPORTED */
export async function openHost(uri: string): Promise<Host> {
  if (/^hyperv:/i.test(uri)) {
    throw new HvError('NOT_SUPPORTED', `This version cannot reach Hyper-V hosts yet: ${uri}.`, {
      advice: 'Use a simulated host (sim:DIR).',
      data: { host: uri },
    });
  }
  return openSimulated(uri);
}

/** For what only a simulated host can be asked for. */
export async function openSimulated(uri: string): Promise<SimulatedHost> {
  const directory = /^sim:(.+)$/is.exec(uri)?.[1];
  if (directory === undefined) {
    throw new HvError('USAGE', `'${uri}' is not the address of a host.`, {
      advice: 'Give sim:DIR for a simulated host, hyperv: for this machine or hyperv:SERVER for another.',
      data: { host: uri },
    });
  }
  return openSimulatedHost(resolve(directory));
}

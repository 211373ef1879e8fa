/** From a host address to its adapter (DESIGN §8: `sim:DIR`, `hyperv:`, `hyperv:SERVER`). */
import { resolve } from 'node:path';
import { openHyperVHost } from '../hosts/hyperv/index.ts';
import type { Host } from '../hosts/port.ts';
import { openSimulatedHost, type SimulatedHost } from '../hosts/simulated/index.ts';
import { HvError } from '../support/errors.ts';

/**
 * A Hyper-V host is reached in the background; that it cannot be comes out with the first request.
 * @throws USAGE for an address of no known kind, HOST_NOT_FOUND, NOT_SUPPORTED
 */
export async function openHost(uri: string): Promise<Host> {
  const server = /^hyperv:(.*)$/is.exec(uri)?.[1];
  if (server === undefined) return openSimulated(uri);
  // A name or an address: what would be anything else to a remoting cmdlet is refused.
  if (!/^[\p{L}\p{N}._:-]*$/u.test(server)) {
    throw new HvError('USAGE', `'${uri}' is not the address of a host.`, {
      advice: 'Give hyperv: for this machine or hyperv:SERVER for another, by its name.',
      data: { host: uri },
    });
  }
  return openHyperVHost(server === '' ? undefined : server);
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

/** From a host address to its adapter (DESIGN §8: `sim:DIR`, `hyperv:`, `hyperv:SERVER`). */
import { resolve } from 'node:path';
import { openHyperVHost, type ReadingOptions } from '../hosts/hyperv/index.ts';
import type { Host } from '../hosts/port.ts';
import { openSimulatedHost, type SimulatedHost } from '../hosts/simulated/index.ts';
import { HvError } from '../support/errors.ts';

/**
 * A Hyper-V host is reached in the background; that it cannot be comes out with the first request.
 * @throws USAGE for an address of no known kind, HOST_NOT_FOUND, NOT_SUPPORTED
 */
export async function openHost(uri: string, reading: ReadingOptions = {}): Promise<Host> {
  const server = /^hyperv:(.*)$/is.exec(uri)?.[1];
  if (server === undefined) {
    requireOneWay(uri, reading);
    return openSimulated(uri);
  }
  // A name or an address: what would be anything else to a remoting cmdlet is refused.
  if (!/^[\p{L}\p{N}._:-]*$/u.test(server)) {
    throw new HvError('USAGE', `'${uri}' is not the address of a host.`, {
      advice: 'Give hyperv: for this machine or hyperv:SERVER for another, by its name.',
      data: { host: uri },
    });
  }
  return openHyperVHost(server === '' ? undefined : server, { reading });
}

/** @throws NOT_SUPPORTED where another way to read is asked for than the one a simulated host has */
function requireOneWay(uri: string, { readMethod = 'auto', exportFolder }: ReadingOptions): void {
  if ((readMethod === 'auto' || readMethod === 'native') && exportFolder === undefined) return;
  throw new HvError('NOT_SUPPORTED', `A simulated host's disks are read from their files only: ${uri}`, {
    advice: 'Leave out the way to read and the export folder.',
    data: { host: uri, readMethod },
  });
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

/** From a host address to its adapter (`sim:DIR`, `hyperv:`, `hyperv:SERVER`). */
import { resolve } from 'node:path';
import type { ReadingOptions } from '../hosts/hyperv/index.ts';
import { isThisMachine } from '../hosts/hyperv/this-machine.ts';
import type { Host } from '../hosts/port.ts';
import type { SimulatedHost } from '../hosts/simulated/index.ts';
import type { HostCredential } from '../schema/common.ts';
import { HvError } from '../support/errors.ts';

/** Parameters that name a host, and how its disks shall be read. */
export interface OfHost extends ReadingOptions {
  host: string;
  credential?: HostCredential;
}

/**
 * A Hyper-V host is reached in the background; that it cannot be comes out with the first request.
 * @throws USAGE for an address of no known kind, or for credentials where they are of no use; HOST_NOT_FOUND,
 *   NOT_SUPPORTED
 */
export async function openHost({ host: uri, credential, ...reading }: OfHost): Promise<Host> {
  const server = /^hyperv:(.*)$/is.exec(uri)?.[1];
  if (credential && (!server || isThisMachine(server))) {
    throw new HvError('USAGE', `Credentials are for another host (hyperv:SERVER), not for ${uri}.`, {
      advice: 'Leave them out; or run this as the account that is meant.',
      data: { host: uri },
    });
  }
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
  const { readMethod, exportFolder } = reading;
  // Loaded when it is needed: every command would have to wait for what it takes to talk to PowerShell.
  const { openHyperVHost } = await import('../hosts/hyperv/index.ts');
  return openHyperVHost(server === '' ? undefined : server, {
    credential,
    reading: { readMethod, exportFolder },
  });
}

/** @throws NOT_SUPPORTED where another way to read is asked for than the one a simulated host has */
function requireOneWay(uri: string, { readMethod = 'auto', exportFolder }: ReadingOptions): void {
  if ((readMethod === 'auto' || readMethod === 'native') && exportFolder === undefined) return;
  throw new HvError('NOT_SUPPORTED', `A simulated host's disks are read from their files only: ${uri}`, {
    advice: 'Omit the read method and the export folder.',
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
  const { openSimulatedHost } = await import('../hosts/simulated/index.ts');
  return openSimulatedHost(resolve(directory));
}

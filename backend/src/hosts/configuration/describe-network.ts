/** Network adapters: every device with a MAC address is one. */
import type { VmNetworkAdapter } from '../../schema/vm.ts';
import type { Device } from './devices.ts';
import type { Keys } from './keys.ts';

/** In the order of the manifest, which is the one Hyper-V shows. */
export async function describeAdapters(keys: Keys, devices: Device[]): Promise<VmNetworkAdapter[]> {
  const adapters: VmNetworkAdapter[] = [];
  for (const { node, name } of devices) {
    const address = node === undefined ? undefined : await keys.text(`${node}/MacAddress`);
    if (node === undefined || address === undefined) continue;
    const switchName = await connectedSwitch(keys, node);
    adapters.push({
      name: (await keys.text(`${node}/FriendlyName`)) || name || 'Network Adapter',
      macAddress: parseMac(keys, node, address),
      dynamicMacAddress: (await keys.boolean(`${node}/MacAddressIsStatic`)) !== true,
      ...(switchName ? { switchName } : {}),
    });
  }
  return adapters;
}

/** `SwitchName` is the switch's own id, `Connection/AltSwitchName` the name people know it by. */
async function connectedSwitch(keys: Keys, node: string): Promise<string | undefined> {
  if ((await keys.boolean(`${node}/IsConnected`)) === false) return undefined;
  return (await keys.text(`${node}/Connection/AltSwitchName`)) || (await keys.text(`${node}/SwitchName`));
}

/** Zeros stand for an address that is not given yet. */
function parseMac(keys: Keys, node: string, address: string): string {
  const digits = address.replace(/[-:. ]/g, '').toUpperCase();
  if (/^0*$/.test(digits)) return '';
  if (/^[0-9A-F]{12}$/.test(digits)) return digits;
  keys.note(`${node}/MacAddress is no MAC address: "${address}"`);
  return '';
}

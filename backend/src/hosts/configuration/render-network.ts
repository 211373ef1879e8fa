/** Network adapters, as Hyper-V writes synthetic ones. */
import type { VmDescription, VmNetworkAdapter } from '../../schema/vm.ts';
import { bracedGuid } from '../../support/guid.ts';
import { derivedGuid } from './derived-guid.ts';
import { bool, bytes, type HvsNode, int, node, text } from './hvs/values.ts';
import { deviceNode } from './render-firmware.ts';

/** Feature of every port, and its settings as they are for a new adapter (both observed). */
const PORT_FEATURE = 'C885BFD1-ABB7-418F-8163-9F379C9F7166';
const PORT_SETTINGS = Buffer.from(
  '0002000064000000000000000100000000000000000000004000000040420f0001010000' +
    '1000000001000000000000000000000003000000',
  'hex',
);

/** @returns one device each, in the order of the description */
export const renderAdapters = (vm: VmDescription): { instance: string; node: HvsNode }[] =>
  vm.networkAdapters.map((adapter, index) => {
    const instance = derivedGuid(vm.id, `adapter ${index}`);
    return { instance, node: renderAdapter(vm.id, index, instance, adapter) };
  });

function renderAdapter(vmId: string, index: number, instance: string, adapter: VmNetworkAdapter): HvsNode {
  const own = (purpose: string): string => derivedGuid(vmId, `adapter ${purpose} ${index}`);
  return deviceNode(
    instance,
    int('VDEVVersion', 768),
    text('FriendlyName', adapter.name),
    text('MacAddress', (adapter.macAddress || '000000000000').match(/.{1,2}/g)!.join('-')),
    bool('MacAddressIsStatic', !adapter.dynamicMacAddress),
    bool('InterruptModerationDisabled', false),
    bool('AllowPacketDirect', false),
    bool('NumaAwarePlacement', false),
    text('ChannelInstanceGuid', `{${own('channel')}}`),
    text('VpciInstanceGuid', bracedGuid(own('vpci'))),
    bool('IsConnected', adapter.switchName !== undefined),
    int('MediaType', 0),
    // The switch's own id, which a description does not have.
    text('SwitchName', ''),
    text('PortName', ''),
    bool('ClusterMonitored', true),
    bool('DeviceNamingEnabled', false),
    renderConnection(adapter, own('port').toUpperCase()),
  );
}

function renderConnection(adapter: VmNetworkAdapter, setting: string): HvsNode {
  return node(
    'Connection',
    text('PoolId', ''),
    text('AltSwitchName', adapter.switchName ?? ''),
    text('AltPortName', 'Dynamic Ethernet Switch Port'),
    text('AuthorizationScope', ''),
    text('TestReplicaPoolId', ''),
    text('TestReplicaSwitchName', ''),
    int('ChimneyOffloadWeight', 0),
    bool('PreventIPSpoofing', false),
    node('Features', text('Id', PORT_FEATURE)),
    node(
      `Feature_${PORT_FEATURE}`,
      int('Flags', 0),
      text('DisplayName', ''),
      node('Settings', text('Id', setting)),
      node(`Setting_${setting}`, int('Version', 1024), bytes('Data', PORT_SETTINGS)),
    ),
  );
}

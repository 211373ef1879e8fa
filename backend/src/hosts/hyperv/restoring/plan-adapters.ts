/**
 * Network adapters of a planned VM. An adapter is a port and a connection, whose Parent is the port: connected when it
 * is enabled and its HostResource names a virtual switch. What is not mapped to a switch of the host is disabled.
 */
import type { VmDescription, VmNetworkAdapter } from '../../../schema/vm.ts';
import { type HostSwitch, type SwitchChoice, switchFor } from '../../switches.ts';
import { pathKey, type WmiComponent } from '../wmi.ts';
import type { PlanStep } from './plan-step.ts';

/** Msvm_VirtualEthernetSwitch; `path` is its object path. */
export interface WmiSwitch extends HostSwitch {
  path: string;
}

/** The switch of each port that is to be connected, by the port's path key. */
export type Connections = Map<string, WmiSwitch>;

const CONNECTION = 'Msvm_EthernetPortAllocationSettingData';
const CONNECTION_TYPE = 'Microsoft:Hyper-V:Ethernet Connection';
const PORT_TYPE = 'Microsoft:Hyper-V:Synthetic Ethernet Port';
const ENABLED = 2;
const DISABLED = 3;
const NO_ADDRESS = '000000000000';

const isPort = ({ className }: WmiComponent): boolean => /EthernetPortSettingData$/.test(className);
const connectionOf = (components: WmiComponent[], port: WmiComponent): WmiComponent | undefined =>
  components.find(({ className, parent }) => className === CONNECTION && pathKey(parent ?? '') === pathKey(port.path));

type Rule = (port: WmiComponent, connection: WmiComponent | undefined, adapter: VmNetworkAdapter) => boolean;
/**
 * How a port is known to be an adapter of the description, surest first. Names are seldom unique, dynamic addresses may
 * be given anew by the import, and the order of components is documented nowhere.
 */
const RULES: Rule[] = [
  (port, _, { macAddress }) => macAddress !== '' && (port.address ?? '').toUpperCase() === macAddress,
  (port, connection, { name, switchName }) =>
    port.elementName === name && switchName !== undefined && connection?.lastKnownSwitchName === switchName,
  (port, _, { name }) => port.elementName === name,
  () => true,
];

/** To be asked before anything of the planned VM is changed. @param recorded adapters as they were backed up */
export function connectionsFor(
  components: WmiComponent[],
  recorded: readonly VmNetworkAdapter[],
  choice: SwitchChoice<WmiSwitch>,
): Connections {
  const known = new Map<WmiComponent, VmNetworkAdapter>();
  const ports = components.filter(isPort);
  const left = [...recorded];
  for (const rule of RULES) {
    for (const port of ports.filter((entry) => !known.has(entry))) {
      const at = left.findIndex((adapter) => rule(port, connectionOf(components, port), adapter));
      if (at >= 0) known.set(port, left.splice(at, 1)[0]!);
    }
  }
  const connections: Connections = new Map();
  for (const port of ports) {
    const to = switchFor(choice, known.get(port)?.switchName);
    if (to) connections.set(pathKey(port.path), to);
  }
  return connections;
}

/** Its own id is what names a switch: which further keys a path has, and in which order, is the host's matter. */
const switchId = (path: string): string => (/[.,]Name="([^"]*)"/i.exec(path)?.[1] ?? path).toLowerCase();

export function adapterSteps(
  components: WmiComponent[],
  { newAdapters, connections }: { newAdapters: boolean; connections: Connections },
): PlanStep[] {
  const ports = components.filter(isPort);
  const connected = new Set(
    ports.filter(({ path }) => connections.has(pathKey(path))).map((port) => connectionOf(components, port)),
  );
  const disabled = components
    .filter((entry) => entry.className === CONNECTION && entry.enabledState === ENABLED && !connected.has(entry))
    .map(
      ({ instanceID: instanceId }): PlanStep => ({
        kind: 'modify',
        instanceId,
        properties: { EnabledState: DISABLED },
      }),
    );
  return [...disabled, ...ports.flatMap((port) => portSteps(components, port, newAdapters, connections))];
}

function portSteps(components: WmiComponent[], port: WmiComponent, fresh: boolean, wanted: Connections): PlanStep[] {
  const steps: PlanStep[] = [];
  if (fresh && (port.staticMacAddress || (port.address ?? NO_ADDRESS) !== NO_ADDRESS)) {
    const properties = { StaticMacAddress: false, Address: NO_ADDRESS };
    steps.push({ kind: 'modify', instanceId: port.instanceID, properties });
  }
  const to = wanted.get(pathKey(port.path));
  if (!to) return steps;
  // The name goes with it: a cloned connection has that of the old switch.
  const properties = { HostResource: [to.path], LastKnownSwitchName: to.name, EnabledState: ENABLED };
  const connection = connectionOf(components, port);
  if (!connection) steps.push({ kind: 'add', subType: CONNECTION_TYPE, parentId: port.instanceID, properties });
  else if (connection.enabledState !== ENABLED || switchId(connection.hostResource[0] ?? '') !== switchId(to.path))
    steps.push({ kind: 'modify', instanceId: connection.instanceID, properties });
  return steps;
}

/**
 * Adapters of a VM that was defined anew: same names; the same addresses only where they were static and the VM keeps
 * its id.
 */
export function adapterAdditions(vm: VmDescription, newAdapters: boolean): PlanStep[] {
  return vm.networkAdapters.map((adapter) => {
    const keep = !newAdapters && !adapter.dynamicMacAddress && adapter.macAddress !== '';
    return {
      kind: 'add' as const,
      subType: PORT_TYPE,
      properties: {
        ElementName: adapter.name,
        StaticMacAddress: keep,
        ...(keep ? { Address: adapter.macAddress } : {}),
      },
    };
  });
}

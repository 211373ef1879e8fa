/** From WMI's settings to the host-neutral description. docs/hyperv.md says what each property rests on. */
import type { VmDescription, VmNetworkAdapter } from '../../../schema/vm.ts';
import { templateName } from '../../configuration/index.ts';
import type { DiskFacts, WmiComponent, WmiSettings, WmiSystem } from '../wmi.ts';
import { pathKey, settingsId } from '../wmi.ts';
import { describeDisks, placedDisks } from './describe-disks.ts';

const MIB = 2 ** 20;
const CONNECTED = 2;
/** Msvm_VirtualSystemSettingData.BootOrder; named as a `.vmcx` names them. */
const BOOT_DEVICES = ['Floppy', 'Optical', 'HardDrive', 'Network'];
/** Msvm_ComputerSystem.EnabledState. 6 and 32769 are saved, 9 and 32768 paused. */
const STATES: Record<number, VmDescription['state']> = {
  2: 'Running',
  3: 'Off',
  6: 'Saved',
  9: 'Paused',
  32768: 'Paused',
  32769: 'Saved',
};

export const stateOf = (system: Pick<WmiSystem, 'enabledState'>): VmDescription['state'] =>
  STATES[system.enabledState ?? -1] ?? 'Other';

/** `Microsoft:Hyper-V:SubType:2` → 2. Where it is absent (before 2012 R2) there is generation 1 only. */
export const generationOf = (settings: WmiSettings): 1 | 2 => (settings.virtualSystemSubType?.endsWith(':2') ? 2 : 1);

export interface DescribedParts {
  system: WmiSystem;
  settings: WmiSettings;
  components: WmiComponent[];
  /** Facts of the disk files, by path. */
  facts: Map<string, DiskFacts>;
  lastApplied?: string | null;
  /** Checkpoints have a name of their own. */
  name?: string;
}

export function describeVm({ system, settings, components, facts, lastApplied, name }: DescribedParts): VmDescription {
  const generation = generationOf(settings);
  const of = (className: string) => components.find((component) => component.className === className);
  const memory = of('Msvm_MemorySettingData');
  const dynamic = memory?.dynamicMemoryEnabled === true;
  const notes = settings.notes.join('\n');
  return {
    id: system.name.toLowerCase(),
    name: name ?? settings.elementName,
    generation,
    version: settings.version ?? '',
    state: stateOf(system),
    processorCount: of('Msvm_ProcessorSettingData')?.virtualQuantity || 1,
    memoryStartup: (memory?.virtualQuantity ?? 0) * MIB,
    dynamicMemory: dynamic,
    ...(dynamic && memory?.reservation ? { memoryMinimum: memory.reservation * MIB } : {}),
    ...(dynamic && memory?.limit ? { memoryMaximum: memory.limit * MIB } : {}),
    ...(generation === 2 ? firmware(settings, of('Msvm_SecuritySettingData')) : bootOrder(settings)),
    disks: describeDisks(placedDisks(components), facts),
    networkAdapters: describeAdapters(components),
    ...(notes ? { notes } : {}),
    ...(lastApplied ? { lastAppliedCheckpoint: settingsId(lastApplied) } : {}),
  };
}

function firmware(settings: WmiSettings, security: WmiComponent | undefined): Partial<VmDescription> {
  const template = templateName(settings.secureBootTemplateId ?? undefined);
  return {
    ...(settings.secureBootEnabled == null ? {} : { secureBoot: settings.secureBootEnabled }),
    ...(template ? { secureBootTemplate: template } : {}),
    ...(security?.tpmEnabled == null ? {} : { tpm: security.tpmEnabled }),
  };
}

function bootOrder(settings: WmiSettings): Partial<VmDescription> {
  const order = settings.bootOrder.map((device) => BOOT_DEVICES[device] ?? `${device}`);
  return order.length > 0 ? { bootOrder: order } : {};
}

const isAdapter = (component: WmiComponent): boolean =>
  /^Msvm_(Synthetic|Emulated)EthernetPortSettingData$/.test(component.className);

function describeAdapters(components: WmiComponent[]): VmNetworkAdapter[] {
  const connections = new Map(
    components
      .filter((component) => component.className === 'Msvm_EthernetPortAllocationSettingData')
      .map((component) => [pathKey(component.parent ?? ''), component]),
  );
  return components.filter(isAdapter).map((adapter) => {
    const connection = connections.get(pathKey(adapter.path));
    const connected = connection?.enabledState === CONNECTED && connection.hostResource.length > 0;
    const address = (adapter.address ?? '').toUpperCase();
    return {
      name: adapter.elementName ?? '',
      macAddress: /^0*$/.test(address) ? '' : address,
      dynamicMacAddress: adapter.staticMacAddress !== true,
      ...(connected && connection.lastKnownSwitchName ? { switchName: connection.lastKnownSwitchName } : {}),
    };
  });
}

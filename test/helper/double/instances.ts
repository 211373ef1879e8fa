/** WMI instances made from the simulated host's VMs and checkpoints. */
import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { templateId } from '../../../backend/src/hosts/configuration/index.ts';
import type { RecoveryCheckpoint } from '../../../backend/src/hosts/port.ts';
import type { SimulatedHost } from '../../../backend/src/hosts/simulated/index.ts';
import type { VmDescription, VmDisk } from '../../../backend/src/schema/vm.ts';
import { CLASSES } from './schema.ts';
import type { Behaviour, DoubleState, PlannedSystem, Reference } from './state.ts';
import { setPath } from './vhd-sets.ts';

export interface Instance {
  className: string;
  properties: Record<string, unknown>;
}

export const SERVER = 'SIMHOST';
const MIB = 2 ** 20;
const STATES = { Off: 3, Running: 2, Saved: 32769, Paused: 32768, Other: 10 } as const;
const BOOT = ['Floppy', 'Optical', 'HardDrive', 'Network'];
export const SUBTYPE = {
  ide: 'Microsoft:Hyper-V:Emulated IDE Controller',
  scsi: 'Microsoft:Hyper-V:Synthetic SCSI Controller',
  drive: 'Microsoft:Hyper-V:Synthetic Disk Drive',
  physical: 'Microsoft:Hyper-V:Physical Disk Drive',
  disk: 'Microsoft:Hyper-V:Virtual Hard Disk',
  port: 'Microsoft:Hyper-V:Synthetic Ethernet Port',
  connection: 'Microsoft:Hyper-V:Ethernet Connection',
} as const;
const IDE_CLASS = '83F8638B-8DCA-4152-9EDA-2CA8B33039B4';
const scsiClass = (number: number): string => `5C02CB9C-0000-4000-8000-${String(number).padStart(12, '0')}`;

export const upper = (guid: string): string => guid.toUpperCase();
export const referenceTo = ({ className, properties }: Instance): Reference => ({
  className,
  keys: Object.fromEntries(CLASSES[className]!.keys.map((key) => [key, String(properties[key])])),
});

export function objectPath({ className, properties }: Instance): string {
  const keys = CLASSES[className]!.keys.map(
    (key) => `${key}="${String(properties[key]).replaceAll('\\', '\\\\').replaceAll('"', '\\"')}"`,
  );
  return `\\\\${SERVER}\\root\\virtualization\\v2:${className}.${keys.join(',')}`;
}

export const settingsInstanceId = (guid: string): string => `Microsoft:${upper(guid)}`;

export function systemInstance(
  className: string,
  id: string,
  name: string,
  state: keyof typeof STATES,
  merging: boolean,
): Instance {
  return {
    className,
    properties: {
      CreationClassName: className,
      Name: upper(id),
      ElementName: name,
      Caption: 'Virtual Machine',
      Description: 'Microsoft Virtual Machine',
      EnabledState: STATES[state],
      OperationalStatus: merging ? [2, 32772] : [2],
      HealthState: 5,
    },
  };
}

export interface SettingSource {
  vm: VmDescription;
  /** Id of the VM, or of the checkpoint. */
  id: string;
  type: string;
  name: string;
  createdAt?: string;
  dataRoot: string;
  folder: 'Virtual Machines' | 'Snapshots';
  behaviour: Behaviour;
}

export function settingInstance({
  vm,
  id,
  type,
  name,
  createdAt,
  dataRoot,
  folder,
  behaviour,
}: SettingSource): Instance {
  return {
    className: 'Msvm_VirtualSystemSettingData',
    properties: {
      InstanceID: settingsInstanceId(id),
      Caption: 'Virtual Machine Settings',
      ElementName: name,
      VirtualSystemIdentifier: upper(vm.id),
      VirtualSystemType: type,
      VirtualSystemSubType: `Microsoft:Hyper-V:SubType:${vm.generation}`,
      Version: behaviour.version ?? vm.version,
      Notes: vm.notes ? [vm.notes] : [],
      CreationTime: createdAt ?? '2026-01-01T00:00:00.000Z',
      ConfigurationID: upper(id),
      ConfigurationDataRoot: dataRoot,
      ConfigurationFile: `${folder}/${id}.vmcx`,
      SnapshotDataRoot: dataRoot,
      BootOrder: vm.generation === 1 && vm.bootOrder ? vm.bootOrder.map((device) => BOOT.indexOf(device)) : undefined,
      SecureBootEnabled: vm.generation === 2 ? (vm.secureBoot ?? false) : undefined,
      SecureBootTemplateId: vm.secureBootTemplate ? upper(templateId(vm.secureBootTemplate) ?? '') : undefined,
    },
  };
}

/** The id of a switch is not its name: here it comes from the name, so that it stays the same. */
export function switchInstance(name: string): Instance {
  const [a, b, c, d, e] = createHash('sha256')
    .update(name.toLowerCase())
    .digest('hex')
    .toUpperCase()
    .match(/^(.{8})(.{4})(.{4})(.{4})(.{12})/)!
    .slice(1);
  const className = 'Msvm_VirtualEthernetSwitch';
  return {
    className,
    properties: { CreationClassName: className, Name: [a, b, c, d, e].join('-'), ElementName: name },
  };
}

/** All components of settings, in the order the devices would be in the manifest. */
export function componentInstances(vm: VmDescription, id: string, behaviour: Behaviour): Instance[] {
  const prefix = settingsInstanceId(id);
  const out: Instance[] = [
    {
      className: 'Msvm_MemorySettingData',
      properties: {
        InstanceID: `${prefix}\\4764334D-E001-4176-82EE-5594EC9B530E`,
        VirtualQuantity: Math.ceil(vm.memoryStartup / MIB),
        DynamicMemoryEnabled: vm.dynamicMemory,
        Reservation: Math.ceil((vm.memoryMinimum ?? vm.memoryStartup) / MIB),
        Limit: Math.ceil((vm.memoryMaximum ?? vm.memoryStartup) / MIB),
      },
    },
    {
      className: 'Msvm_ProcessorSettingData',
      properties: {
        InstanceID: `${prefix}\\B637F346-6A0E-4DEC-AF52-BD70CB80A21D\\0`,
        VirtualQuantity: vm.processorCount,
      },
    },
  ];
  if (vm.generation === 2) {
    out.push({
      className: 'Msvm_SecuritySettingData',
      properties: {
        InstanceID: `${prefix}\\F3E7F8A5-0000-4000-8000-000000000001`,
        TpmEnabled: vm.tpm ?? false,
        ShieldingRequested: false,
      },
    });
  }
  const controllers = controllersOf(vm);
  out.push(...controllers.map(({ type, number }) => controllerInstance(prefix, type, number)));
  for (const disk of vm.disks) out.push(...diskInstances(prefix, disk));
  if (behaviour.vhdSet !== undefined) showAsSet(out, vm, id, behaviour);
  if (behaviour.passThrough && id === vm.id) out.push(passThroughInstance(prefix, vm));
  for (const [n, adapter] of vm.networkAdapters.entries()) {
    const port: Instance = {
      className: 'Msvm_SyntheticEthernetPortSettingData',
      properties: {
        InstanceID: `${prefix}\\0E7B0000-0000-4000-8000-${String(n).padStart(12, '0')}`,
        ElementName: adapter.name,
        ResourceType: 10,
        ResourceSubType: SUBTYPE.port,
        Address: adapter.macAddress || '000000000000',
        StaticMacAddress: !adapter.dynamicMacAddress,
      },
    };
    out.push(port, {
      className: 'Msvm_EthernetPortAllocationSettingData',
      properties: {
        InstanceID: `${port.properties.InstanceID}\\C`,
        ElementName: 'Dynamic Ethernet Switch Port',
        ResourceType: 33,
        ResourceSubType: SUBTYPE.connection,
        Parent: objectPath(port),
        HostResource: adapter.switchName ? [objectPath(switchInstance(adapter.switchName))] : [],
        LastKnownSwitchName: adapter.switchName,
        EnabledState: adapter.switchName ? 2 : 3,
      },
    });
  }
  return out;
}

function controllersOf(vm: VmDescription): { type: 'IDE' | 'SCSI'; number: number }[] {
  const scsi = Math.max(
    vm.generation === 2 ? 0 : -1,
    ...vm.disks.filter((disk) => disk.controllerType === 'SCSI').map((disk) => disk.controllerNumber),
  );
  const ide = vm.generation === 1 ? [0, 1] : [];
  return [
    ...ide.map((number) => ({ type: 'IDE' as const, number })),
    ...Array.from({ length: scsi + 1 }, (_, number) => ({ type: 'SCSI' as const, number })),
  ];
}

const controllerKey = (type: string, number: number): string =>
  type === 'IDE' ? `${IDE_CLASS}\\${number}` : `${scsiClass(number)}\\0`;

export const controllerInstance = (prefix: string, type: 'IDE' | 'SCSI', number: number): Instance => ({
  className: 'Msvm_ResourceAllocationSettingData',
  properties: {
    InstanceID: `${prefix}\\${controllerKey(type, number)}`,
    ElementName: `${type} Controller ${number}`,
    ResourceType: type === 'IDE' ? 5 : 6,
    ResourceSubType: type === 'IDE' ? SUBTYPE.ide : SUBTYPE.scsi,
    Address: type === 'IDE' ? `${number}` : '',
  },
});

export const diskKey = (disk: Pick<VmDisk, 'controllerType' | 'controllerNumber' | 'controllerLocation'>): string =>
  `${controllerKey(disk.controllerType, disk.controllerNumber)}\\${disk.controllerLocation}`;

function diskInstances(prefix: string, disk: VmDisk): Instance[] {
  const controller = controllerInstance(prefix, disk.controllerType as 'IDE' | 'SCSI', disk.controllerNumber);
  const drive: Instance = {
    className: 'Msvm_ResourceAllocationSettingData',
    properties: {
      InstanceID: `${prefix}\\${diskKey(disk)}\\D`,
      ElementName: 'Hard Drive',
      ResourceType: 17,
      ResourceSubType: SUBTYPE.drive,
      Parent: objectPath(controller),
      AddressOnParent: `${disk.controllerLocation}`,
    },
  };
  const file: Instance = {
    className: 'Msvm_StorageAllocationSettingData',
    properties: {
      InstanceID: `${prefix}\\${diskKey(disk)}\\L`,
      ElementName: 'Hard Disk Image',
      ResourceType: 31,
      ResourceSubType: SUBTYPE.disk,
      Parent: objectPath(drive),
      HostResource: [disk.path],
    },
  };
  return [drive, file];
}

/** The disk as the set it is in; a checkpoint's with the snapshot that it is. */
function showAsSet(components: Instance[], vm: VmDescription, id: string, behaviour: Behaviour): void {
  const disk = vm.disks[behaviour.vhdSet!];
  const file = components.find(
    ({ properties }) => disk && (properties.HostResource as string[] | undefined)?.[0] === disk.path,
  );
  if (!disk || !file) return;
  file.properties.HostResource = [setPath(disk)];
  file.properties.PersistentReservationsSupported = true;
  file.properties.SnapshotId = id !== vm.id && behaviour.vhdSetSnapshots !== false ? upper(id) : '';
}

function passThroughInstance(prefix: string, vm: VmDescription): Instance {
  const type = vm.generation === 1 ? 'IDE' : 'SCSI';
  const number = type === 'IDE' ? 1 : 0;
  const location = type === 'IDE' ? 1 : 63;
  return {
    className: 'Msvm_ResourceAllocationSettingData',
    properties: {
      InstanceID: `${prefix}\\${controllerKey(type, number)}\\${location}\\D`,
      ElementName: 'Physical Drive',
      ResourceType: 17,
      ResourceSubType: SUBTYPE.physical,
      Parent: objectPath(controllerInstance(prefix, type, number)),
      AddressOnParent: `${location}`,
      HostResource: [`\\\\${SERVER}\\root\\virtualization\\v2:Msvm_DiskDrive.DeviceID="Microsoft:PhysicalDrive7"`],
    },
  };
}

/** Everything of the host that instances are made from. */
export interface World {
  host: SimulatedHost;
  state: DoubleState;
  behaviour: Behaviour;
  /** Only the VM or checkpoint with this id is wanted. */
  only?: string;
}

/** Ids of all VMs, without describing them. */
export function vmIds({ host }: World): string[] {
  const database = new DatabaseSync(join(host.directory, 'host.sqlite'), { readOnly: true });
  try {
    return database
      .prepare('SELECT id FROM vms ORDER BY ordinal')
      .all()
      .map((row) => String(row.id));
  } finally {
    database.close();
  }
}

export async function allVms(world: World): Promise<VmDescription[]> {
  const vms: VmDescription[] = [];
  for (const id of vmIds(world))
    if (world.only === undefined || world.only === id) vms.push(await world.host.getVm(id));
  return vms;
}

export async function allCheckpoints(world: World): Promise<RecoveryCheckpoint[]> {
  const all: RecoveryCheckpoint[] = [];
  for (const id of vmIds(world)) all.push(...(await world.host.listRecoveryCheckpoints(id)));
  return all.filter(({ id }) => world.only === undefined || world.only === id);
}

export const vmSettings = (world: World, vm: VmDescription): Instance =>
  settingInstance({
    vm,
    id: vm.id,
    type: 'Microsoft:Hyper-V:System:Realized',
    name: vm.name,
    dataRoot: world.host.directory,
    folder: 'Virtual Machines',
    behaviour: world.behaviour,
  });

export const checkpointSettings = (world: World, checkpoint: RecoveryCheckpoint): Instance =>
  settingInstance({
    vm: checkpoint.vm,
    id: checkpoint.id,
    type: 'Microsoft:Hyper-V:Snapshot:Recovery',
    name: world.state.names[checkpoint.id] ?? checkpoint.label,
    createdAt: checkpoint.createdAt,
    dataRoot: world.host.directory,
    folder: 'Snapshots',
    behaviour: world.behaviour,
  });

/** The checkpoint's disks where they lie now. */
export const frozenVm = (checkpoint: RecoveryCheckpoint): VmDescription => ({
  ...checkpoint.vm,
  disks: checkpoint.vm.disks.map((disk) => ({
    ...disk,
    path: checkpoint.disks.find((entry) => entry.index === disk.index)?.path ?? disk.path,
  })),
});

export const plannedSettings = (planned: PlannedSystem): Instance => ({
  className: 'Msvm_VirtualSystemSettingData',
  properties: {
    ...planned.settings,
    InstanceID: settingsInstanceId(planned.id),
    VirtualSystemIdentifier: upper(planned.id),
    VirtualSystemType: 'Microsoft:Hyper-V:System:Planned',
  },
});

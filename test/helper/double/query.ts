/** Answering queries: instances of a class, associations, one instance by its keys. */
import { CimFault } from './embedded.ts';
import {
  allCheckpoints,
  allVms,
  checkpointSettings,
  componentInstances,
  diskKey,
  frozenVm,
  type Instance,
  plannedSettings,
  referenceTo,
  SERVER,
  SUBTYPE,
  settingInstance,
  settingsInstanceId,
  switchInstance,
  systemInstance,
  upper,
  vmIds,
  vmSettings,
  type World,
} from './instances.ts';
import { CLASSES } from './schema.ts';
import type { Job, Reference } from './state.ts';

const SERVICES = [
  'Msvm_VirtualSystemSnapshotService',
  'Msvm_VirtualSystemReferencePointService',
  'Msvm_ImageManagementService',
  'Msvm_VirtualSystemManagementService',
];

const serviceInstance = (className: string): Instance => ({
  className,
  properties: {
    CreationClassName: className,
    Name: 'vmms',
    SystemCreationClassName: 'Msvm_ComputerSystem',
    SystemName: SERVER,
    ElementName: className,
  },
});

export async function instancesOf(world: World, className: string): Promise<Instance[]> {
  if (!CLASSES[className]) throw new CimFault('InvalidClass', `Invalid class ${className}`);
  if (SERVICES.includes(className)) return [serviceInstance(className)];
  switch (className) {
    case 'Msvm_ComputerSystem':
      return [
        hostItself(),
        ...(await Promise.all(
          (await allVms(world)).map(async (vm) => await vmSystem(world, vm.id, vm.name, vm.state)),
        )),
      ];
    case 'Msvm_PlannedComputerSystem':
      return world.state.planned.map((planned) =>
        systemInstance(className, planned.id, String(planned.settings.ElementName), 'Off', false),
      );
    case 'Msvm_VirtualSystemSettingData':
      return [
        ...(await allVms(world)).map((vm) => vmSettings(world, vm)),
        ...(await allCheckpoints(world)).map((checkpoint) => checkpointSettings(world, checkpoint)),
        ...world.state.planned.map(plannedSettings),
      ];
    case 'Msvm_StorageAllocationSettingData':
    case 'Msvm_ResourceAllocationSettingData':
      return await allComponents(world, className);
    case 'Msvm_VirtualSystemReferencePoint':
      return (await Promise.all(vmIds(world).map((id) => referencePoints(world, id)))).flat();
    case 'Msvm_VirtualEthernetSwitch':
      return world.host.listSwitches().map(switchInstance);
    case 'Msvm_ConcreteJob':
      return world.state.jobs.map(jobInstance);
    case 'Msvm_VirtualSystemManagementServiceSettingData':
      return [
        {
          className,
          properties: {
            InstanceID: 'Microsoft:settings',
            DefaultVirtualHardDiskPath: `${world.host.directory}.disks`,
            DefaultExternalDataRoot: world.host.directory,
          },
        },
      ];
    case 'Msvm_AllocationCapabilities':
      return [SUBTYPE.scsi, SUBTYPE.drive, SUBTYPE.disk, SUBTYPE.port, SUBTYPE.connection].map((subType) => ({
        className,
        properties: { InstanceID: `Microsoft:Definition\\${subType}`, ResourceSubType: subType },
      }));
    default:
      return [];
  }
}

async function allComponents(world: World, className: string): Promise<Instance[]> {
  const all = [
    ...(await allVms(world)).flatMap((vm) => componentInstances(vm, vm.id, world.behaviour)),
    ...(await allCheckpoints(world)).flatMap((checkpoint) =>
      componentInstances(frozenVm(checkpoint), checkpoint.id, world.behaviour),
    ),
  ];
  return all.filter((instance) => instance.className === className);
}

const hostItself = (): Instance => ({
  className: 'Msvm_ComputerSystem',
  properties: {
    CreationClassName: 'Msvm_ComputerSystem',
    Name: SERVER,
    ElementName: SERVER,
    Caption: 'Hosting Computer System',
    EnabledState: 2,
    OperationalStatus: [2],
  },
});

async function vmSystem(world: World, id: string, name: string, state: 'Off'): Promise<Instance>;
async function vmSystem(world: World, id: string, name: string, state: string): Promise<Instance>;
async function vmSystem(world: World, id: string, name: string, state: string): Promise<Instance> {
  const stopped = world.behaviour.exportStopsMerging === true;
  const merging = !stopped && (await world.host.mergeState(id)).some((entry) => entry.state === 'merging');
  return systemInstance('Msvm_ComputerSystem', id, name, state as 'Off', merging);
}

async function referencePoints(world: World, vmId: string): Promise<Instance[]> {
  const vm = await world.host.getVm(vmId);
  return (await world.host.listReferencePoints(vmId)).map((point) => {
    // Where the disk was attached. One that is gone had a place that nothing is at now.
    const places = point.disks.map(({ diskId }) => {
      const disk = vm.disks.find((entry) => entry.id === diskId);
      return `${settingsInstanceId(vmId)}\\${disk ? diskKey(disk) : 'DEAD0000-0000-4000-8000-000000000000\\0\\0'}\\L`;
    });
    const ids = point.disks.map((disk) => disk.rctId);
    return {
      className: 'Msvm_VirtualSystemReferencePoint',
      properties: {
        InstanceID: upper(point.id),
        VirtualSystemIdentifier: upper(vmId),
        ReferencePointType: 2,
        ConsistencyLevel: point.consistency === 'application' ? 1 : 2,
        HasAssociatedData: false,
        VirtualDiskIdentifiers: places,
        ResilientChangeTrackingIdentifiers: world.behaviour.unequalArrays ? ids.slice(1) : ids,
      },
    };
  });
}

const jobInstance = (job: Job): Instance => ({
  className: 'Msvm_ConcreteJob',
  properties: {
    InstanceID: job.id,
    Caption: job.method,
    JobState: job.states[0],
    ErrorCode: job.states[0] === 10 ? job.errorCode : 0,
    ErrorDescription: job.states[0] === 10 ? job.error : '',
    PercentComplete: job.states.length === 1 ? 100 : Math.max(0, 10 * (9 - job.states.length)),
    Cancellable: job.cancellable !== false,
  },
});

/** @throws CimFault NotFound */
export async function instanceOf(world: World, reference: Reference): Promise<Instance> {
  const found = (
    await instancesOf({ ...world, only: guidIn(Object.values(reference.keys)) }, reference.className)
  ).find((instance) => sameKeys(instance, reference));
  if (!found) throw new CimFault('NotFound', `The object was not found: ${JSON.stringify(reference)}`);
  return found;
}

const GUID = /^(?:Microsoft:)?([0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12})$/;

/** The VM or checkpoint that is asked for, when one is: nobody else then needs to be described. */
export const guidIn = (texts: string[]): string | undefined =>
  texts.map((text) => GUID.exec(text)?.[1]?.toLowerCase()).find((guid) => guid !== undefined);

function sameKeys(instance: Instance, reference: Reference): boolean {
  const keys = referenceTo(instance).keys;
  return Object.keys(keys).every((key) => keys[key]!.toUpperCase() === String(reference.keys[key] ?? '').toUpperCase());
}

/** WQL as far as clients need it: one comparison of a property with a text. @throws CimFault InvalidQuery */
export function matches(instance: Instance, filter: string): boolean {
  const condition = /^(\w+) = '([^']*)'$/.exec(filter);
  if (!condition) throw new CimFault('InvalidQuery', `Invalid query: ${filter}`);
  if (!CLASSES[instance.className]!.properties[condition[1]!])
    throw new CimFault('InvalidQuery', `Invalid query: ${filter}`);
  return String(instance.properties[condition[1]!] ?? '').toUpperCase() === condition[2]!.toUpperCase();
}

/** @throws CimFault for an unknown association or an instance that is gone */
export async function associated(
  world: World,
  from: Reference,
  association: string | undefined,
  resultClass: string | undefined,
): Promise<Instance[]> {
  const source = await instanceOf(world, from);
  if (association && COLLECTORS[association]) return collectorsOf(world, source, association);
  const results = await follow(world, source, association);
  return resultClass ? results.filter((instance) => instance.className === resultClass) : results;
}

const COLLECTORS: Record<string, string> = {
  Msvm_CollectedVirtualSystems: 'Msvm_VirtualSystemCollection',
  Msvm_CollectedSnapshots: 'Msvm_SnapshotCollection',
  Msvm_CollectedReferencePoints: 'Msvm_ReferencePointCollection',
};

/**
 * The collection that a VM, checkpoint or reference point is in.
 * @throws CimFault InvalidClass on a host that knows none
 */
function collectorsOf({ behaviour }: World, source: Instance, association: string): Instance[] {
  if (behaviour.noGroups) throw new CimFault('InvalidClass', `Invalid class ${association}`);
  const className = COLLECTORS[association]!;
  const id = String(source.properties.InstanceID ?? '').replace(/^Microsoft:/, '');
  const collected =
    association === 'Msvm_CollectedVirtualSystems'
      ? behaviour.group !== undefined
      : behaviour.collected === 'all' || behaviour.collected?.includes(id.toLowerCase());
  if (!collected) return [];
  const properties = { CollectionID: 'C0113C71-0000-4000-8000-000000000001', ElementName: behaviour.group ?? 'group' };
  return [{ className, properties }];
}

async function follow(world: World, source: Instance, association: string | undefined): Promise<Instance[]> {
  switch (source.className) {
    case 'Msvm_ComputerSystem':
      return await ofSystem(world, String(source.properties.Name).toLowerCase(), association);
    case 'Msvm_PlannedComputerSystem':
      return association === 'Msvm_SettingsDefineState'
        ? world.state.planned.filter((planned) => upper(planned.id) === source.properties.Name).map(plannedSettings)
        : [];
    case 'Msvm_VirtualSystemSettingData':
      return association === 'Msvm_VirtualSystemSettingDataComponent' ? await ofSettings(world, source) : [];
    case 'Msvm_ConcreteJob': {
      const job = world.state.jobs.find((entry) => entry.id === source.properties.InstanceID)!;
      if (world.behaviour.unassociated) return [];
      const found: Instance[] = [];
      for (const reference of job.results) found.push(await instanceOf(world, reference));
      return found;
    }
    case 'Msvm_AllocationCapabilities':
      return association === 'Msvm_SettingsDefineCapabilities'
        ? defaults(String(source.properties.ResourceSubType))
        : [];
    default:
      return [];
  }
}

async function ofSystem(world: World, id: string, association: string | undefined): Promise<Instance[]> {
  if (id === SERVER.toLowerCase()) return [];
  const vm = await world.host.getVm(id);
  switch (association) {
    case 'Msvm_SettingsDefineState':
      return [vmSettings(world, vm)];
    case 'Msvm_SnapshotOfVirtualSystem':
      return (await world.host.listRecoveryCheckpoints(id)).map((checkpoint) => checkpointSettings(world, checkpoint));
    case 'Msvm_ReferencePointOfVirtualSystem':
      return await referencePoints(world, id);
    case 'Msvm_SystemExportSettingData':
      return [
        {
          className: 'Msvm_VirtualSystemExportSettingData',
          properties: {
            InstanceID: `${settingsInstanceId(id)}\\export`,
            CopySnapshotConfiguration: 0,
            CopyVmStorage: true,
            CreateVmExportSubdirectory: true,
            // What is set on it is not what the next export shall have.
            DifferentialBackupBase: 'left by somebody',
          },
        },
      ];
    case 'Msvm_LastAppliedSnapshot':
      if (!vm.lastAppliedCheckpoint) return [];
      return [
        settingInstance({
          vm,
          id: vm.lastAppliedCheckpoint,
          type: 'Microsoft:Hyper-V:Snapshot:Realized',
          name: 'applied',
          dataRoot: world.host.directory,
          folder: 'Snapshots',
          behaviour: world.behaviour,
        }),
      ];
    case 'Msvm_SystemDevice':
      if (world.behaviour.noVss) return [];
      return [
        {
          className: 'Msvm_VssComponent',
          properties: {
            DeviceID: `Microsoft:${upper(id)}\\vss`,
            EnabledState: 2,
            OperationalStatus: [2],
            StatusDescriptions: ['OK'],
          },
        },
      ];
    default:
      throw new CimFault('InvalidClass', `Invalid class ${association}`);
  }
}

async function ofSettings(world: World, settings: Instance): Promise<Instance[]> {
  const id = String(settings.properties.InstanceID).slice('Microsoft:'.length).toLowerCase();
  const planned = world.state.planned.find((entry) => entry.id === id);
  if (planned) return planned.components;
  const checkpoint = (await allCheckpoints(world)).find((entry) => entry.id === id);
  if (checkpoint) return componentInstances(frozenVm(checkpoint), checkpoint.id, world.behaviour);
  const vm = await world.host.getVm(id);
  return componentInstances(vm, vm.id, world.behaviour);
}

/** Defaults of a kind of resource, with others beside it that are not the default. */
function defaults(subType: string): Instance[] {
  const className =
    subType === SUBTYPE.disk
      ? 'Msvm_StorageAllocationSettingData'
      : subType === SUBTYPE.port
        ? 'Msvm_SyntheticEthernetPortSettingData'
        : subType === SUBTYPE.connection
          ? 'Msvm_EthernetPortAllocationSettingData'
          : 'Msvm_ResourceAllocationSettingData';
  const types: Record<string, number> = {
    [SUBTYPE.scsi]: 6,
    [SUBTYPE.drive]: 17,
    [SUBTYPE.disk]: 31,
    [SUBTYPE.port]: 10,
    [SUBTYPE.connection]: 33,
  };
  return ['Minimum', 'Default', 'Maximum'].map((name) => ({
    className,
    properties: {
      InstanceID: `Microsoft:Definition\\${subType}\\${name}`,
      ElementName: name,
      ResourceType: types[subType],
      ResourceSubType: subType,
      ...(subType === SUBTYPE.port ? { StaticMacAddress: false } : {}),
    },
  }));
}

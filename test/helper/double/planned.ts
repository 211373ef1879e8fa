/** VMs that are being built. */
import { randomUUID } from 'node:crypto';
import { existsSync } from 'node:fs';
import { copyFile, readFile, rm } from 'node:fs/promises';
import { inspectDisk } from '../../../backend/src/disk/index.ts';
import { describeConfiguration, openHvs, templateName } from '../../../backend/src/hosts/configuration/index.ts';
import { describeVm as describeWmi } from '../../../backend/src/hosts/hyperv/vms/describe.ts';
import { WmiComponent, WmiSettings } from '../../../backend/src/hosts/hyperv/wmi.ts';
import type { VmDescription, VmDisk } from '../../../backend/src/schema/vm.ts';
import { HvError } from '../../../backend/src/support/errors.ts';
import { CimFault, type Embedded, Refused } from './embedded.ts';
import {
  componentInstances,
  controllerInstance,
  type Instance,
  objectPath,
  SUBTYPE,
  settingInstance,
  settingsInstanceId,
  switchInstance,
  type World,
} from './instances.ts';
import type { PlannedSystem, Reference } from './state.ts';

export function requirePlanned(world: World, id: string): PlannedSystem {
  const planned = world.state.planned.find((entry) => entry.id === id);
  if (!planned) throw new CimFault('NotFound', `no planned system ${id}`);
  return planned;
}

async function requireFreeId(world: World, id: string): Promise<void> {
  const taken =
    (await world.host.listVms()).some((vm) => vm.id === id) || world.state.planned.some((entry) => entry.id === id);
  if (taken) throw new HvError('VM_EXISTS', `a virtual machine with the identifier ${id} exists already`);
}

export async function definePlanned(world: World, settings: Embedded, resources: Embedded[]): Promise<string> {
  const asked = String(settings.properties.VirtualSystemIdentifier ?? '').toLowerCase();
  const id = asked && world.behaviour.keepsId !== false ? asked : randomUUID();
  await requireFreeId(world, id);
  const prefix = settingsInstanceId(id);
  const generation = String(settings.properties.VirtualSystemSubType).endsWith(':2') ? 2 : 1;
  const components: Instance[] = resources.map(({ className, properties }, n) => ({
    className,
    properties: { ...properties, InstanceID: `${prefix}\\resource\\${n}` },
  }));
  if (generation === 1) components.push(controllerInstance(prefix, 'IDE', 0), controllerInstance(prefix, 'IDE', 1));
  world.state.planned.push({ id, settings: { Version: '10.0', ...settings.properties }, components, next: 100 });
  return id;
}

export async function importPlanned(world: World, file: string, newId: boolean): Promise<string> {
  const { vm } = await describeConfiguration(await openHvs(await readFile(file), file));
  const id = newId || !vm.id ? randomUUID() : vm.id;
  await requireFreeId(world, id);
  const disks = vm.disks.map(
    (disk, index) => ({ id: '', size: 0, logicalSectorSize: 512, physicalSectorSize: 512, ...disk, index }) as VmDisk,
  );
  const described = {
    state: 'Off',
    version: '10.0',
    generation: 2,
    processorCount: 1,
    memoryStartup: 0,
    dynamicMemory: false,
    ...vm,
    id,
    disks,
  } as VmDescription;
  const { properties } = settingInstance({
    vm: described,
    id,
    type: '',
    name: described.name,
    dataRoot: world.host.directory,
    folder: 'Virtual Machines',
    behaviour: {},
  });
  world.state.planned.push({
    id,
    settings: properties,
    components: componentInstances(described, id, {}),
    next: 100,
  });
  return id;
}

function findComponent(world: World, instanceId: string): { planned: PlannedSystem; component: Instance } {
  for (const planned of world.state.planned) {
    const component = planned.components.find((entry) => entry.properties.InstanceID === instanceId);
    if (component) return { planned, component };
  }
  throw new CimFault('NotFound', `no component ${instanceId}`);
}

export function modifyResource(world: World, { className, properties }: Embedded): void {
  const { component } = findComponent(world, String(properties.InstanceID));
  if (component.className !== className)
    throw new CimFault('InvalidParameter', `${properties.InstanceID} is no ${className}`);
  Object.assign(component.properties, properties, connected(world, component.className, properties));
}

export function removeResource(world: World, reference: Reference): void {
  const { planned, component } = findComponent(world, reference.keys.InstanceID!);
  const path = objectPath(component);
  if (planned.components.some((entry) => entry.properties.Parent === path))
    throw new CimFault('InvalidParameter', 'something hangs on the resource');
  planned.components = planned.components.filter((entry) => entry !== component);
}

const INVALID_PARAMETER = 32773;

/**
 * An enabled connection names a switch of this host by its whole path (documented); its name is then the host's to know
 * (assumed).
 * @throws Refused for any other path
 */
function connected(world: World, className: string, properties: Record<string, unknown>): Record<string, unknown> {
  if (className !== 'Msvm_EthernetPortAllocationSettingData' || properties.EnabledState !== 2) return {};
  const name = switchAt(world, properties);
  if (name === undefined) throw new Refused(INVALID_PARAMETER, 'HostResource is no virtual switch of this host');
  return { LastKnownSwitchName: name };
}

const switchAt = (world: World, { HostResource: paths }: Record<string, unknown>): string | undefined =>
  world.host.listSwitches().find((name) => objectPath(switchInstance(name)) === (paths as string[] | undefined)?.[0]);

export function addResource(world: World, planned: PlannedSystem, { className, properties }: Embedded): void {
  if (!String(properties.InstanceID).startsWith('Microsoft:Definition\\'))
    throw new CimFault('InvalidParameter', 'a new resource starts from a definition');
  const prefix = settingsInstanceId(planned.id);
  const parent = planned.components.find((entry) => objectPath(entry) === properties.Parent);
  const id = newInstanceId(planned, prefix, properties, parent);
  if (planned.components.some((entry) => entry.properties.InstanceID === id))
    throw new CimFault('AlreadyExists', `the place is taken: ${id}`);
  const address =
    properties.ResourceSubType === SUBTYPE.port && !properties.StaticMacAddress
      ? { Address: dynamicAddress(planned.next++) }
      : {};
  const added = { ...properties, ...address, ...connected(world, className, properties) };
  planned.components.push({ className, properties: { ...added, InstanceID: id } });
}

function newInstanceId(
  planned: PlannedSystem,
  prefix: string,
  properties: Record<string, unknown>,
  parent: Instance | undefined,
): string {
  switch (properties.ResourceSubType) {
    case SUBTYPE.scsi:
      return `${prefix}\\${randomUUID().toUpperCase()}\\0`;
    case SUBTYPE.drive:
      if (parent?.properties.ResourceSubType !== SUBTYPE.scsi && parent?.properties.ResourceSubType !== SUBTYPE.ide)
        throw new CimFault('InvalidParameter', 'a drive hangs on a controller');
      return `${parent.properties.InstanceID}\\${properties.AddressOnParent}\\D`;
    case SUBTYPE.disk:
      if (parent?.properties.ResourceSubType !== SUBTYPE.drive)
        throw new CimFault('InvalidParameter', 'a disk is in a drive');
      return String(parent.properties.InstanceID).replace(/D$/, 'L');
    case SUBTYPE.connection:
      if (parent?.properties.ResourceSubType !== SUBTYPE.port)
        throw new CimFault('InvalidParameter', 'a connection is of a port');
      return `${parent.properties.InstanceID}\\C`;
    default:
      return `${prefix}\\${randomUUID().toUpperCase()}-${planned.next++}`;
  }
}

const dynamicAddress = (n: number): string =>
  `00155D${(0x100000 + ((Date.now() + n) % 0xeffff)).toString(16).toUpperCase().slice(-6)}`;

const filesOf = (planned: PlannedSystem): string[] =>
  planned.components
    .filter((entry) => entry.properties.ResourceSubType === SUBTYPE.disk)
    .map((entry) => String((entry.properties.HostResource as string[])[0]));

/** Files must be there, switches too. */
export async function validate(world: World, planned: PlannedSystem): Promise<void> {
  for (const file of filesOf(planned)) {
    if (!existsSync(file)) throw new HvError('FILE_NOT_FOUND', `the disk ${file} was not found`);
  }
  const astray = planned.components.find(
    ({ className, properties }) =>
      className === 'Msvm_EthernetPortAllocationSettingData' &&
      properties.EnabledState === 2 &&
      switchAt(world, properties) === undefined,
  );
  if (astray) throw new HvError('NOT_SUPPORTED', 'the virtual switch of a network adapter was not found');
}

const lower = (values: Record<string, unknown>) =>
  Object.fromEntries(Object.entries(values).map(([name, value]) => [name[0]!.toLowerCase() + name.slice(1), value]));

/** The planned VM becomes one of the simulated host; the disk files move into its folder. */
export async function realise(world: World, planned: PlannedSystem): Promise<void> {
  await validate(world, planned);
  const components = planned.components.map((entry) =>
    WmiComponent.parse({ ...lower(entry.properties), className: entry.className, path: objectPath(entry) }),
  );
  const settings = WmiSettings.parse({ ...lower(planned.settings), instanceID: settingsInstanceId(planned.id) });
  const files = new Map<string, Awaited<ReturnType<typeof inspectDisk>>>();
  for (const file of filesOf(planned)) files.set(file, await inspectDisk(file));
  const facts = new Map(
    [...files].map(([path, info]) => [
      path,
      {
        path,
        format: 'vhdx' as const,
        size: info.size,
        diskId: info.diskId ?? '',
        logicalSectorSize: info.logicalSectorSize,
        physicalSectorSize: info.physicalSectorSize,
        blockSize: info.blockSize ?? 0,
      },
    ]),
  );
  const vm = describeWmi({
    system: { name: planned.id, elementName: '', enabledState: 3, operationalStatus: [2] },
    settings,
    components,
    facts,
  });
  const adapters = vm.networkAdapters.map((adapter, n) => ({
    ...adapter,
    macAddress: adapter.macAddress || dynamicAddress(n),
  }));
  const template = templateName(settings.secureBootTemplateId ?? undefined);
  const plan = await world.host.planVm({
    vm: {
      ...vm,
      version: vm.version || '10.0',
      networkAdapters: adapters,
      ...(template ? { secureBootTemplate: template } : {}),
    },
    newId: false,
    replace: false,
    kind: 'data',
    switches: [...new Set(adapters.flatMap(({ switchName }) => switchName ?? []))].map((to) => ({ from: to, to })),
  });
  try {
    for (const disk of vm.disks) await copyFile(disk.path, plan.diskPath(disk.index));
    await plan.realise();
  } catch (error) {
    await plan.discard();
    throw error;
  }
  for (const disk of vm.disks) await rm(disk.path, { force: true });
  world.state.planned = world.state.planned.filter((entry) => entry !== planned);
}

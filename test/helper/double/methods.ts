/** The methods, as strict about parameters and states as the documentation and the field know them. */
import { randomUUID } from 'node:crypto';
import { existsSync } from 'node:fs';
import { copyFile, mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { inspectDisk } from '../../../backend/src/disk/index.ts';
import { HvError } from '../../../backend/src/support/errors.ts';
import { CimFault, parseEmbedded, Refused, renderEmbedded } from './embedded.ts';
import { exportSystem } from './export.ts';
import { allCheckpoints, type Instance, type World } from './instances.ts';
import {
  addResource,
  definePlanned,
  importPlanned,
  modifyResource,
  realise,
  removeResource,
  requirePlanned,
  validate,
} from './planned.ts';
import { instanceOf } from './query.ts';
import { CLASSES } from './schema.ts';
import type { Job, Reference } from './state.ts';
import { setDisk, setInformation, snapshotInformation } from './vhd-sets.ts';

/** What a method gives: out parameters at once, or a job. */
export interface MethodAnswer {
  returnValue: number;
  out: Record<string, unknown>;
}

const JOB_STARTED = 4096;
const FAILED = 32768;
const INVALID_PARAMETER = 32773;
const INVALID_STATE = 32775;
const NOT_SUPPORTED = 32770;
const TERMINATE = 4;
/** Looks that a long job takes, of which the later ones come a second apart: some seconds, to cancel it in. */
const LONG = 9;
const FILE_NOT_FOUND = 32779;
/** Msvm_VirtualHardDiskSettingData.Format. */
const VHD_SET = 4;
/** Quick ones are done at once, as they mostly are on Hyper-V. */
const SYNCHRONOUS = ['ModifySystemSettings', 'ModifyResourceSettings', 'AddResourceSettings', 'RemoveResourceSettings'];
/** States a job passes through, one for each look. */
const STATES = [2, 3, 4, 4, 7];
/** Of further jobs of the same method: nobody has to wait for what was seen already. */
const SHORT = [4, 7];
const FAILING = [2, 3, 4, 10];

type Arguments = Record<string, unknown>;
interface Done {
  folder?: string;
  /** Name of the out parameter and what it refers to. */
  out?: string;
  result?: Reference;
}
type Method = (world: World, args: Arguments) => Promise<Done>;

const idOf = (reference: unknown, key: string): string =>
  String((reference as Reference).keys[key])
    .replace(/^Microsoft:/, '')
    .toLowerCase();

const METHODS: Record<string, Method> = {
  CreateSnapshot: async (world, args) => {
    const { properties } = parseEmbedded(args.SnapshotSettings, 'Msvm_VirtualSystemSnapshotSettingData');
    if (args.SnapshotType !== 32768) throw new Refused(INVALID_PARAMETER, 'only recovery snapshots');
    if (properties.ConsistencyLevel !== 1 && properties.ConsistencyLevel !== 2)
      throw new Refused(INVALID_PARAMETER, 'ConsistencyLevel');
    // Assumed: documented is only that older VMs have neither production checkpoints nor change tracking.
    if (Number.parseFloat(world.behaviour.version ?? '10') < 6.2) throw new Refused(INVALID_STATE, 'too old a VM');
    const vmId = idOf(args.AffectedSystem, 'Name');
    const { name } = await world.host.getVm(vmId);
    const checkpoint = await world.host.createRecoveryCheckpoint(vmId, {
      consistency: properties.ConsistencyLevel === 1 ? 'application' : 'crash',
      allowCrashConsistent: false,
      label: `${name} - Backup - (${new Date().toISOString()})`,
    });
    return { out: 'ResultingSnapshot', result: settingsReference(checkpoint.id) };
  },
  ConvertToReferencePoint: async (world, args) => {
    const id = idOf(args.AffectedSnapshot, 'InstanceID');
    await requireRecovery(world, args.AffectedSnapshot);
    const frozen = (await allCheckpoints(world)).find((entry) => entry.id === id)!;
    const point = await world.host.convertToReferencePoint(id);
    world.state.sealed ??= {};
    world.state.sealed[point.id] = Object.fromEntries(frozen.disks.map((disk) => [disk.id, disk.rctId ?? '']));
    return {
      out: 'ResultingReferencePoint',
      result: { className: 'Msvm_VirtualSystemReferencePoint', keys: { InstanceID: point.id.toUpperCase() } },
    };
  },
  DestroySnapshot: async (world, args) => {
    await requireRecovery(world, args.AffectedSnapshot);
    await world.host.removeCheckpoint(idOf(args.AffectedSnapshot, 'InstanceID'));
    return {};
  },
  DestroyReferencePoint: async (world, args) => {
    const point = args.AffectedReferencePoint as Reference;
    await instanceOf(world, point);
    await world.host.removeReferencePoint(point.keys.InstanceID!.toLowerCase());
    return {};
  },
  ModifySystemSettings: async (world, args) => {
    const { properties } = parseEmbedded(args.SystemSettings, 'Msvm_VirtualSystemSettingData');
    const id = String(properties.InstanceID ?? '')
      .replace(/^Microsoft:/, '')
      .toLowerCase();
    const planned = world.state.planned.find((entry) => entry.id === id);
    // Their time of creation is not the client's to set.
    delete properties.CreationTime;
    if (planned) Object.assign(planned.settings, properties);
    else if ((await allCheckpoints(world)).some((entry) => entry.id === id))
      world.state.names[id] = String(properties.ElementName);
    else throw new Refused(INVALID_PARAMETER, 'there are no such settings');
    return {};
  },
  ModifyResourceSettings: async (world, args) => {
    for (const text of args.ResourceSettings as string[]) modifyResource(world, parseEmbedded(text));
    return {};
  },
  AddResourceSettings: async (world, args) => {
    const planned = requirePlanned(world, idOf(args.AffectedConfiguration, 'InstanceID'));
    for (const text of args.ResourceSettings as string[]) addResource(world, planned, parseEmbedded(text));
    return {};
  },
  RemoveResourceSettings: async (world, args) => {
    for (const reference of args.ResourceSettings as Reference[]) removeResource(world, reference);
    return {};
  },
  DefinePlannedSystem: async (world, args) => {
    const settings = parseEmbedded(args.SystemSettings, 'Msvm_VirtualSystemSettingData');
    const resources = (args.ResourceSettings as string[]).map((text) => parseEmbedded(text));
    return { out: 'ResultingSystem', result: plannedReference(await definePlanned(world, settings, resources)) };
  },
  ImportSystemDefinition: async (world, args) => {
    if (!existsSync(String(args.SystemDefinitionFile))) throw new Refused(FILE_NOT_FOUND, 'no such file');
    const id = await importPlanned(world, String(args.SystemDefinitionFile), args.GenerateNewSystemIdentifier === true);
    return { out: 'ImportedSystem', result: plannedReference(id) };
  },
  ValidatePlannedSystem: async (world, args) => {
    await validate(world, requirePlanned(world, idOf(args.PlannedSystem, 'Name')));
    return {};
  },
  RealizePlannedSystem: async (world, args) => {
    const planned = requirePlanned(world, idOf(args.PlannedSystem, 'Name'));
    await realise(world, planned);
    return {
      out: 'ResultingSystem',
      result: {
        className: 'Msvm_ComputerSystem',
        keys: { CreationClassName: 'Msvm_ComputerSystem', Name: planned.id.toUpperCase() },
      },
    };
  },
  ExportSystemDefinition: async (world, args) => {
    await exportSystem(world, args);
    return { folder: String(args.ExportDirectory) };
  },
  DestroySystem: async (world, args) => {
    const reference = args.AffectedSystem as Reference;
    const id = idOf(reference, 'Name');
    if (reference.className === 'Msvm_PlannedComputerSystem') {
      requirePlanned(world, id);
      world.state.planned = world.state.planned.filter((entry) => entry.id !== id);
      return {};
    }
    await destroyVm(world, id);
    return {};
  },
};

const settingsReference = (id: string): Reference => ({
  className: 'Msvm_VirtualSystemSettingData',
  keys: { InstanceID: `Microsoft:${id.toUpperCase()}` },
});
const plannedReference = (id: string): Reference => ({
  className: 'Msvm_PlannedComputerSystem',
  keys: { CreationClassName: 'Msvm_PlannedComputerSystem', Name: id.toUpperCase() },
});

async function requireRecovery(world: World, reference: unknown): Promise<void> {
  const settings = await instanceOf(world, reference as Reference);
  if (settings.properties.VirtualSystemType !== 'Microsoft:Hyper-V:Snapshot:Recovery')
    throw new Refused(INVALID_STATE, 'no recovery snapshot');
}

/** On Hyper-V the disks of a VM stay when it goes; the simulated host deletes them, so they are put back. */
async function destroyVm({ host }: World, id: string): Promise<void> {
  const vm = await host.getVm(id);
  if (vm.state !== 'Off') throw new Refused(INVALID_STATE, 'the VM is not off');
  for (const { path } of vm.disks) await copyFile(path, `${path}.kept`);
  await host.removeVm(id);
  await host.listVms();
  for (const { path } of vm.disks) {
    await copyFile(`${path}.kept`, path);
    await rm(`${path}.kept`);
  }
}

/** @throws CimFault for wrong names and types of parameters, as the CIM cmdlets and WMI refuse them */
export async function invoke(world: World, target: Reference, name: string, args: Arguments): Promise<MethodAnswer> {
  const source = await instanceOf(world, target);
  const declared = CLASSES[source.className]!.methods?.[name];
  if (!declared) throw new CimFault('MethodNotFound', `${source.className} has no method ${name}`);
  for (const parameter of Object.keys(args)) {
    if (!declared.in[parameter]) throw new CimFault('InvalidParameter', `${name} has no parameter ${parameter}`);
  }
  world.state.calls.push(name);
  const forced = world.behaviour.returns?.[name];
  if (forced !== undefined) return { returnValue: forced, out: {} };
  if (name === 'GetErrorEx') return errors(world, source);
  if (name === 'RequestStateChange') return await terminate(world, source, args);
  if (name === 'GetVirtualHardDiskSettingData') return await diskSettings(world, String(args.Path));
  if (name === 'GetVHDSetInformation') return await setInformation(world, args);
  if (name === 'GetVHDSnapshotInformation') return await snapshotInformation(world, args);
  const failing = world.behaviour.jobFails?.[name];
  if (failing) return jobAnswer(world, startJob(world, name, {}, failing.error, failing.errorCode));
  try {
    const done = await METHODS[name]!(world, args);
    if (SYNCHRONOUS.includes(name) || world.behaviour.synchronous?.includes(name))
      return { returnValue: 0, out: done.out ? { [done.out]: done.result } : {} };
    return jobAnswer(world, startJob(world, name, done));
  } catch (error) {
    if (error instanceof Refused) return { returnValue: error.code, out: {} };
    if (!(error instanceof HvError)) throw error;
    const vss = error.code === 'CONSISTENCY_NOT_POSSIBLE' ? ' VSS writers of the guest failed (0x800423F4).' : '';
    return jobAnswer(world, startJob(world, name, {}, `${error.message}.${vss}`, FAILED));
  }
}

function startJob(world: World, method: string, done: Done, error = '', errorCode = 0): Job {
  const vanishes = world.behaviour.vanishes?.includes(method);
  const states = vanishes || !world.state.jobs.some((entry) => entry.method === method) ? STATES : SHORT;
  const job: Job = {
    id: randomUUID().toUpperCase(),
    method,
    states: [...(error ? FAILING : states)],
    errorCode,
    error,
    results: done.result ? [done.result] : [],
    folder: done.folder,
    ...(vanishes ? { looksLeft: 1 } : {}),
  };
  const { cancel } = world.behaviour;
  if (cancel?.method === method) {
    job.states = [2, 3, ...Array.from({ length: LONG }, () => 4), 7];
    job.cancellable = cancel.way !== 'never';
    job.made = done.result?.keys.InstanceID?.replace(/^Microsoft:/, '').toLowerCase();
  }
  world.state.jobs.push(job);
  return job;
}

const jobAnswer = (_world: World, job: Job): MethodAnswer => ({
  returnValue: JOB_STARTED,
  out: { Job: { className: 'Msvm_ConcreteJob', keys: { InstanceID: job.id } } },
});

/** A look at a job brings it one state on. */
export function lookAtJob(world: World, id: string): void {
  const job = world.state.jobs.find((entry) => entry.id === id);
  if (!job) return;
  if (job.looksLeft !== undefined && job.looksLeft-- <= 0) {
    world.state.jobs = world.state.jobs.filter((entry) => entry !== job);
    return;
  }
  if (job.states.length === 1) return;
  // Windows would not let it go; whoever tries does not know that the host still writes there.
  if (job.folder && !existsSync(job.folder)) world.state.calls.push(`${job.method}: its folder went while it ran`);
  job.states.shift();
}

function errors(world: World, job: Instance): MethodAnswer {
  const failed = world.state.jobs.find((entry) => entry.id === job.properties.InstanceID);
  const texts = failed?.error
    ? [renderEmbedded('Msvm_Error', { Message: failed.error, ErrorType: 4 }, { ErrorType: 'uint16' })]
    : [];
  return { returnValue: 0, out: { Errors: texts } };
}

async function terminate(world: World, job: Instance, args: Arguments): Promise<MethodAnswer> {
  const running = world.state.jobs.find((entry) => entry.id === job.properties.InstanceID);
  if (args.RequestedState !== TERMINATE) return { returnValue: INVALID_PARAMETER, out: {} };
  if (!running || running.cancellable === false) return { returnValue: NOT_SUPPORTED, out: {} };
  // What has ended has ended.
  if (running.states.length === 1) return { returnValue: INVALID_STATE, out: {} };
  const way = world.behaviour.cancel?.way ?? 'ends';
  if (way === 'refuses') {
    // It goes on for a while; nobody needs to see all of that.
    running.states = [4, 4, 4, 7];
    return { returnValue: INVALID_STATE, out: {} };
  }
  if (way === 'finishes') running.states = [4, 7];
  else running.states = [4, 8];
  if (way === 'ends' && running.made) await world.host.removeCheckpoint(running.made);
  if (way !== 'finishes' && running.folder) await breakOff(running.folder, way === 'leaves');
  if (way === 'ends' || way === 'hides') running.results = [];
  return { returnValue: JOB_STARTED, out: {} };
}

/** What an export that was ended leaves in its folder. */
async function breakOff(folder: string, part: boolean): Promise<void> {
  await rm(folder, { recursive: true });
  await mkdir(folder);
  if (part) await writeFile(join(folder, 'half.vhdx'), Buffer.alloc(100_000, 1));
}

async function diskSettings(world: World, path: string): Promise<MethodAnswer> {
  try {
    const set = path.endsWith('.vhds') ? await setDisk(world, path) : undefined;
    const info = await inspectDisk(set?.path ?? path);
    const text = renderEmbedded(
      'Msvm_VirtualHardDiskSettingData',
      {
        Type: { fixed: 2, dynamic: 3, differencing: 4, raw: 0 }[info.kind],
        Format: set ? VHD_SET : info.format === 'vhdx' ? 3 : 2,
        Path: path,
        ParentPath: info.parent?.absolutePath,
        MaxInternalSize: info.size,
        BlockSize: info.blockSize ?? 0,
        LogicalSectorSize: info.logicalSectorSize,
        PhysicalSectorSize: info.physicalSectorSize,
        VirtualDiskId: info.diskId?.toUpperCase(),
      },
      {
        Type: 'uint16',
        Format: 'uint16',
        MaxInternalSize: 'uint64',
        BlockSize: 'uint32',
        LogicalSectorSize: 'uint32',
        PhysicalSectorSize: 'uint32',
      },
    );
    return { returnValue: 0, out: { SettingData: text } };
  } catch {
    return { returnValue: existsSync(path) ? FAILED : FILE_NOT_FOUND, out: {} };
  }
}

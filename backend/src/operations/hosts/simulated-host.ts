/** What only a simulated host can be asked for: changes to disks and state, and the failures of real life. */
import { resolve } from 'node:path';
import { type DiskSource, FAULT_NAMES, requireFaultName, type SimulatedHost } from '../../hosts/simulated/index.ts';
import type { VmResult } from '../../schema/host.ts';
import type {
  AddDiskParams,
  HostFaultParams,
  HostFaultResult,
  RemoveDiskParams,
  RemoveVmParams,
  RemoveVmResult,
  ReplaceDiskParams,
  ResizeDiskParams,
  SetVmStateParams,
} from '../../schema/simulated-host.ts';
import type { VmDescription } from '../../schema/vm.ts';
import { HvError } from '../../support/errors.ts';
import type { OperationContext } from '../../support/progress.ts';
import { withSimulated } from '../with.ts';

export const resizeDisk = (params: ResizeDiskParams, _context: OperationContext): Promise<VmResult> =>
  change(params, (host, vm) => host.resizeDisk(vm.id, params.disk, params.size));

export const addDisk = (params: AddDiskParams, context: OperationContext): Promise<VmResult> =>
  change(params, async (host, vm) => warnAll(context, await host.addDisk(vm.id, source(params))));

export const replaceDisk = (params: ReplaceDiskParams, context: OperationContext): Promise<VmResult> =>
  change(params, async (host, vm) => warnAll(context, await host.replaceDisk(vm.id, params.disk, source(params))));

export const removeDisk = (params: RemoveDiskParams, _context: OperationContext): Promise<VmResult> =>
  change(params, (host, vm) => host.removeDisk(vm.id, params.disk));

export const setVmState = (params: SetVmStateParams, _context: OperationContext): Promise<VmResult> =>
  change(params, (host, vm) => host.setVmState(vm.id, params.state));

export async function removeVm(params: RemoveVmParams, _context: OperationContext): Promise<RemoveVmResult> {
  return withSimulated(params.host, async (host) => {
    const { id, name } = await host.getVm(params.vm);
    await host.removeVm(id);
    return { vmId: id, name };
  });
}

export async function hostFault(params: HostFaultParams, _context: OperationContext): Promise<HostFaultResult> {
  return withSimulated(params.host, async (host) => {
    const vmId = params.vm === undefined ? undefined : (await host.getVm(params.vm)).id;
    const { disk, count, after } = params;
    if (params.action === 'set') {
      if (params.name === undefined) {
        throw new HvError('USAGE', 'Which fault shall be set?', { advice: `Name one of: ${FAULT_NAMES.join(', ')}.` });
      }
      await host.setFault({ name: requireFaultName(params.name), vmId, disk, count, after });
    } else if (params.action === 'clear') {
      await host.clearFaults({ name: params.name, vmId, disk });
    }
    const faults = (await host.listFaults()).map(({ vmId: vm, ...fault }) => ({ ...fault, vm }));
    return { faults, known: [...FAULT_NAMES] };
  });
}

/** Changes a VM and returns its state afterwards. */
async function change(
  { host: uri, vm: selector }: { host: string; vm: string },
  work: (host: SimulatedHost, vm: VmDescription) => Promise<void>,
): Promise<VmResult> {
  return withSimulated(uri, async (host) => {
    const vm = await host.getVm(selector);
    await work(host, vm);
    return { vm: await host.getVm(vm.id) };
  });
}

function source({ file, size, parents }: { file?: string; size?: number; parents?: string[] }): DiskSource {
  if (file !== undefined) return { file: resolve(file), parents: parents?.map((parent) => resolve(parent)) };
  if (size !== undefined) return { size };
  throw new HvError('USAGE', 'Neither a disk image nor a size was given.', { advice: 'Give --file or --size.' });
}

function warnAll(context: OperationContext, warnings: readonly string[]): void {
  for (const warning of warnings) context.warn?.(warning);
}

/** Hosts and their VMs: create, list, show; and writing to a simulated VM's disk as its guest would. */
import { randomInt } from 'node:crypto';
import { resolve } from 'node:path';
import { createSimulatedHost, type GuestWrite, type GuestWritesResult } from '../../hosts/simulated/index.ts';
import type {
  CreateHostParams,
  CreateHostResult,
  CreateVmParams,
  ListVmsParams,
  ListVmsResult,
  ShowVmParams,
  ShowVmResult,
  VmResult,
  WriteVmParams,
  WriteVmResult,
} from '../../schema/host.ts';
import { openFile } from '../../support/file.ts';
import type { OperationContext } from '../../support/progress.ts';
import { withHost, withSimulated } from '../with.ts';

/** Bytes of a file handed to the guest at a time. */
const CHUNK = 4 * 1024 * 1024;

export async function createHost(params: CreateHostParams, _context: OperationContext): Promise<CreateHostResult> {
  const host = await createSimulatedHost(resolve(params.directory));
  await host.close();
  return { host: host.uri };
}

export async function createVm(params: CreateVmParams, context: OperationContext): Promise<VmResult> {
  const { name, disks, generation, memory, processors } = params;
  const parents = params.parents?.map((parent) => resolve(parent));
  return withSimulated(params.host, async (host) => {
    const images = disks.map((disk) => ({ file: resolve(disk), parents }));
    const { vm, warnings } = await host.createVm({ name, disks: images, generation, memory, processors });
    for (const warning of warnings) context.warn?.(warning);
    return { vm };
  });
}

export async function listVms(params: ListVmsParams, _context: OperationContext): Promise<ListVmsResult> {
  const wanted = params.name?.toLowerCase();
  return withHost(params, async (host) => {
    const vms = (await host.listVms()).filter((vm) => !wanted || vm.id === wanted || vm.name.toLowerCase() === wanted);
    return { vms: vms.toSorted((a, b) => a.name.localeCompare(b.name) || (a.id < b.id ? -1 : 1)) };
  });
}

export async function showVm(params: ShowVmParams, _context: OperationContext): Promise<ShowVmResult> {
  return withHost(params, async (host) => {
    const vm = await host.getVm(params.vm);
    return { vm, readiness: await host.readiness(vm.id) };
  });
}

export async function writeVm(params: WriteVmParams, context: OperationContext): Promise<WriteVmResult> {
  const { write, disk } = params;
  return withSimulated(params.host, async (host) => {
    const vm = await host.getVm(params.vm);
    let result: GuestWritesResult;
    if (write.type === 'random') {
      const { count, length } = write;
      const seed = write.seed ?? randomInt(2 ** 32);
      result = await host.guestRandomWrites(vm.id, disk, { count, length, seed });
    } else if (write.type === 'fill') {
      const { offset, length, byte } = write;
      result = await host.guestWrites(vm.id, disk, [{ offset, length, fill: byte }]);
    } else {
      await host.guestWrites(vm.id, disk, fileWrites(write.file, write.offset, context));
      // However many pieces it took, the guest wrote one file.
      result = { writes: 1, bytes: await fileSize(write.file) };
    }
    return { vmId: vm.id, disk, ...result };
  });
}

async function fileSize(path: string): Promise<number> {
  const file = await openFile(resolve(path), 'read');
  try {
    return await file.size();
  } finally {
    await file.close();
  }
}

async function* fileWrites(path: string, target: number, { signal }: OperationContext): AsyncGenerator<GuestWrite> {
  const file = await openFile(resolve(path), 'read');
  try {
    const size = await file.size();
    for (let offset = 0; offset < size && !signal?.aborted; offset += CHUNK) {
      const data = Buffer.alloc(Math.min(CHUNK, size - offset));
      await file.readFully(offset, data);
      yield { offset: target + offset, data };
    }
  } finally {
    await file.close();
  }
}

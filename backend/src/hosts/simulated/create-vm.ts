/** New VMs from copies of disk images. Built aside and realised at once: a crash leaves no half VM. */
import type { VmDescription } from '../../schema/vm.ts';
import { newGuid } from '../../support/guid.ts';
import type { HostContext } from './context.ts';
import { defaultController, newDefinition } from './hardware.ts';
import { type DiskSource, importDisk } from './import-disk.ts';
import { requireImportsFit } from './import-need.ts';
import { planVm } from './plan.ts';

export interface CreateVmOptions {
  /** Any text; names need not be unique on a host. */
  name: string;
  /** Disk images (VHDX, VHD, raw) that are copied, or sizes of empty disks: disks 0, 1, … */
  disks?: (string | DiskSource)[];
  /** Default 2. */
  generation?: 1 | 2;
  /** Startup memory, bytes; default 1 GiB. */
  memory?: number;
  /** Default 1. */
  processors?: number;
}

/** @param warnings what was done otherwise than expected, in sentences */
export interface CreatedVm {
  vm: VmDescription;
  warnings: string[];
}

/**
 * Creates a VM, turned off. Its disks have ids of their own, whatever the images' ids are.
 * @throws FILE_NOT_FOUND, DISK_CORRUPT, DISK_UNSUPPORTED, DISK_PARENT_MISSING, DISK_FULL (before the first byte where
 *   that is certain): nothing is left behind then
 */
export async function createVm(ctx: HostContext, options: CreateVmOptions): Promise<CreatedVm> {
  const { generation = 2, memory = 2 ** 30, processors = 1, disks = [] } = options;
  const definition = newDefinition(newGuid(), options.name.toWellFormed(), generation, memory, processors);
  const vm: VmDescription = {
    ...definition,
    disks: disks.map((_, index) => ({ ...PLACEHOLDER, index, ...defaultController(generation, index) })),
  };
  const sources = disks.map((disk): DiskSource => (typeof disk === 'string' ? { file: disk } : disk));
  const warnings = await requireImportsFit(ctx.root, sources);
  const plan = await planVm(ctx, { vm, newId: false, replace: false, kind: 'data' });
  try {
    plan.warnings.push(...warnings);
    for (const [index, source] of sources.entries())
      plan.warnings.push(...(await importDisk(source, plan.diskPath(index))));
    const created = await plan.realise();
    return { vm: created, warnings: plan.warnings };
  } catch (error) {
    await plan.discard();
    throw error;
  }
}

/** A disk that is still to come: without an id, the plan gives it a new one. */
const PLACEHOLDER = {
  id: '',
  path: '',
  format: 'vhdx' as const,
  size: 0,
  logicalSectorSize: 512,
  physicalSectorSize: 512,
};

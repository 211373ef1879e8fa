/** The description of a VM: what the state keeps, and its disks as their files are at this moment. */
import type { VmDescription, VmDisk } from '../../schema/vm.ts';
import type { HostContext } from './context.ts';
import { type DiskFacts, readDiskFacts } from './disk-files.ts';
import { absolute } from './layout.ts';
import { chainOf, type DiskRow, disksOf, type VmDefinition } from './rows.ts';
import type { State } from './state.ts';

/** Tries before a disk that cannot be read is taken for broken: a merge may just have moved it. */
const TRIES = 3;

/**
 * Without the lock. A disk whose file is missing or damaged is there with size 0 and an empty id: to look at a VM must
 * be possible while one of its disks is broken. A checkpoint of it fails by name.
 */
export async function describeVm(ctx: HostContext, definition: VmDefinition): Promise<VmDescription> {
  const disks: VmDisk[] = [];
  for (const row of disksOf(ctx.view, definition.id)) disks.push(await describeDisk(ctx, row));
  return { ...definition, disks };
}

async function describeDisk(ctx: HostContext, row: DiskRow): Promise<VmDisk> {
  for (let attempt = 1; ; attempt++) {
    const files = ctx.view.transaction(() => activeFiles(ctx.view, row.key));
    try {
      if (!files) throw new Error('gone');
      const base = await readDiskFacts(absolute(ctx.root, files.base));
      const active = files.active === files.base ? base : await readDiskFacts(absolute(ctx.root, files.active));
      return diskOf(row, { ...active, id: base.id }, absolute(ctx.root, files.active));
    } catch {
      if (attempt < TRIES) continue;
      return diskOf(row, UNREADABLE, absolute(ctx.root, files?.active ?? row.journal.replace(/\.rct$/, '')));
    }
  }
}

const UNREADABLE: DiskFacts = {
  id: '',
  size: 0,
  logicalSectorSize: 512,
  physicalSectorSize: 512,
  blockSize: undefined,
  dataWriteGuid: '',
};

function activeFiles(state: State, diskKey: number): { base: string; active: string } | undefined {
  const row = state.get<{ active_layer: number }>('SELECT active_layer FROM disks WHERE key = ?', diskKey);
  const chain = row && chainOf(state, row.active_layer);
  return chain && { base: chain[0]!.path, active: chain.at(-1)!.path };
}

/** A disk as descriptions and configuration files name it. */
export function diskOf(row: DiskRow, facts: DiskFacts, path: string): VmDisk {
  return {
    index: row.position,
    id: facts.id,
    path,
    format: 'vhdx',
    size: facts.size,
    logicalSectorSize: facts.logicalSectorSize,
    physicalSectorSize: facts.physicalSectorSize,
    ...(facts.blockSize === undefined ? {} : { blockSize: facts.blockSize }),
    controllerType: row.controller_type,
    controllerNumber: row.controller_number,
    controllerLocation: row.controller_location,
  };
}

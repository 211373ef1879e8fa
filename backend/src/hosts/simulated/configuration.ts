/**
 * Keeps the configuration files of a VM in step with the state, which is the truth: they can be written anew at any
 * time.
 */
import type { VmDescription } from '../../schema/vm.ts';
import { writeFileDurably } from '../../support/file.ts';
import type { HostContext } from './context.ts';
import { describeVm } from './describe.ts';
import { absolute, configurationPath, SNAPSHOTS, VIRTUAL_MACHINES } from './layout.ts';
import { chainOf, disksOf, vmDefinition } from './rows.ts';
import type { State } from './state.ts';
import { type ConfigurationKind, encodeConfiguration } from './vm-files.ts';

/** The bytes of each configuration file; what came with an import stays as it came. */
function contents(state: State, vm: VmDescription): Map<ConfigurationKind, Uint8Array> {
  const imported = state.all<{ kind: ConfigurationKind; data: Uint8Array }>(
    'SELECT kind, data FROM vm_files WHERE vm_id = ?',
    vm.id,
  );
  const files = encodeConfiguration(vm);
  for (const { kind, data } of imported) files.set(kind, data);
  return files;
}

/** Relative paths of the files of a VM or checkpoint that exist or may exist. */
export const configurationPaths = (folder: string, id: string): string[] =>
  (['vmcx', 'vmrs', 'vmgs'] as const).map((kind) => configurationPath(folder, id, kind));

/** Writes the files of every VM whose definition has changed. Under the lock. */
export async function writeDirtyConfigurations(ctx: HostContext): Promise<void> {
  for (const { id } of ctx.state.all<{ id: string }>('SELECT id FROM vms WHERE configuration_dirty = 1')) {
    const vm = await describeVm(ctx, vmDefinition(ctx.state, id));
    await writeFiles(ctx, VIRTUAL_MACHINES, id, vm);
    ctx.state.run('UPDATE vms SET configuration_dirty = 0 WHERE id = ?', id);
  }
}

/** The VM's files change with the next {@link writeDirtyConfigurations}. Within the transaction of the change. */
export const markDirty = (state: State, vmId: string): void =>
  void state.run('UPDATE vms SET configuration_dirty = 1 WHERE id = ?', vmId);

/** Writes the configuration as frozen by a checkpoint. */
export const writeCheckpointConfiguration = (
  ctx: HostContext,
  checkpointId: string,
  vm: VmDescription,
): Promise<void> => writeFiles(ctx, SNAPSHOTS, checkpointId, vm);

async function writeFiles(ctx: HostContext, folder: string, id: string, vm: VmDescription): Promise<void> {
  for (const [kind, data] of contents(ctx.state, withBaseFiles(ctx, vm))) {
    await writeFileDurably(absolute(ctx.root, configurationPath(folder, id, kind)), data);
  }
}

/**
 * Disks named by the base of their chains: a checkpoint's differencing disks come and go, and no configuration file
 * would have to follow at the right moment.
 */
function withBaseFiles({ state, root }: HostContext, vm: VmDescription): VmDescription {
  const bases = new Map(disksOf(state, vm.id).map((row) => [row.position, chainOf(state, row.active_layer)![0]!.path]));
  return { ...vm, disks: vm.disks.map((disk) => ({ ...disk, path: absolute(root, bases.get(disk.index)!) })) };
}

/**
 * Key in the state's `meta`: where the host's folder was when its files were written. They have absolute paths, as
 * Hyper-V's.
 */
const WRITTEN_IN = 'configuration-root';

/** Whether the folder has been moved (or its files are of a time before they were Hyper-V's). */
export const wasMoved = ({ view, root }: HostContext): boolean =>
  view.get<{ value: string }>('SELECT value FROM meta WHERE key = ?', WRITTEN_IN)?.value !== root;

/** All configuration files are to be written, with paths in this folder. Under the lock. */
export function markMoved({ state, root }: HostContext): void {
  state.transaction(() => {
    state.run('UPDATE vms SET configuration_dirty = 1');
    state.run('INSERT OR REPLACE INTO meta VALUES (?, ?)', WRITTEN_IN, root);
  });
}

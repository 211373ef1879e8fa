/**
 * Every method of the protocol: its parameters, its result, and the operation that does it. Types, validation,
 * `docs/protocol.md` and the cmdlets' contract come from this table; the command line calls the same methods.
 */
import type { z } from 'zod';
import * as backup from '../schema/backup.ts';
import * as copy from '../schema/copy.ts';
import * as disk from '../schema/disk.ts';
import * as exports from '../schema/export.ts';
import * as host from '../schema/host.ts';
import * as points from '../schema/points.ts';
import * as repository from '../schema/repository.ts';
import * as restore from '../schema/restore.ts';
import * as simulated from '../schema/simulated-host.ts';
import * as verify from '../schema/verify.ts';
import type { OperationContext } from '../support/progress.ts';

export interface Method {
  /** One sentence for the documentation. */
  summary: string;
  params: z.ZodObject;
  result: z.ZodObject;
  /** Name of the function in `operations`. */
  operation: string;
  /** Whether it reports progress while it runs. */
  progress: boolean;
}

/** Keeps the exact types of the schemas, so that {@link Operations} can be derived from the table. */
const method = <P extends z.ZodObject, R extends z.ZodObject, const O extends string>(
  operation: O,
  summary: string,
  params: P,
  result: R,
  progress = false,
) => ({ operation, summary, params, result, progress });

export const METHODS = {
  'host/create': method('createHost', 'Creates a simulated host.', host.CreateHostParams, host.CreateHostResult),
  'host/fault': method(
    'hostFault',
    'Sets, clears or lists the failures that a simulated host plays.',
    simulated.HostFaultParams,
    simulated.HostFaultResult,
  ),
  'vm/create': method(
    'createVm',
    'Creates a VM on a simulated host from copies of disk images.',
    host.CreateVmParams,
    host.VmResult,
    true,
  ),
  'vm/list': method('listVms', 'Lists the VMs of a host.', host.ListVmsParams, host.ListVmsResult),
  'vm/show': method('showVm', 'Describes a VM.', host.ShowVmParams, host.ShowVmResult),
  'vm/write': method(
    'writeVm',
    "Writes to a VM's disk as its guest would (simulated host).",
    host.WriteVmParams,
    host.WriteVmResult,
    true,
  ),
  'vm/resizeDisk': method(
    'resizeDisk',
    "Changes the size of a VM's disk (simulated host).",
    simulated.ResizeDiskParams,
    host.VmResult,
  ),
  'vm/addDisk': method('addDisk', 'Adds a disk to a VM (simulated host).', simulated.AddDiskParams, host.VmResult),
  'vm/replaceDisk': method(
    'replaceDisk',
    "Puts another disk in a disk's place (simulated host).",
    simulated.ReplaceDiskParams,
    host.VmResult,
  ),
  'vm/removeDisk': method(
    'removeDisk',
    'Takes a disk from a VM (simulated host).',
    simulated.RemoveDiskParams,
    host.VmResult,
  ),
  'vm/setState': method(
    'setVmState',
    'Starts, stops, saves or pauses a VM (simulated host).',
    simulated.SetVmStateParams,
    host.VmResult,
  ),
  'vm/remove': method(
    'removeVm',
    'Removes a VM and its disks (simulated host).',
    simulated.RemoveVmParams,
    simulated.RemoveVmResult,
  ),
  'vm/backup': method(
    'backupVm',
    'Backs up one VM: makes a restore point.',
    backup.BackupVmParams,
    backup.BackupVmResult,
    true,
  ),
  'host/backup': method(
    'backupVms',
    'Backs up VMs of a host, several at once where asked to; one that fails does not stop the others.',
    backup.BackupVmsParams,
    backup.BackupVmsResult,
    true,
  ),
  'repository/create': method(
    'createRepository',
    'Creates a repository.',
    repository.CreateRepositoryParams,
    repository.CreateRepositoryResult,
  ),
  'key/list': method(
    'listKeys',
    'Lists the keys of an encrypted repository.',
    repository.ListKeysParams,
    repository.ListKeysResult,
  ),
  'key/add': method(
    'addKey',
    'Adds a passphrase to an encrypted repository.',
    repository.AddKeyParams,
    repository.AddKeyResult,
  ),
  'key/remove': method(
    'removeKey',
    'Removes a passphrase from an encrypted repository; never the one that was given.',
    repository.RemoveKeyParams,
    repository.RemoveKeyResult,
  ),
  'repository/acceptRemoved': method(
    'acceptRemoved',
    'Takes the restore points as they are now, although some are gone that this machine has seen.',
    repository.AcceptRemovedParams,
    repository.AcceptRemovedResult,
  ),
  'repository/check': method(
    'checkRepository',
    'Checks the structure of a repository.',
    verify.CheckRepositoryParams,
    verify.CheckRepositoryResult,
    true,
  ),
  'repository/verify': method(
    'verifyRepository',
    'Reads every byte of restore points, or a sample, and compares it with its hash.',
    verify.VerifyRepositoryParams,
    verify.VerifyRepositoryResult,
    true,
  ),
  'repository/repair': method(
    'repairRepository',
    'Makes whole what the packs of a repository can give back: catalog, indexes, damage records.',
    verify.RepairRepositoryParams,
    verify.RepairRepositoryResult,
    true,
  ),
  'repository/prune': method(
    'pruneRepository',
    'Removes the restore points that no keep rule keeps, and gives back the space of what none needs.',
    repository.PruneRepositoryParams,
    repository.PruneRepositoryResult,
    true,
  ),
  'repository/stats': method(
    'repositoryStats',
    'Tells what a repository holds.',
    repository.RepositoryStatsParams,
    repository.RepositoryStatsResult,
  ),
  'point/list': method(
    'listPoints',
    'Lists restore points, oldest first, page by page.',
    points.ListPointsParams,
    points.ListPointsResult,
  ),
  'point/show': method('showPoint', 'Describes a restore point.', points.ShowPointParams, points.ShowPointResult),
  'point/restore': method(
    'restorePoint',
    'Restores a restore point as a VM of a host.',
    restore.RestorePointParams,
    restore.RestorePointResult,
    true,
  ),
  'point/export': method(
    'exportPoint',
    'Exports the disks of a restore point as disk images.',
    exports.ExportPointParams,
    exports.ExportPointResult,
    true,
  ),
  'point/remove': method(
    'removePoint',
    'Removes a restore point and gives back its space.',
    points.RemovePointParams,
    points.RemovePointResult,
    true,
  ),
  'point/hold': method(
    'holdPoint',
    'Holds a restore point, so that it is not removed, or releases it.',
    points.HoldPointParams,
    points.HoldPointResult,
  ),
  'point/copy': method(
    'copyPoints',
    'Copies restore points to another repository.',
    copy.CopyPointsParams,
    copy.CopyPointsResult,
    true,
  ),
  'disk/info': method('diskInfo', 'Describes a disk image.', disk.DiskInfoParams, disk.DiskInfoResult),
  'disk/check': method(
    'diskCheck',
    'Checks the structure of a disk image.',
    disk.DiskCheckParams,
    disk.DiskCheckResult,
  ),
} as const satisfies Record<string, Method>;

type Table = typeof METHODS;
export type MethodName = keyof Table;
/** What a caller gives: fields with a default may be left out. */
export type MethodInput<M extends MethodName> = z.input<Table[M]['params']>;
export type MethodResult<M extends MethodName> = z.infer<Table[M]['result']>;

/** The functions behind the methods; `operations/index.ts` exports them under these names. */
export type Operations = {
  [M in MethodName as Table[M]['operation']]: (
    params: z.infer<Table[M]['params']>,
    context: OperationContext,
  ) => Promise<z.infer<Table[M]['result']>>;
};

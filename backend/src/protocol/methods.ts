/**
 * Every method of the protocol: its parameters, its result, and the operation that does it. Types, validation,
 * `docs/protocol.md` and the cmdlets' contract come from this table; the command line calls the same methods.
 */
import type { z } from 'zod';
import type { OperationContext } from '../support/progress.ts';

export interface Schemas {
  params: z.ZodObject;
  result: z.ZodObject;
}

export interface Method {
  /** One sentence for the documentation. */
  summary: string;
  /**
   * Making the schemas of all methods takes a good part of a command's start: they are made when they are asked for.
   */
  schemas: () => Promise<Schemas>;
  /** Name of the function in `operations`. */
  operation: string;
  /** Whether it reports progress while it runs. */
  progress: boolean;
  /** Field of the result whose elements are sent as `$/partialResult` as soon as they are final. */
  partial?: string;
}

/**
 * Keeps the exact types of the schemas, so that {@link Operations} can be derived from the table.
 * @param module where the schemas are, under the names `params` and `result`
 */
const method = <M, P extends keyof M, R extends keyof M, const O extends string>(
  operation: O,
  summary: string,
  module: () => Promise<M>,
  params: P,
  result: R,
  progress = false,
  partial?: string,
) => ({
  operation,
  summary,
  progress,
  partial,
  schemas: async () => {
    const schemas = await module();
    return { params: schemas[params], result: schemas[result] };
  },
});

const backup = () => import('../schema/backup.ts');
const copy = () => import('../schema/copy.ts');
const disk = () => import('../schema/disk.ts');
const exports = () => import('../schema/export.ts');
const host = () => import('../schema/host.ts');
const points = () => import('../schema/points.ts');
const repository = () => import('../schema/repository.ts');
const restore = () => import('../schema/restore.ts');
const sessions = () => import('../schema/sessions.ts');
/** They return the VM's state afterwards. */
const simulated = async () => ({ ...(await host()), ...(await import('../schema/simulated-host.ts')) });
const verify = () => import('../schema/verify.ts');

export const METHODS = {
  'host/create': method('createHost', 'Creates a simulated host.', host, 'CreateHostParams', 'CreateHostResult'),
  'host/fault': method(
    'hostFault',
    'Sets, clears or lists the failures that a simulated host plays.',
    simulated,
    'HostFaultParams',
    'HostFaultResult',
  ),
  'vm/create': method(
    'createVm',
    'Creates a VM on a simulated host from copies of disk images.',
    host,
    'CreateVmParams',
    'VmResult',
    true,
  ),
  'vm/list': method('listVms', 'Lists the VMs of a host.', host, 'ListVmsParams', 'ListVmsResult'),
  'vm/show': method('showVm', 'Describes a VM.', host, 'ShowVmParams', 'ShowVmResult'),
  'vm/write': method(
    'writeVm',
    "Writes to a VM's disk as its guest would (simulated host).",
    host,
    'WriteVmParams',
    'WriteVmResult',
    true,
  ),
  'vm/resizeDisk': method(
    'resizeDisk',
    "Changes the size of a VM's disk (simulated host).",
    simulated,
    'ResizeDiskParams',
    'VmResult',
  ),
  'vm/addDisk': method('addDisk', 'Adds a disk to a VM (simulated host).', simulated, 'AddDiskParams', 'VmResult'),
  'vm/replaceDisk': method(
    'replaceDisk',
    "Puts another disk in a disk's place (simulated host).",
    simulated,
    'ReplaceDiskParams',
    'VmResult',
  ),
  'vm/removeDisk': method(
    'removeDisk',
    'Takes a disk from a VM (simulated host).',
    simulated,
    'RemoveDiskParams',
    'VmResult',
  ),
  'vm/setState': method(
    'setVmState',
    'Starts, stops, saves or pauses a VM (simulated host).',
    simulated,
    'SetVmStateParams',
    'VmResult',
  ),
  'vm/remove': method(
    'removeVm',
    'Removes a VM and its disks (simulated host).',
    simulated,
    'RemoveVmParams',
    'RemoveVmResult',
  ),
  'vm/backup': method(
    'backupVm',
    'Backs up one VM: makes a restore point.',
    backup,
    'BackupVmParams',
    'BackupVmResult',
    true,
  ),
  'host/backup': method(
    'backupVms',
    'Backs up VMs of a host, several at once where asked to; one that fails does not stop the others.',
    backup,
    'BackupVmsParams',
    'BackupVmsResult',
    true,
    'results',
  ),
  'repository/create': method(
    'createRepository',
    'Creates a repository.',
    repository,
    'CreateRepositoryParams',
    'CreateRepositoryResult',
  ),
  'key/list': method(
    'listKeys',
    'Lists the keys of an encrypted repository.',
    repository,
    'ListKeysParams',
    'ListKeysResult',
  ),
  'key/add': method(
    'addKey',
    'Adds a passphrase to an encrypted repository.',
    repository,
    'AddKeyParams',
    'AddKeyResult',
  ),
  'key/remove': method(
    'removeKey',
    'Removes a passphrase from an encrypted repository; never the one that was given.',
    repository,
    'RemoveKeyParams',
    'RemoveKeyResult',
  ),
  'session/list': method(
    'listSessions',
    'Lists the active sessions of a repository.',
    sessions,
    'ListSessionsParams',
    'ListSessionsResult',
  ),
  'session/end': method(
    'endSession',
    'Ends a session whose process is gone for good; a session active on this machine is refused.',
    sessions,
    'EndSessionParams',
    'EndSessionResult',
  ),
  'repository/acceptRemoved': method(
    'acceptRemoved',
    'Takes the restore points as they are now, although some are gone that this machine has seen.',
    repository,
    'AcceptRemovedParams',
    'AcceptRemovedResult',
  ),
  'repository/check': method(
    'checkRepository',
    'Checks the structure of a repository.',
    verify,
    'CheckRepositoryParams',
    'CheckRepositoryResult',
    true,
  ),
  'repository/verify': method(
    'verifyRepository',
    'Reads every byte of restore points, or a sample, and compares it with its hash.',
    verify,
    'VerifyRepositoryParams',
    'VerifyRepositoryResult',
    true,
  ),
  'repository/repair': method(
    'repairRepository',
    'Repairs what can be rebuilt from the packs of a repository: catalog, indexes, damage records.',
    verify,
    'RepairRepositoryParams',
    'RepairRepositoryResult',
    true,
  ),
  'repository/prune': method(
    'pruneRepository',
    'Removes the restore points that no keep rule keeps, and frees the space that no restore point needs.',
    repository,
    'PruneRepositoryParams',
    'PruneRepositoryResult',
    true,
  ),
  'repository/stats': method(
    'repositoryStats',
    'Returns what a repository holds.',
    repository,
    'RepositoryStatsParams',
    'RepositoryStatsResult',
  ),
  'point/list': method(
    'listPoints',
    'Lists restore points, oldest first, page by page.',
    points,
    'ListPointsParams',
    'ListPointsResult',
  ),
  'point/show': method('showPoint', 'Describes a restore point.', points, 'ShowPointParams', 'ShowPointResult'),
  'point/restore': method(
    'restorePoint',
    'Restores a restore point as a VM of a host.',
    restore,
    'RestorePointParams',
    'RestorePointResult',
    true,
  ),
  'point/export': method(
    'exportPoint',
    'Exports the disks of a restore point as disk images.',
    exports,
    'ExportPointParams',
    'ExportPointResult',
    true,
  ),
  'point/remove': method(
    'removePoint',
    'Removes a restore point and frees its space.',
    points,
    'RemovePointParams',
    'RemovePointResult',
    true,
  ),
  'point/hold': method(
    'holdPoint',
    'Holds a restore point, so that it is not removed, or releases it.',
    points,
    'HoldPointParams',
    'HoldPointResult',
  ),
  'point/copy': method(
    'copyPoints',
    'Copies restore points to another repository.',
    copy,
    'CopyPointsParams',
    'CopyPointsResult',
    true,
    'points',
  ),
  'disk/info': method('diskInfo', 'Describes a disk image.', disk, 'DiskInfoParams', 'DiskInfoResult'),
  'disk/check': method(
    'diskCheck',
    'Checks the structure of a disk image.',
    disk,
    'DiskCheckParams',
    'DiskCheckResult',
  ),
} as const satisfies Record<string, Method>;

type Table = typeof METHODS;
export type MethodName = keyof Table;
type SchemasOf<M extends MethodName> = Awaited<ReturnType<Table[M]['schemas']>>;
/** What a caller gives: fields with a default may be left out. */
export type MethodInput<M extends MethodName> = z.input<SchemasOf<M>['params']>;
export type MethodResult<M extends MethodName> = z.infer<SchemasOf<M>['result']>;

/** The functions behind the methods; `operations/index.ts` exports them under these names. */
export type Operations = {
  [M in MethodName as Table[M]['operation']]: (
    params: z.infer<SchemasOf<M>['params']>,
    context: OperationContext,
  ) => Promise<z.infer<SchemasOf<M>['result']>>;
};

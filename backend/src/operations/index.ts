/** Every operation, under the name that the protocol's table of methods gives it. */
export { backupVm } from './backup.ts';
export { backupVms } from './backup-several.ts';
export { copyPoints } from './copy/copy.ts';
export { diskCheck, diskInfo } from './disks.ts';
export { exportPoint } from './export.ts';
export { holdPoint } from './hold-point.ts';
export { createHost, createVm, listVms, showVm, writeVm } from './hosts.ts';
export { acceptRemoved, addKey, listKeys, removeKey } from './keys.ts';
export { listPoints, removePoint, showPoint } from './points.ts';
export { createRepository, repositoryStats } from './repositories.ts';
export { restorePoint } from './restore.ts';
export { pruneRepository } from './retention/apply.ts';
export { addDisk, hostFault, removeDisk, removeVm, replaceDisk, resizeDisk, setVmState } from './simulated-host.ts';
export { checkRepository, repairRepository, verifyRepository } from './verify.ts';

/**
 * Every operation, under the name that the protocol's table of methods gives it. What one takes is loaded when it is
 * first called: a command needs one of them, and its start should not wait for the others.
 */
type Module<K extends string> = { [N in K]: (...given: never[]) => Promise<unknown> };

const late = <const K extends string, M extends Module<K>>(load: () => Promise<M>, name: K): M[K] =>
  (async (...given: never[]) => (await load())[name](...given)) as M[K];

const disks = () => import('./hosts/disks.ts');
const hosts = () => import('./hosts/hosts.ts');
const keys = () => import('./repository/keys.ts');
const points = () => import('./points/points.ts');
const repositories = () => import('./repository/repositories.ts');
const sessions = () => import('./repository/sessions.ts');
const simulated = () => import('./hosts/simulated-host.ts');
const verify = () => import('./repository/verify.ts');

export const backupVm = late(() => import('./backup/backup.ts'), 'backupVm');
export const backupVms = late(() => import('./backup/backup-several.ts'), 'backupVms');
export const copyPoints = late(() => import('./copy/copy.ts'), 'copyPoints');
export const diskCheck = late(disks, 'diskCheck');
export const diskInfo = late(disks, 'diskInfo');
export const exportPoint = late(() => import('./export/export.ts'), 'exportPoint');
export const holdPoint = late(() => import('./points/hold-point.ts'), 'holdPoint');
export const createHost = late(hosts, 'createHost');
export const createVm = late(hosts, 'createVm');
export const listVms = late(hosts, 'listVms');
export const showVm = late(hosts, 'showVm');
export const writeVm = late(hosts, 'writeVm');
export const acceptRemoved = late(keys, 'acceptRemoved');
export const addKey = late(keys, 'addKey');
export const listKeys = late(keys, 'listKeys');
export const removeKey = late(keys, 'removeKey');
export const endSession = late(sessions, 'endSession');
export const listSessions = late(sessions, 'listSessions');
export const listPoints = late(points, 'listPoints');
export const removePoint = late(points, 'removePoint');
export const showPoint = late(points, 'showPoint');
export const createRepository = late(repositories, 'createRepository');
export const repositoryStats = late(repositories, 'repositoryStats');
export const restorePoint = late(() => import('./restore/restore.ts'), 'restorePoint');
export const pruneRepository = late(() => import('./retention/apply.ts'), 'pruneRepository');
export const addDisk = late(simulated, 'addDisk');
export const hostFault = late(simulated, 'hostFault');
export const removeDisk = late(simulated, 'removeDisk');
export const removeVm = late(simulated, 'removeVm');
export const replaceDisk = late(simulated, 'replaceDisk');
export const resizeDisk = late(simulated, 'resizeDisk');
export const setVmState = late(simulated, 'setVmState');
export const checkRepository = late(verify, 'checkRepository');
export const repairRepository = late(verify, 'repairRepository');
export const verifyRepository = late(verify, 'verifyRepository');

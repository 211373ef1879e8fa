/** Every command, in the order of the help. */
import type { Command } from '../command.ts';
import { backup } from './backup.ts';
import { copy } from './copy.ts';
import { diskCheck, diskInfo } from './disks.ts';
import { hostCreate, hostFault } from './hosts.ts';
import { acceptRemoved, keyAdd, keyList, keyRemove } from './keys.ts';
import { hold, listCommand, remove, show } from './points.ts';
import { prune } from './prune.ts';
import { repositoryCreate, stats } from './repositories.ts';
import { exportCommand, restore } from './restore.ts';
import { serveCommand } from './serve.ts';
import { sessionEnd, sessionList } from './sessions.ts';
import { check, repair, verify } from './verify.ts';
import { vmChanges } from './vm-changes.ts';
import { vmCreate, vmList, vmShow, vmWrite } from './vms.ts';

export const COMMANDS: readonly Command[] = [
  hostCreate,
  hostFault,
  vmCreate,
  vmList,
  vmShow,
  vmWrite,
  ...vmChanges,
  repositoryCreate,
  keyList,
  keyAdd,
  keyRemove,
  acceptRemoved,
  sessionList,
  sessionEnd,
  backup,
  listCommand,
  show,
  check,
  verify,
  repair,
  restore,
  exportCommand,
  copy,
  hold,
  remove,
  prune,
  stats,
  diskInfo,
  diskCheck,
  serveCommand,
];

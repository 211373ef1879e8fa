/** Errors of the adapter itself; the helper brings its own. */
import { HvError } from '../../support/errors.ts';
import { didYouMean } from '../../support/suggest.ts';

const LIST = 'List the VMs to see their names and ids.';

export const vmNotFound = (nameOrId: string, known: string[]): HvError =>
  new HvError('VM_NOT_FOUND', `There is no VM "${nameOrId}" on the host`, {
    advice: known.length > 0 ? didYouMean(nameOrId, known, LIST) : 'The host has no VMs.',
    data: { vm: nameOrId, known },
  });

export const checkpointNotFound = (id: string): HvError =>
  new HvError('CHECKPOINT_NOT_FOUND', `The recovery checkpoint is not on the host (any more): ${id}`, {
    advice: 'Run the backup again; it takes a new checkpoint.',
    data: { checkpointId: id },
  });

export const noSuchDisk = (checkpointId: string, disk: number): HvError =>
  new HvError('VM_DISK_NOT_FOUND', `The checkpoint ${checkpointId} has no disk ${disk}`, {
    advice: 'Disks added after the checkpoint are in the next one.',
    data: { checkpointId, disk },
  });

export const idUnknown = (path: string): HvError =>
  new HvError(
    'TRACKING_ID_INVALID',
    `The last backup was read from exports, and no RCT id of its freeze is known: ${path}`,
    {
      advice: 'Take a full backup of this disk, or read it from exports again (--read-method export).',
      data: { path },
    },
  );

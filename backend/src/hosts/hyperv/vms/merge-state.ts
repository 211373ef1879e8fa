/** Whether differencing disks of ended checkpoints still merge. */

import type { SystemAnswer } from '../wmi.ts';
import { placedDisks } from './describe-disks.ts';

/** Msvm_ComputerSystem.OperationalStatus: merging disks. */
const MERGING = 32772;

/**
 * @param hasCheckpoints whether any checkpoint stands, recovery or not: a differencing disk then belongs to it
 * @returns per disk index; a differencing disk that belongs to nothing and is not merging is one whose merge failed
 */
export function mergeState(
  vm: SystemAnswer,
  hasCheckpoints: boolean,
): { diskIndex: number; state: 'merging' | 'failed' }[] {
  const merging = vm.system.operationalStatus.includes(MERGING);
  if (!merging && hasCheckpoints) return [];
  return placedDisks(vm.components).flatMap((disk, diskIndex) =>
    /\.avhdx?$/i.test(disk.path) ? [{ diskIndex, state: merging ? ('merging' as const) : ('failed' as const) }] : [],
  );
}

/** Restore points that keep a prune from giving space back: what they need is not known, so it could be anything. */
import type { HvError } from '../../support/errors.ts';
import type { RepositoryCore } from '../core.ts';
import { pointFolderOf, pointIdOf } from '../format/names.ts';
import type { BlockedPoint } from '../port/maintenance.ts';

/** @param unknown why, by the name of the manifest; '' for what a writer builds on */
export function blockedBy(core: RepositoryCore, unknown: ReadonlyMap<string, HvError>): BlockedPoint[] {
  return [...unknown].map(([path, { message }]) => ({
    pointId: path === '' ? null : pointIdOf(path),
    vmName: path === '' ? null : vmNameOf(core, path),
    path,
    message,
  }));
}

function vmNameOf({ manifests, memory }: RepositoryCore, path: string): string | null {
  const known = manifests.known(path);
  if (known !== null && memory !== null) return memory.vmNameOf(known);
  return memory?.points(pointFolderOf(path)).find(({ id }) => id === pointIdOf(path))?.vmName ?? null;
}

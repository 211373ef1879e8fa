/** Reference points: which of their RCT ids belongs to which disk. */
import type { VmDisk } from '../../../schema/vm.ts';
import type { ReferencePoint } from '../../port.ts';
import { type PlacedDisk, placeOf } from '../vms/describe-disks.ts';
import { locationOf, type WmiReferencePoint } from '../wmi.ts';

const APPLICATION = 1;

/**
 * `VirtualDiskIdentifiers[i]` belongs to `ResilientChangeTrackingIdentifiers[i]`; it names the place where the disk was
 * attached, which is looked up among the disks as they hang now. Arrays of unequal length name nothing: every disk is
 * then read in full.
 * @param createdAt empty when not known: the host does not keep it
 */
export function referencePoint(
  point: WmiReferencePoint,
  placed: PlacedDisk[],
  disks: VmDisk[],
  createdAt: string,
): ReferencePoint {
  const byLocation = new Map<string, string>();
  for (const place of placed) {
    const disk = disks.find((entry) => placeOf(entry) === placeOf(place));
    if (disk?.id) byLocation.set(locationOf(place.component.instanceID), disk.id);
  }
  const { virtualDiskIdentifiers: places, resilientChangeTrackingIdentifiers: ids } = point;
  const pairs = places.length === ids.length ? places.map((place, i) => ({ place, rctId: ids[i]! })) : [];
  return {
    id: point.instanceID,
    vmId: (point.virtualSystemIdentifier ?? '').toLowerCase(),
    createdAt,
    consistency: point.consistencyLevel === APPLICATION ? 'application' : 'crash',
    disks: pairs.flatMap(({ place, rctId }) => {
      const diskId = byLocation.get(locationOf(place));
      return diskId && rctId ? [{ diskId, rctId }] : [];
    }),
  };
}

/**
 * A disk of a restore point as the block device it was. What is stored are bytes that know no sectors: how large they
 * were stands in the manifest, and partitions and file systems lie elsewhere when that is not heeded.
 */
import type { BlockDevice } from '../../disk/device.ts';
import type { ContentReader, Contents } from '../../repository/port/contents.ts';
import type { ManifestDisk } from '../../schema/manifest.ts';
import type { VmDisk } from '../../schema/vm.ts';
import type { Point } from './point.ts';

/** The device, and the fast sequential way through its content. */
interface PointDisk extends ContentReader, BlockDevice {}

/**
 * @param disk one that the restore point holds: its content is there
 * @throws REPOSITORY_DAMAGED when the reference is impossible
 */
export async function openPointDisk(repository: Contents, point: Point, disk: ManifestDisk): Promise<PointDisk> {
  const content = await repository.openContent(disk.content!);
  return {
    ref: content.ref,
    size: content.size,
    ...sectorSizes(hardwareOf(point, disk)),
    read: (offset, target) => content.read(offset, target),
    extents: (offset, length) => content.extents(offset, length),
    stream: (options) => content.stream(options),
    close: () => content.close(),
  };
}

/** The disk as the host described it at the backup; undefined when it is not in the description. */
export const hardwareOf = ({ body }: Point, { index }: ManifestDisk): VmDisk | undefined =>
  body.vm.disks.find((entry) => entry.index === index);

/** Bytes, 512 or 4096: what a manifest has beside that is no disk's, and who reads the device divides by it. */
function sectorSizes(hardware: VmDisk | undefined) {
  const known = (size: number | undefined, otherwise: number): number =>
    size === 512 || size === 4096 ? size : otherwise;
  return {
    logicalSectorSize: known(hardware?.logicalSectorSize, 512),
    physicalSectorSize: known(hardware?.physicalSectorSize, 4096),
  };
}

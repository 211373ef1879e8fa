/** Disks of restore points in results. */
import type { BackupDiskResult } from '../../schema/backup-disk.ts';
import type { ManifestDisk } from '../../schema/manifest.ts';

/** The part of a manifest's disk that a result shows. */
export function diskResult(disk: ManifestDisk): BackupDiskResult {
  const { index, id, mode, reason, size, changedBytes, readBytes, newBytes, skipped } = disk;
  return { index, id, mode, reason, size, changedBytes, readBytes, newBytes, skipped };
}

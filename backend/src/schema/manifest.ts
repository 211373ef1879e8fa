/**
 * The body of a manifest: what a restore point says about itself beside its contents (docs/format.md, "Manifests").
 * It is written once and read for ever: fields are only ever added, and added optional.
 */
import * as z from 'zod';
import { BackupKind, ReadMode } from './common.ts';
import { Consistency, Guid, VmDescription } from './vm.ts';

/** Root of a stored content; same shape as the repository's ContentRef. */
const StoredContent = z.object({
  size: z.number().int().nonnegative(),
  height: z.number().int().nonnegative(),
  root: z.string().nullable(),
});

/** A disk of a restore point. */
export const ManifestDisk = z.object({
  index: z.number().int().nonnegative(),
  id: z.string(),
  path: z.string(),
  size: z.number().int().nonnegative(),
  mode: ReadMode,
  /** Why it is not incremental. */
  reason: z.string().optional(),
  /** Why it has no content: excluded, pass-through, … */
  skipped: z.string().optional(),
  /** Tracking id of the frozen disk; null when it was not tracked. */
  rctId: z.string().nullable(),
  content: StoredContent.nullable(),
  changedBytes: z.number().int().nonnegative(),
  readBytes: z.number().int().nonnegative(),
  newBytes: z.number().int().nonnegative(),
});
export type ManifestDisk = z.infer<typeof ManifestDisk>;

export const ManifestFile = z.object({
  name: z.string(),
  kind: z.enum(['vmcx', 'vmrs', 'vmgs', 'other']),
  content: StoredContent,
});
export type ManifestFile = z.infer<typeof ManifestFile>;

export const ManifestBody = z.object({
  schema: z.literal(1),
  jobId: z.string(),
  hostUri: z.string(),
  kind: BackupKind,
  mode: ReadMode,
  consistency: Consistency,
  startedAt: z.string(),
  /** Restore point whose block maps this one was built on; null for a full. Nothing is needed from it to restore. */
  basePointId: z.string().nullable(),
  vm: VmDescription,
  disks: z.array(ManifestDisk),
  configuration: z.array(ManifestFile),
  /** Bytes stored for the configuration files. Manifest and indexes are not in it: they are written after it. */
  configurationBytes: z.number().int().nonnegative(),
  warnings: z.array(z.string()),
  /** Where it was copied from; absent when it was made here. */
  copiedFrom: z.object({ repositoryId: z.string(), location: z.string(), copiedAt: z.string() }).optional(),
});
export type ManifestBody = z.infer<typeof ManifestBody>;

/**
 * What ties a restore point to the host, written after the manifest is sealed (docs/backup.md, step 7); numbered per VM
 * and repository, the newest counts.
 */
export const ChainRecord = z.object({
  schema: z.literal(1),
  pointId: z.string(),
  /** Of the restore point, as in its manifest. */
  sequence: z.number().optional(),
  vmId: Guid,
  hostUri: z.string(),
  createdAt: z.string(),
  referencePointId: z.string(),
  disks: z.array(
    z.object({
      diskId: z.string(),
      /** The frozen disk's id, as in the manifest. */
      frozenRctId: z.string().nullable(),
      /** The reference point's id: normally the same; nothing documents that it must be. */
      referenceRctId: z.string().nullable(),
    }),
  ),
});
export type ChainRecord = z.infer<typeof ChainRecord>;

/** One word on whether a restore point may be removed; numbered, the newest counts. */
export const HoldRecord = z.object({
  schema: z.literal(1),
  point: z.string(),
  state: z.enum(['held', 'released']),
  at: z.string(),
  /** Machine that said so. */
  by: z.string(),
});
export type HoldRecord = z.infer<typeof HoldRecord>;

/** First record of the crash journal: written before anything is done to the VM (docs/backup.md, step 1). */
export const JobStarted = z.object({
  schema: z.literal(1),
  jobId: z.string(),
  /** Restore point id this job will publish, so that the next run can determine whether it did. */
  pointId: z.string(),
  vmId: Guid,
  vmName: z.string(),
  hostUri: z.string(),
  startedAt: z.string(),
  /** Label of the checkpoint it is about to create. */
  checkpointLabel: z.string(),
  /** Recovery checkpoints that were there before: never ours to remove. */
  checkpointsBefore: z.array(z.string()),
  owner: z.object({
    machine: z.string(),
    pid: z.number().int(),
    /** File whose exclusive lock the job holds while it lives; on that machine only. */
    lockPath: z.string(),
    /**
     * Its process (support/owner.ts), and what distinguishes its machine from clones; older software records neither.
     */
    process: z.object({ machine: z.string(), pid: z.number().int(), start: z.string() }).optional(),
    hardware: z.string().nullable().optional(),
  }),
});
export type JobStarted = z.infer<typeof JobStarted>;

/** Second record: the checkpoint exists. */
export const JobCheckpoint = z.object({ schema: z.literal(1), checkpointId: z.string() });
export type JobCheckpoint = z.infer<typeof JobCheckpoint>;

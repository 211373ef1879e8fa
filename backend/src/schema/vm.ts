/**
 * The host-neutral description of a virtual machine. It stands in every manifest from the first format version on, so
 * that any restore point can be restored data-only on any host (DESIGN §6).
 */
import { z } from 'zod';

/** Lower-case GUID with dashes, no braces. */
export const Guid = z.string().regex(/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/);
const ByteCount = z.number().int().nonnegative();

export const VmDisk = z.object({
  /** Position in the VM's disk order, from 0: what `--disk I` names. */
  index: z.number().int().nonnegative(),
  /** The disk's own identity: VHDX page 83 id (GET_VIRTUAL_DISK_INFO_VIRTUAL_DISK_ID); survives moves, not replacement. */
  id: z.string(),
  /** Path on the host at the time of the backup. */
  path: z.string(),
  format: z.enum(['vhdx', 'vhd', 'vhds', 'passthrough']),
  /** Virtual size, bytes. */
  size: ByteCount,
  logicalSectorSize: z.number().int(),
  physicalSectorSize: z.number().int(),
  /** VHDX block size in bytes, so that a restored disk gets the same; absent when unknown. */
  blockSize: z.number().int().optional(),
  controllerType: z.enum(['IDE', 'SCSI', 'NVMe', 'PMEM']),
  controllerNumber: z.number().int().nonnegative(),
  controllerLocation: z.number().int().nonnegative(),
});

export const VmNetworkAdapter = z.object({
  name: z.string(),
  /** Twelve hex digits, upper case; empty when dynamic and not yet given. */
  macAddress: z.string(),
  dynamicMacAddress: z.boolean(),
  switchName: z.string().optional(),
});

export const VmDescription = z.object({
  id: Guid,
  name: z.string().min(1),
  generation: z.union([z.literal(1), z.literal(2)]),
  /** Hyper-V configuration version, for instance "9.0". */
  version: z.string(),
  state: z.enum(['Off', 'Running', 'Saved', 'Paused', 'Other']),
  processorCount: z.number().int().positive(),
  /** Startup memory, bytes. */
  memoryStartup: ByteCount,
  dynamicMemory: z.boolean(),
  memoryMinimum: ByteCount.optional(),
  memoryMaximum: ByteCount.optional(),
  secureBoot: z.boolean().optional(),
  secureBootTemplate: z.string().optional(),
  tpm: z.boolean().optional(),
  bootOrder: z.array(z.string()).optional(),
  disks: z.array(VmDisk),
  networkAdapters: z.array(VmNetworkAdapter),
  notes: z.string().optional(),
  /** Id of the last applied checkpoint (Msvm_LastAppliedSnapshot); a change means a full. */
  lastAppliedCheckpoint: z.string().optional(),
});

export type VmDisk = z.infer<typeof VmDisk>;
export type VmNetworkAdapter = z.infer<typeof VmNetworkAdapter>;
export type VmDescription = z.infer<typeof VmDescription>;

/** application: the guest's writers were quiesced (VSS or fsfreeze); crash: as if power had been cut. */
export const Consistency = z.enum(['application', 'crash']);
export type Consistency = z.infer<typeof Consistency>;

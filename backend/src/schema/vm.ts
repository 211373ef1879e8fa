/**
 * The host-neutral description of a virtual machine. It stands in every manifest from the first format version on, so
 * that any restore point can be restored data-only on any host (docs/format.md).
 */
import * as z from 'zod';

/** Lower-case GUID with dashes, no braces. */
export const Guid = z.string().regex(/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/);
const ByteCount = z.number().int().nonnegative();

export const VmDisk = z
  .object({
    index: z.number().int().nonnegative().describe("Position in the VM's disk order, from 0: what `--disk I` names."),
    id: z
      .string()
      .describe(
        "The disk's own identity: VHDX page 83 id (GET_VIRTUAL_DISK_INFO_VIRTUAL_DISK_ID); survives moves, not " +
          'replacement.',
      ),
    path: z.string().describe('Path on the host at the time of the backup.'),
    format: z.enum(['vhdx', 'vhd', 'vhds', 'passthrough']).describe('What the disk is on the host.'),
    size: ByteCount.describe('Virtual size, bytes.'),
    logicalSectorSize: z.number().int().describe('Logical sector size, bytes.'),
    physicalSectorSize: z.number().int().describe('Physical sector size, bytes.'),
    blockSize: z
      .number()
      .int()
      .optional()
      .describe('Block size of the VHDX, bytes, so that a restored disk gets the same; absent when unknown.'),
    controllerType: z.enum(['IDE', 'SCSI', 'NVMe', 'PMEM']).describe('Type of the controller it hangs on.'),
    controllerNumber: z.number().int().nonnegative().describe('Number of the controller, from 0.'),
    controllerLocation: z.number().int().nonnegative().describe('Location on the controller, from 0.'),
  })
  .meta({ id: 'VmDisk' });

export const VmNetworkAdapter = z
  .object({
    name: z.string().describe('Name of the adapter.'),
    macAddress: z.string().describe('Twelve hex digits, upper case; empty when dynamic and not yet given.'),
    dynamicMacAddress: z.boolean().describe('Whether the host gives the address.'),
    switchName: z.string().optional().describe('Virtual switch it is connected to; absent when to none.'),
  })
  .meta({ id: 'VmNetworkAdapter' });

export const VmDescription = z
  .object({
    id: Guid.describe('Id of the VM.'),
    name: z.string().min(1).describe('Name of the VM.'),
    generation: z.union([z.literal(1), z.literal(2)]).describe('Generation: 1 (BIOS) or 2 (UEFI).'),
    version: z.string().describe('Hyper-V configuration version, for instance "9.0".'),
    state: z.enum(['Off', 'Running', 'Saved', 'Paused', 'Other']).describe('Running state.'),
    processorCount: z.number().int().positive().describe('Number of virtual processors.'),
    memoryStartup: ByteCount.describe('Startup memory, bytes.'),
    dynamicMemory: z.boolean().describe('Whether memory is dynamic.'),
    memoryMinimum: ByteCount.optional().describe('Minimum of dynamic memory, bytes.'),
    memoryMaximum: ByteCount.optional().describe('Maximum of dynamic memory, bytes.'),
    secureBoot: z.boolean().optional().describe('Whether secure boot is on (generation 2).'),
    secureBootTemplate: z.string().optional().describe('Name of the secure boot template.'),
    tpm: z.boolean().optional().describe('Whether it has a virtual TPM.'),
    bootOrder: z.array(z.string()).optional().describe('Boot devices, first one first.'),
    disks: z.array(VmDisk).describe('Its virtual disks, by index.'),
    networkAdapters: z.array(VmNetworkAdapter).describe('Its network adapters.'),
    notes: z.string().optional().describe('Notes of the administrator.'),
    lastAppliedCheckpoint: z
      .string()
      .optional()
      .describe('Id of the last applied checkpoint (Msvm_LastAppliedSnapshot); a change means a full.'),
  })
  .meta({ id: 'VmDescription' });

export type VmDisk = z.infer<typeof VmDisk>;
export type VmNetworkAdapter = z.infer<typeof VmNetworkAdapter>;
export type VmDescription = z.infer<typeof VmDescription>;

/** application: the guest's writers were quiesced (VSS or fsfreeze); crash: as if power had been cut. */
export const Consistency = z.enum(['application', 'crash']);
export type Consistency = z.infer<typeof Consistency>;

/** Hosts and the virtual machines on them. What only a simulated host can be asked for is in simulated-host.ts. */
import * as z from 'zod';
import { ByteCount, DiskIndex, HostUri, OfHost, OfReading, ParentImages, VmSelector } from './common.ts';
import { Readiness } from './readiness.ts';
import { Guid, VmDescription } from './vm.ts';

export const CreateHostParams = z.strictObject({
  directory: z.string().min(1).describe('Folder of the new simulated host; created when missing, otherwise empty.'),
});
export const CreateHostResult = z.object({
  host: HostUri.describe('Address of the host for every other command: `sim:` and the absolute path.'),
});

export const CreateVmParams = z.strictObject({
  host: HostUri,
  name: z.string().min(1).max(100).describe('Name of the VM.'),
  disks: z
    .array(z.string().min(1))
    .max(256)
    .default([])
    .describe('Disk images (VHDX, VHD or raw) that are copied to become disks 0, 1, … of the VM.'),
  parents: ParentImages.describe(
    'Parents of differencing images that are not at the paths recorded in them, in any order.',
  ),
  generation: z
    .union([z.literal(1), z.literal(2)])
    .default(2)
    .describe('Generation of the VM: 1 (BIOS) or 2 (UEFI).'),
  memory: ByteCount.min(32 * 1024 * 1024)
    .default(1024 ** 3)
    .describe('Startup memory, bytes.'),
  processors: z.number().int().min(1).max(2048).default(1).describe('Number of virtual processors.'),
});
export const VmResult = z.object({ vm: VmDescription.describe('The VM as it is now.') });

export const VmSummary = z
  .object({
    id: Guid.describe('Id of the VM.'),
    name: z.string().describe('Name of the VM.'),
    state: VmDescription.shape.state.describe('Running state.'),
    generation: z.union([z.literal(1), z.literal(2)]).describe('Generation: 1 (BIOS) or 2 (UEFI).'),
    disks: z.number().int().nonnegative().describe('Number of virtual disks.'),
    size: ByteCount.describe('Virtual sizes of all disks, summed, bytes.'),
  })
  .meta({ id: 'VmSummary' });

export const ListVmsParams = z.strictObject({
  ...OfHost,
  name: z.string().min(1).optional().describe('Only the VM of this name (case-insensitive) or id.'),
});
export const ListVmsResult = z.object({ vms: z.array(VmSummary).describe('The VMs of the host, by name.') });

export const ShowVmParams = z.strictObject({ ...OfHost, vm: VmSelector, ...OfReading });
export const ShowVmResult = VmResult.extend({
  readiness: Readiness.optional().describe('How a backup would read the VM, and what prevents it.'),
});

const WriteFile = z.strictObject({
  type: z.literal('file').describe('Write the content of a file.'),
  offset: ByteCount.describe('Where on the disk, bytes.'),
  file: z.string().min(1).describe('File whose whole content is written there.'),
});
const WriteFill = z.strictObject({
  type: z.literal('fill').describe('Write one byte value.'),
  offset: ByteCount.describe('Where on the disk, bytes.'),
  length: ByteCount.min(1).describe('How much, bytes.'),
  byte: z.number().int().min(0).max(255).describe('Value of every byte, 0 to 255.'),
});
const WriteRandom = z.strictObject({
  type: z.literal('random').describe('Write random bytes at random places.'),
  count: z.number().int().min(1).max(10_000_000).describe('Number of writes, anywhere on the disk.'),
  length: ByteCount.min(1).describe('Length of each write, bytes.'),
  seed: z.number().int().nonnegative().optional().describe('Same seed, same writes; random when absent.'),
});

export const WriteVmParams = z.strictObject({
  host: HostUri,
  vm: VmSelector,
  disk: DiskIndex.default(0).describe('Index of the disk, from 0.'),
  write: z.discriminatedUnion('type', [WriteFile, WriteFill, WriteRandom]).describe('What the guest writes.'),
});
export const WriteVmResult = z.object({
  vmId: Guid.describe('Id of the VM.'),
  disk: DiskIndex.describe('Index of the disk, from 0.'),
  writes: z.number().int().nonnegative().describe('Number of writes.'),
  bytes: ByteCount.describe('Bytes written, overlaps counted twice.'),
});

export type CreateHostParams = z.infer<typeof CreateHostParams>;
export type CreateHostResult = z.infer<typeof CreateHostResult>;
export type CreateVmParams = z.infer<typeof CreateVmParams>;
export type VmResult = z.infer<typeof VmResult>;
export type VmSummary = z.infer<typeof VmSummary>;
export type ListVmsParams = z.infer<typeof ListVmsParams>;
export type ListVmsResult = z.infer<typeof ListVmsResult>;
export type ShowVmParams = z.infer<typeof ShowVmParams>;
export type ShowVmResult = z.infer<typeof ShowVmResult>;
export type WriteVmParams = z.infer<typeof WriteVmParams>;
export type WriteVmResult = z.infer<typeof WriteVmResult>;

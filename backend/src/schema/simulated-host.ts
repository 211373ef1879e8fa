/** What only a simulated host can be asked for: changes to a VM's disks and state, and the failures of real life. */
import * as z from 'zod';
import { ByteCount, DiskIndex, HostUri, ParentImages, VmSelector } from './common.ts';
import { Guid, VmDescription } from './vm.ts';

const onVm = { host: HostUri, vm: VmSelector };
const onDisk = { ...onVm, disk: DiskIndex.describe('Index of the disk, from 0.') };
const content = {
  file: z.string().min(1).optional().describe('Disk image (VHDX, VHD or raw) that is copied.'),
  parents: ParentImages.describe(
    'Parents of a differencing image that are not at the paths recorded in it, in any order.',
  ),
  size: ByteCount.min(1).optional().describe('Size of an empty disk, bytes; used when no file is given.'),
};

export const ResizeDiskParams = z.strictObject({ ...onDisk, size: ByteCount.min(1).describe('New size, bytes.') });
export const AddDiskParams = z.strictObject({ ...onVm, ...content });
export const ReplaceDiskParams = z.strictObject({ ...onDisk, ...content });
export const RemoveDiskParams = z.strictObject(onDisk);
export const SetVmStateParams = z.strictObject({
  ...onVm,
  state: VmDescription.shape.state.exclude(['Other']).describe('The state the VM shall be in.'),
});
export const RemoveVmParams = z.strictObject(onVm);
export const RemoveVmResult = z.object({
  vmId: Guid.describe('Id of the VM that was removed.'),
  name: z.string().describe('Its name.'),
});

export const HostFault = z
  .object({
    name: z.string().min(1).describe('Which failure; an unknown name is refused with the list of known ones.'),
    vm: z.string().optional().describe('Name or id of the VM it concerns; every VM when absent.'),
    disk: DiskIndex.optional().describe('Index of the disk it concerns, from 0; every disk when absent.'),
    count: z.number().int().min(1).optional().describe('How many times it strikes; until cleared when absent.'),
    after: z.number().int().nonnegative().optional().describe('How many occasions pass before it strikes.'),
  })
  .meta({ id: 'HostFault' });

export const HostFaultParams = z.strictObject({
  host: HostUri,
  action: z.enum(['set', 'clear', 'list']).describe('Set one, clear it (all when no name is given), or list them.'),
  ...HostFault.partial({ name: true }).shape,
});
export const HostFaultResult = z.object({
  faults: z.array(HostFault).describe('The faults that are set now.'),
  known: z.array(z.string()).describe('Names of the faults that can be set.'),
});

export type ResizeDiskParams = z.infer<typeof ResizeDiskParams>;
export type AddDiskParams = z.infer<typeof AddDiskParams>;
export type ReplaceDiskParams = z.infer<typeof ReplaceDiskParams>;
export type RemoveDiskParams = z.infer<typeof RemoveDiskParams>;
export type SetVmStateParams = z.infer<typeof SetVmStateParams>;
export type RemoveVmParams = z.infer<typeof RemoveVmParams>;
export type RemoveVmResult = z.infer<typeof RemoveVmResult>;
export type HostFault = z.infer<typeof HostFault>;
export type HostFaultParams = z.infer<typeof HostFaultParams>;
export type HostFaultResult = z.infer<typeof HostFaultResult>;

/** `hvbackup vm start|stop|resize|…`: what changes about a VM while a simulated host lives. */
import { HvError } from '../../support/errors.ts';
import { type Command, command } from '../command.ts';
import { diskIndex, flag, hostOption, optional, parentOption, required, size, text } from '../options.ts';
import { formatBytes } from '../units.ts';
import { vmLines } from '../vm-lines.ts';

const target = { host: hostOption, vm: required('N', 'The VM: its name or id.', text) };
const disk = required('I', 'Index of the disk, from 0.', diskIndex);
const content = {
  file: optional('FILE', 'Disk image (VHDX, VHD or raw) to copy.', text),
  parent: parentOption,
  size: optional('SIZE', 'Size of an empty disk, when no --file is given.', size),
};

export const vmStart = command({
  words: 'vm start',
  summary: 'Start a VM (simulated host).',
  options: target,
  examples: ['vm start --host sim:./lab --vm web01'],
  run: async (values, context) => {
    const result = await context.call('vm/setState', { ...values, state: 'Running' });
    return { json: result, lines: [`Started ${result.vm.name}`] };
  },
});

export const vmStop = command({
  words: 'vm stop',
  summary: 'Stop a VM (simulated host).',
  options: { ...target, save: flag('Save its state instead of turning it off.') },
  examples: ['vm stop --host sim:./lab --vm web01'],
  run: async ({ host, vm, save }, context) => {
    const result = await context.call('vm/setState', { host, vm, state: save ? 'Saved' : 'Off' });
    return { json: result, lines: [`${save ? 'Saved' : 'Stopped'} ${result.vm.name}`] };
  },
});

export const vmResize = command({
  words: 'vm resize',
  summary: "Change the size of a VM's disk (simulated host).",
  options: { ...target, disk, size: required('SIZE', 'New size.', size) },
  examples: ['vm resize --host sim:./lab --vm web01 --disk 0 --size 64G'],
  run: async (values, context) => {
    const result = await context.call('vm/resizeDisk', values);
    return { json: result, lines: [`Disk ${values.disk} of ${result.vm.name} is ${formatBytes(values.size)} now`] };
  },
});

export const vmAddDisk = command({
  words: 'vm add-disk',
  summary: 'Add a disk to a VM (simulated host).',
  options: { ...target, ...content },
  examples: [
    'vm add-disk --host sim:./lab --vm web01 --size 10G',
    'vm add-disk --host sim:./lab --vm web01 --file data.vhdx',
  ],
  run: async (values, context) => {
    const { host, vm } = values;
    const result = await context.call('vm/addDisk', { host, vm, ...contentOf(values, context.absolute) });
    return { json: result, lines: vmLines(result.vm) };
  },
});

export const vmReplaceDisk = command({
  words: 'vm replace-disk',
  summary: "Put another disk in a disk's place (simulated host).",
  options: { ...target, disk, ...content },
  examples: ['vm replace-disk --host sim:./lab --vm web01 --disk 1 --file other.vhdx'],
  run: async (values, context) => {
    const { host, vm, disk } = values;
    const result = await context.call('vm/replaceDisk', { host, vm, disk, ...contentOf(values, context.absolute) });
    return { json: result, lines: vmLines(result.vm) };
  },
});

export const vmRemoveDisk = command({
  words: 'vm remove-disk',
  summary: 'Take a disk from a VM (simulated host).',
  options: { ...target, disk },
  examples: ['vm remove-disk --host sim:./lab --vm web01 --disk 1'],
  run: async (values, context) => {
    const result = await context.call('vm/removeDisk', values);
    return { json: result, lines: vmLines(result.vm) };
  },
});

export const vmRemove = command({
  words: 'vm remove',
  summary: 'Remove a VM and its disks (simulated host).',
  options: target,
  examples: ['vm remove --host sim:./lab --vm web01'],
  run: async (values, context) => {
    const result = await context.call('vm/remove', values);
    return { json: result, lines: [`Removed ${result.name} (${result.vmId})`] };
  },
});

function contentOf(values: { file?: string; size?: number; parent: string[] }, absolute: (path: string) => string) {
  if ((values.file === undefined) === (values.size === undefined)) {
    throw new HvError('USAGE', 'Give either --file or --size.', { advice: 'See "hvbackup vm add-disk --help".' });
  }
  return {
    file: values.file === undefined ? undefined : absolute(values.file),
    size: values.size,
    parents: values.parent.length > 0 ? values.parent.map(absolute) : undefined,
  };
}

export const vmChanges: Command[] = [vmStart, vmStop, vmResize, vmAddDisk, vmReplaceDisk, vmRemoveDisk, vmRemove];

/** `hvbackup vm …`: virtual machines of a host. */
import { HvError } from '../../support/errors.ts';
import { command } from '../command.ts';
import {
  credentialOption,
  diskIndex,
  hostOption,
  integer,
  list,
  oneOf,
  optional,
  parentOption,
  readingOptions,
  required,
  size,
  text,
} from '../options.ts';
import { table } from '../table.ts';
import { counted, formatBytes } from '../units.ts';
import { readinessLines, vmLines } from '../vm-lines.ts';

const vmOption = required('N', 'The VM: its name or id.', text);

export const vmCreate = command({
  words: 'vm create',
  summary: 'Create a VM from copies of disk images (simulated host).',
  options: {
    host: hostOption,
    name: required('N', 'Name of the VM.', text),
    disk: list('FILE', 'Disk image (VHDX, VHD or raw) to copy as the next disk.', text),
    parent: parentOption,
    generation: optional('1|2', 'Generation; 2 when absent.', oneOf('1', '2')),
    memory: optional('SIZE', 'Startup memory; 1G when absent.', size),
    cpu: optional('N', 'Number of virtual processors; 1 when absent.', integer(1, 2048)),
  },
  examples: ['vm create --host sim:./lab --name web01 --disk system.vhdx --disk data.vhdx --memory 4G --cpu 2'],
  run: async (values, context) => {
    const result = await context.call('vm/create', {
      host: values.host,
      name: values.name,
      disks: values.disk.map(context.absolute),
      parents: values.parent.length > 0 ? values.parent.map(context.absolute) : undefined,
      generation: values.generation === undefined ? undefined : values.generation === '1' ? 1 : 2,
      memory: values.memory,
      processors: values.cpu,
    });
    return { json: result, lines: ['Created the VM:', ...vmLines(result.vm)] };
  },
});

export const vmList = command({
  words: 'vm list',
  summary: 'List the VMs of a host.',
  options: { host: hostOption, 'credential-file': credentialOption },
  examples: ['vm list --host sim:./lab', 'vm list --host hyperv: --json'],
  run: async ({ host }, context) => {
    const result = await context.call('vm/list', { host });
    const rows = table(result.vms, [
      { title: 'NAME', value: (vm) => vm.name },
      { title: 'STATE', value: (vm) => vm.state },
      { title: 'GEN', value: (vm) => String(vm.generation), align: 'right' },
      { title: 'DISKS', value: (vm) => String(vm.disks), align: 'right' },
      { title: 'SIZE', value: (vm) => formatBytes(vm.size), align: 'right' },
      { title: 'ID', value: (vm) => vm.id },
    ]);
    return { json: result, lines: result.vms.length > 0 ? rows : ['The host has no VMs.'] };
  },
});

export const vmShow = command({
  words: 'vm show',
  summary: 'Describe a VM.',
  options: { host: hostOption, vm: vmOption, 'credential-file': credentialOption, ...readingOptions },
  examples: ['vm show --host sim:./lab --vm web01'],
  run: async (values, context) => {
    const result = await context.call('vm/show', {
      host: values.host,
      vm: values.vm,
      readMethod: values['read-method'],
      exportFolder: values['export-folder'],
    });
    return { json: result, lines: [...vmLines(result.vm), ...readinessLines(result.readiness)] };
  },
});

export const vmWrite = command({
  words: 'vm write',
  summary: "Write to a VM's disk as its guest would (simulated host).",
  options: {
    host: hostOption,
    vm: vmOption,
    disk: optional('I', 'Index of the disk, from 0; 0 when absent.', diskIndex),
    offset: optional('SIZE', 'Where on the disk.', size),
    file: optional('F', 'Write the content of this file at --offset.', text),
    fill: optional('BYTE', 'Write this byte value, 0 to 255, at --offset for --length.', integer(0, 255)),
    length: optional('SIZE', 'How much to write; with --random, in each write.', size),
    random: optional('COUNT', 'Make this many writes of --length anywhere on the disk.', integer(1)),
    seed: optional('S', 'Same seed, same random writes.', integer(0)),
  },
  examples: [
    'vm write --host sim:./lab --vm web01 --offset 10M --file patch.bin',
    'vm write --host sim:./lab --vm web01 --disk 1 --offset 0 --fill 255 --length 64K',
    'vm write --host sim:./lab --vm web01 --random 1000 --length 4K --seed 7',
  ],
  run: async (values, context) => {
    const { host, vm, disk } = values;
    const result = await context.call('vm/write', { host, vm, disk, write: writeOf(values, context.absolute) });
    const what = `${counted(result.writes, 'write')}, ${formatBytes(result.bytes)}`;
    return { json: result, lines: [`Wrote to disk ${result.disk} of ${vm}: ${what}`] };
  },
});

interface WriteOptions {
  offset?: number;
  file?: string;
  fill?: number;
  length?: number;
  random?: number;
  seed?: number;
}

/** The one of the three ways of writing that the options name. */
function writeOf(values: WriteOptions, absolute: (path: string) => string) {
  const { offset, file, fill, length, random, seed } = values;
  const ways = [file, fill, random].filter((way) => way !== undefined);
  if (ways.length !== 1) throw usage('Give exactly one of --file, --fill and --random.');
  if (random !== undefined) {
    if (length === undefined) throw usage('--random needs --length.');
    if (offset !== undefined) throw usage('--random writes anywhere: leave out --offset.');
    return { type: 'random' as const, count: random, length, seed };
  }
  if (seed !== undefined) throw usage('--seed goes with --random.');
  if (offset === undefined) throw usage(`--${file === undefined ? 'fill' : 'file'} needs --offset.`);
  if (file !== undefined) {
    if (length !== undefined) throw usage('--file writes the whole file: leave out --length.');
    return { type: 'file' as const, offset, file: absolute(file) };
  }
  if (length === undefined) throw usage('--fill needs --length.');
  return { type: 'fill' as const, offset, length, byte: fill! };
}

const usage = (message: string): HvError =>
  new HvError('USAGE', message, { advice: 'See "hvbackup vm write --help".' });

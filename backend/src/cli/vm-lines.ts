/** A VM in text. */
import type { VmDescription } from '../schema/vm.ts';
import { properties, table } from './table.ts';
import { formatBytes } from './units.ts';

export function vmLines(vm: VmDescription): string[] {
  const disks = table(vm.disks, [
    { title: 'DISK', value: (disk) => String(disk.index), align: 'right' },
    { title: 'SIZE', value: (disk) => formatBytes(disk.size), align: 'right' },
    { title: 'FORMAT', value: (disk) => disk.format },
    { title: 'SECTOR', value: (disk) => `${disk.logicalSectorSize}/${disk.physicalSectorSize}` },
    {
      title: 'CONTROLLER',
      value: (disk) => `${disk.controllerType} ${disk.controllerNumber}:${disk.controllerLocation}`,
    },
    { title: 'PATH', value: (disk) => disk.path },
  ]);
  return [
    ...properties([
      ['Name', vm.name],
      ['Id', vm.id],
      ['State', vm.state],
      ['Generation', vm.generation],
      ['Version', vm.version],
      ['Processors', vm.processorCount],
      ['Memory', formatBytes(vm.memoryStartup) + (vm.dynamicMemory ? ' (dynamic)' : '')],
      ['Secure boot', vm.secureBoot === undefined ? undefined : vm.secureBoot ? 'on' : 'off'],
      ['Network', vm.networkAdapters.map((adapter) => adapter.name).join(', ') || undefined],
      ['Notes', vm.notes || undefined],
    ]),
    ...(vm.disks.length > 0 ? ['', ...disks] : ['Disks: none']),
  ];
}

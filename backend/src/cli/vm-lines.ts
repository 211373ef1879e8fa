/** A VM in text. */
import type { Readiness } from '../schema/readiness.ts';
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

const WAYS: Record<Readiness['changes'], string> = {
  virtdisk: 'virtdisk.dll',
  wmi: 'WMI',
  export: 'differential exports',
  simulated: 'the simulated host',
  none: 'none: always read in full',
};

const METHODS: Record<Readiness['method'], string> = {
  native: 'from their files',
  share: "over the host's shares",
  attached: 'attached (virtdisk.dll)',
  export: 'from exports over WMI',
};

/** How a backup would read the VM, and what prevents it. */
export function readinessLines(readiness: Readiness | undefined): string[] {
  if (!readiness) return [];
  const rows = properties([
    ['Backup', readiness.ready ? 'can be made' : 'cannot be made'],
    ['Disks are read', METHODS[readiness.method]],
    ['Changes from', WAYS[readiness.changes]],
    ['Why', readiness.why],
  ]);
  const findings = readiness.findings.flatMap(({ severity, message, advice }) => [
    `${severity}: ${message}`,
    ...(advice ? [`  ${advice}`] : []),
  ]);
  return ['', ...rows, ...(findings.length > 0 ? ['', ...findings] : [])];
}

/** What a simulated restore point says of itself: as much as a real one of a VM with one disk. */
import type { ContentRef } from '../../backend/src/repository/port/contents.ts';
import type { ManifestBody } from '../../backend/src/schema/manifest.ts';

export const vmName = (number: number): string => `vm-${String(number).padStart(5, '0')}`;

export function body(point: {
  vm: number;
  vmId: string;
  id: string;
  base: string | null;
  content: ContentRef;
  createdAt: string;
}): ManifestBody {
  const { vm, vmId, content, createdAt, base } = point;
  const name = vmName(vm);
  const mode = base === null ? 'full' : 'incremental';
  const path = `C:\\ClusterStorage\\Volume1\\${name}\\Virtual Hard Disks\\${name}.vhdx`;
  const disk = { index: 0, id: `{${vmId}}`, path, size: content.size };
  return {
    schema: 1,
    jobId: point.id,
    hostUri: 'hyperv://node1.example.org',
    kind: 'vm',
    mode,
    consistency: 'application',
    startedAt: createdAt,
    basePointId: base,
    vm: {
      id: vmId,
      name,
      generation: 2,
      version: '9.0',
      state: 'Running',
      processorCount: 4,
      memoryStartup: 8 * 1024 ** 3,
      dynamicMemory: true,
      memoryMinimum: 512 * 1024 ** 2,
      memoryMaximum: 16 * 1024 ** 3,
      secureBoot: true,
      secureBootTemplate: 'MicrosoftWindows',
      tpm: false,
      bootOrder: ['disk 0', 'network 0'],
      disks: [
        {
          ...disk,
          format: 'vhdx',
          logicalSectorSize: 512,
          physicalSectorSize: 4096,
          blockSize: 32 * 1024 * 1024,
          controllerType: 'SCSI',
          controllerNumber: 0,
          controllerLocation: 0,
        },
      ],
      networkAdapters: [{ name: 'Network Adapter', macAddress: '', dynamicMacAddress: true, switchName: 'vSwitch' }],
      notes: `Simulated VM number ${vm}.`,
    },
    disks: [
      {
        ...disk,
        mode,
        ...(base === null ? { reason: 'first backup of this VM in this repository' } : {}),
        rctId: `rctX:${vmId}:0:0:${point.id}`,
        content,
        changedBytes: 100_000_000,
        readBytes: 100_000_000,
        newBytes: 50_000_000,
      },
    ],
    configuration: [],
    configurationBytes: 0,
    warnings: [],
  };
}

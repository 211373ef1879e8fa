/** Configuration files to test and fuzz with: every type of key, a VM, a log that was not applied. */
import { crc32 } from 'node:zlib';
import { renderFileHeader } from '../../backend/src/hosts/configuration/hvs/format/file-header.ts';
import { renderLogEntry, renderLogHeader } from '../../backend/src/hosts/configuration/hvs/format/replay-log.ts';
import {
  bool,
  bytes,
  double,
  type HvsItem,
  int,
  node,
  text,
  uint,
} from '../../backend/src/hosts/configuration/hvs/values.ts';
import type { VmDescription, VmDisk } from '../../backend/src/schema/vm.ts';

/** One key of every type, long values, siblings of one name, an empty node. */
export const everyType = (): HvsItem[] => [
  node(
    'configuration',
    int('negative', -(2n ** 63n)),
    uint('largest', 2n ** 64n - 1n),
    double('half', 0.5),
    bool('yes', true),
    bool('no', false),
    text('empty', ''),
    text('text', 'Wäb-сервер 日本 🙂'),
    text('halfCharacter', 'a\ud800b'),
    bytes('none', new Uint8Array()),
    bytes(
      'array',
      Uint8Array.from({ length: 2047 }, (_, index) => index & 0xff),
    ),
    bytes(
      'long',
      Uint8Array.from({ length: 2048 }, (_, index) => (index * 7) & 0xff),
    ),
    text('longText', 'x'.repeat(5000)),
    node('nothing'),
    node('metric', { ...text('guid', 'a'), subcomponent: true }, int('value', 1)),
    node('metric', { ...text('guid', 'b'), subcomponent: true }, int('value', 2)),
  ),
  int('besideTheRoot', 7),
];

const disk = (index: number, controllerType: VmDisk['controllerType'], number: number, location: number): VmDisk => ({
  index,
  id: `disk-${index}`,
  path: `C:\\VMs\\Virtual Hard Disks\\web-${index}.vhdx`,
  format: 'vhdx',
  size: 2 ** 30,
  logicalSectorSize: 512,
  physicalSectorSize: 4096,
  controllerType,
  controllerNumber: number,
  controllerLocation: location,
});

export const generation2 = (): VmDescription => ({
  id: '0b6c3f0a-5d8e-4a55-9d11-6f3c2f3e9a10',
  name: 'Wäb-сервер 日本 🙂',
  generation: 2,
  version: '10.0',
  state: 'Off',
  processorCount: 8,
  memoryStartup: 4 * 2 ** 30,
  dynamicMemory: true,
  memoryMinimum: 2 ** 30,
  memoryMaximum: 8 * 2 ** 30,
  secureBoot: true,
  secureBootTemplate: 'MicrosoftUEFICertificateAuthority',
  tpm: true,
  disks: [disk(0, 'SCSI', 0, 0), disk(1, 'SCSI', 0, 5), disk(2, 'SCSI', 2, 63)],
  networkAdapters: [
    { name: 'LAN', macAddress: '00155D010203', dynamicMacAddress: false, switchName: 'External' },
    { name: 'Backup', macAddress: '', dynamicMacAddress: true },
  ],
  notes: `${'long '.repeat(1000)}notes`,
  lastAppliedCheckpoint: 'a0000000-0000-4000-8000-000000000001',
});

export const generation1 = (): VmDescription => ({
  id: '1b6c3f0a-5d8e-4a55-9d11-6f3c2f3e9a10',
  name: 'old',
  generation: 1,
  version: '8.3',
  state: 'Off',
  processorCount: 1,
  memoryStartup: 2 ** 30,
  dynamicMemory: false,
  bootOrder: ['HardDrive', 'Optical', 'Network', 'Floppy'],
  disks: [disk(0, 'IDE', 0, 0), disk(1, 'IDE', 1, 1), disk(2, 'SCSI', 0, 0)],
  networkAdapters: [{ name: 'Network Adapter', macAddress: '00155DAABBCC', dynamicMacAddress: true }],
});

/** Where {@link withLog} puts its log, from the end of the file: beyond everything the file has. */
const LOG_HEADER_PAGE = 0x1000;

/**
 * A copy of `file` with a log of its own at the end that says `patches`: what a host that stopped in the middle of a
 * commit leaves. Nothing of them is applied.
 * @param damage changes the log's region before it is written
 */
export function withLog(
  file: Uint8Array,
  patches: { offset: number; data: Uint8Array }[],
  damage: (log: Buffer) => void = () => undefined,
): Buffer {
  const logOffset = Math.ceil(file.length / 0x1000) * 0x1000;
  const data = Buffer.concat(patches.map((patch) => patch.data));
  const log = Buffer.alloc(LOG_HEADER_PAGE + data.length);
  data.copy(log, LOG_HEADER_PAGE);
  renderLogHeader({ entries: patches.length, maxEntries: 145 }).copy(log);
  let source = LOG_HEADER_PAGE;
  for (const [index, patch] of patches.entries()) {
    const entry = { destination: patch.offset, size: patch.data.length, source, dataChecksum: crc32(patch.data) };
    renderLogEntry(entry).copy(log, 34 + index * 28);
    source += patch.data.length;
  }
  damage(log);
  const dirty = Buffer.alloc(logOffset + log.length);
  dirty.set(file);
  log.copy(dirty, logOffset);
  const header = {
    formatVersion: 0x0400,
    dataVersion: 0,
    alignment: 0x1000,
    logOffset,
    logHeaderSize: LOG_HEADER_PAGE,
  };
  // The region is larger than what is used of it, as Hyper-V's are.
  const logSize = Math.ceil(log.length / 0x1000) * 0x1000;
  renderFileHeader({ ...header, logSize, sequence: 0x1001 }).copy(dirty, 0);
  renderFileHeader({ ...header, logSize, sequence: 0x1000 }).copy(dirty, 0x1000);
  return dirty;
}

/**
 * The nodes of the devices that every VM has. Values are those Hyper-V gives a new VM, where the description says
 * nothing.
 */
import type { VmDescription } from '../../schema/vm.ts';
import { NIL_GUID } from '../../support/guid.ts';
import { derivedGuid, derivedSerial } from './derived-guid.ts';
import { DEVICE } from './devices.ts';
import { bool, type HvsItem, type HvsNode, int, node, text } from './hvs/values.ts';
import { type PlatformDevice, platformDevices } from './platform-devices.ts';
import { templateId } from './secure-boot.ts';

const BOOT_ORDER = ['Optical', 'HardDrive', 'Network', 'Floppy'];

export const deviceNode = (instance: string, ...items: HvsItem[]): HvsNode => node(`_${instance}_`, ...items);

/**
 * @param ide the controllers of the IDE device
 * @param notes gets what cannot be said in the file
 */
export function renderPlatformDevices(
  vm: VmDescription,
  ide: HvsItem[],
  stateFile: string,
  notes: string[],
): HvsNode[] {
  const own: Record<string, HvsItem[]> = {
    [DEVICE.bios]: firmware(vm, notes),
    [DEVICE.ide]: ide,
    [DEVICE.floppy]: [node('controller0', node('drive0', text('pathname', ''), text('type', 'VFD')))],
    [DEVICE.serial]: [node('port0', text('connection', '')), node('port1', text('connection', ''))],
    [DEVICE.guestInterface]: [bool('Enabled', false)],
    [DEVICE.videoS3]: [text('address', '5353,00000000,00')],
    [DEVICE.video]: [int('HorizontalResolution', 1920), int('ResolutionType', 4), int('VerticalResolution', 1200)],
    [DEVICE.guestState]: [
      text('StateFilePath', stateFile),
      bool('UseTransient', false),
      bool('FileIsPlatformManaged', true),
    ],
  };
  return platformDevices(vm.generation)
    .filter(hasSettings)
    .sort((a, b) => (a.guid < b.guid ? -1 : 1))
    .map(({ guid, version }) => deviceNode(guid, ...(own[guid] ?? []), int('VDEVVersion', version)));
}

const hasSettings = (device: PlatformDevice): device is PlatformDevice & { version: number } =>
  device.version !== undefined;

function firmware(vm: VmDescription, notes: string[]): HvsItem[] {
  const serial = derivedSerial(vm.id);
  if (vm.generation === 2 && vm.bootOrder) {
    notes.push('The boot order of a VM of generation 2 is kept in its firmware variables, not in this file.');
  }
  const order = vm.generation === 1 ? (vm.bootOrder ?? BOOT_ORDER) : BOOT_ORDER;
  return [
    node('base_board', text('serial_number', serial)),
    text('bios_guid', `{${derivedGuid(vm.id, 'bios')}}`),
    text('bios_serial_number', serial),
    node('boot', ...order.map((name, index) => text(`device${index}`, name))),
    node('chassis', text('asset_tag', serial), text('serial_number', serial)),
    bool('num_lock', false),
    node('nvram'),
    bool('pause_after_boot_failure', false),
    int('pxe_preferred_protocol', 4),
    bool('secure_boot_enabled', vm.generation === 2 && vm.secureBoot === true),
    text('secure_boot_template_id', secureBootTemplate(vm, notes).toUpperCase()),
  ];
}

function secureBootTemplate({ generation, secureBootTemplate: name }: VmDescription, notes: string[]): string {
  if (generation === 1 || name === undefined) return NIL_GUID;
  const id = templateId(name);
  if (!id) notes.push(`The id of the secure boot template "${name}" is not known: none was written.`);
  return id ?? NIL_GUID;
}

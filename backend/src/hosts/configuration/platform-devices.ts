/**
 * The devices every VM has, in the order of the manifest: as Hyper-V lists them for VMs of generation 1 and 2,
 * configuration version 9.0 (observed).
 */
import { DEVICE } from './devices.ts';

export interface PlatformDevice {
  /** Its type, which is its instance too. */
  guid: string;
  name: string;
  /** Version of the device's settings; absent for devices that have none. */
  version?: number;
  /** Absent: in both. */
  generation?: 1 | 2;
}

const device = (guid: string, name: string, version?: number, generation?: 1 | 2): PlatformDevice => ({
  guid,
  name: `Microsoft ${name}`,
  ...(version === undefined ? {} : { version }),
  ...(generation === undefined ? {} : { generation }),
});

const DEVICES: PlatformDevice[] = [
  device('d41a1872-3740-41ce-a1ee-4522ab82f991', 'VmBus', 771),
  device('9edd1639-9bca-40dc-b3a2-07c828da60b5', 'Emulated PIC', undefined, 1),
  device('72682fc4-040a-430a-be0b-224574b953fe', 'Emulated IoAPIC'),
  device('84535fad-4d98-4a6a-bdcd-21d5720dc430', 'Emulated PCI Bus', undefined, 1),
  device('4d42d9f7-6531-4f6c-9e46-1f0477876104', 'Emulated ISA Bus', undefined, 1),
  device('db8b9818-b4bb-4725-b99d-b4612716b6b4', 'Emulated Power Management Device'),
  device(DEVICE.bios, 'Virtual BIOS', 2048),
  device(DEVICE.clock, 'Emulated Real Time Clock', 512),
  device('de6cdc86-e1fb-4940-801b-c3c1a26c4da4', 'Input Management Device', 256),
  device('9cb98db1-4d09-4538-a192-2d3d8c0b6cdb', 'Rdp Encoder'),
  device('ba8735ef-e3a9-4f1b-badd-dbf3a5909915', 'Video Monitor'),
  device('e3c82929-edb4-475e-85a4-29aaa2a30c2d', 'Dynamic Memory Controller', 512),
  device('4d46d139-7821-4dc4-98a3-01e98a586a44', 'Emulated Speaker Device', undefined, 1),
  device('35b0b12f-a0d7-482f-80a0-f52f1ab3da2e', 'Emulated SuperIo Device', undefined, 1),
  device('a28e4d02-3323-4148-9569-565930a5cb39', 'Emulated PIT', undefined, 1),
  device('655bc5c5-a784-46b7-81bc-e26328f7eb0e', 'Emulated I8042 Controller', 512, 1),
  device('87045ce9-5323-438f-93bb-1e83dcbce18e', 'Emulated DMA Controller', undefined, 1),
  device(DEVICE.videoS3, 'Emulated Video S3', 512, 1),
  device(DEVICE.floppy, 'Emulated Floppy Controller', 256, 1),
  device(DEVICE.serial, 'Emulated Serial Controller', 512),
  device(DEVICE.ide, 'Emulated IDE Controller', 1792, 1),
  device('deaeeed3-4119-4b44-95cf-a73604b76971', 'Synthetic Debug Device'),
  device('9ed5fd4b-40c3-4de3-8597-98ecd17035da', 'Synthetic Rdp Device'),
  device(DEVICE.guestState, 'Guest Runtime State', 256),
  device('58f75a6d-d949-4320-99e1-a2a2576d581c', 'Synthetic Mouse', 512),
  device('197f74e3-b84b-46de-8ae6-82f1cd181cdc', 'Synthetic Keyboard', 256),
  device(DEVICE.video, 'Synthetic Video', 768),
  device('bc12c717-8898-4688-8ee4-2cd14894f8ea', 'Hyper-V Activation Component'),
  device(DEVICE.tpm, 'Virtual TPM Device', 512, 2),
  device(DEVICE.guestInterface, 'Guest Interface Component', 256),
  device('84eaae65-2f2e-45f5-9bb5-0e857dc8eb47', 'Heartbeat Component', 256),
  device('2a34b1c2-fd73-4043-8a5b-dd2159bc743f', 'Key-Value Pair Exchange Component', 256),
  device('9f8233ac-be49-4c79-8ee3-e7e1985b2077', 'Shutdown Component', 256),
  device('2497f4de-e9fa-4204-80e4-4b75c46419c0', 'Time Synchronization Component', 256),
  device('5ced1297-4598-4915-a5fc-ad21bb4d02a4', 'VSS Component', 512),
  device('6c5addb9-a11a-4e8e-84cb-e6208201db63', 'RDV Component', 512),
];

/** In the order of the manifest. */
export const platformDevices = (generation: 1 | 2): PlatformDevice[] =>
  DEVICES.filter((entry) => entry.generation === undefined || entry.generation === generation);

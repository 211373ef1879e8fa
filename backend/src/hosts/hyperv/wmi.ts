/**
 * What the helper answers, as WMI has it: properties of `root\virtualization\v2` under their own names with a small
 * first letter. Read leniently: what a version of Windows does not have is absent.
 */
import * as z from 'zod';

const text = z.string().nullish();
const texts = z
  .union([z.array(z.string().nullable()), z.string()])
  .nullish()
  .transform((value) => (value == null ? [] : [value].flat().filter((item) => item !== null)));
const number = z.number().nullish();
const numbers = z
  .union([z.array(z.number()), z.number()])
  .nullish()
  .transform((value) => (value == null ? [] : [value].flat()));
const flag = z.boolean().nullish();

/** Msvm_ComputerSystem, Msvm_PlannedComputerSystem. */
export const WmiSystem = z.object({
  name: z.string(),
  elementName: z.string(),
  enabledState: number,
  operationalStatus: numbers,
});
export type WmiSystem = z.infer<typeof WmiSystem>;

/** Msvm_VirtualSystemSettingData. */
export const WmiSettings = z.object({
  instanceID: z.string(),
  elementName: z.string(),
  virtualSystemIdentifier: text,
  virtualSystemType: text,
  virtualSystemSubType: text,
  version: text,
  notes: texts,
  creationTime: text,
  configurationDataRoot: text,
  configurationFile: text,
  snapshotDataRoot: text,
  bootOrder: numbers,
  secureBootEnabled: flag,
  secureBootTemplateId: text,
});
export type WmiSettings = z.infer<typeof WmiSettings>;

/** Anything that Msvm_VirtualSystemSettingDataComponent leads to; `path` is its object path. */
export const WmiComponent = z.object({
  className: z.string(),
  path: z.string(),
  instanceID: z.string(),
  elementName: text,
  resourceType: number,
  resourceSubType: text,
  parent: text,
  address: text,
  addressOnParent: text,
  hostResource: texts,
  persistentReservationsSupported: flag,
  /** The snapshot within a VHD set that is attached; empty for the set's current state, and for other disks. */
  snapshotId: text,
  virtualQuantity: number,
  dynamicMemoryEnabled: flag,
  reservation: number,
  limit: number,
  tpmEnabled: flag,
  staticMacAddress: flag,
  lastKnownSwitchName: text,
  enabledState: number,
});
export type WmiComponent = z.infer<typeof WmiComponent>;

const components = z.array(WmiComponent);
/** What hangs on a drive, of any VM or checkpoint: `Microsoft:GUID\\…` shows whose it is. */
const Storage = z.object({ instanceID: z.string(), hostResource: texts });
export const SystemListing = z.object({
  systems: z.array(z.object({ system: WmiSystem, settings: WmiSettings })),
  storage: z.array(Storage).default([]),
});
export const SystemAnswer = z.object({ system: WmiSystem, settings: WmiSettings, components, lastApplied: text });
export type SystemAnswer = z.infer<typeof SystemAnswer>;
export const Snapshot = z.object({ settings: WmiSettings, components });
export type Snapshot = z.infer<typeof Snapshot>;
export const SnapshotListing = z.object({ snapshots: z.array(Snapshot), others: z.array(WmiSettings) });
export type SnapshotListing = z.infer<typeof SnapshotListing>;
export const SnapshotAnswer = z.object({ snapshot: Snapshot.nullable(), named: z.boolean().optional() });

const failure = z.object({ code: z.string(), message: z.string(), advice: z.string().optional() });
export const DiskFacts = z.object({
  path: z.string(),
  format: z.enum(['vhd', 'vhdx', 'vhds']).nullish(),
  /** Virtual size and sector sizes, bytes. */
  size: z.number().optional(),
  blockSize: z.number().optional(),
  logicalSectorSize: z.number().optional(),
  physicalSectorSize: z.number().optional(),
  diskId: z.string().optional(),
  error: failure.optional(),
});
export type DiskFacts = z.infer<typeof DiskFacts>;
export const DiskFactsAnswer = z.object({ disks: z.array(DiskFacts) });

/** Msvm_VHDSetInformation and Msvm_VHDSnapshotInformation. */
export const VhdSetAnswer = z.object({
  path: z.string(),
  paths: texts,
  snapshotIds: texts,
  snapshots: z.array(z.object({ id: z.string(), path: text, parents: texts, rctId: text })),
});

export const TrackingAnswer = z.object({
  disks: z.array(z.object({ path: z.string(), enabled: flag, mostRecentId: text, error: failure.optional() })),
});

export const WmiReferencePoint = z.object({
  instanceID: z.string(),
  virtualSystemIdentifier: text,
  consistencyLevel: number,
  virtualDiskIdentifiers: texts,
  resilientChangeTrackingIdentifiers: texts,
});
export type WmiReferencePoint = z.infer<typeof WmiReferencePoint>;
export const ReferencePointListing = z.object({ referencePoints: z.array(WmiReferencePoint) });
export const ConversionAnswer = z.object({ referencePoint: WmiReferencePoint });

export const ConfigurationAnswer = z.object({
  dataRoot: z.string(),
  file: z.string(),
  guestStateRoot: z.string(),
  guestStateFile: z.string(),
});
export const HostDefaults = z.object({ virtualHardDiskPath: z.string(), externalDataRoot: z.string() });
/** Msvm_VirtualEthernetSwitch: `name` is its id, `elementName` the name people know it by. */
export const SwitchListing = z.object({
  switches: z.array(z.object({ name: z.string(), elementName: z.string(), path: z.string() })),
});
export const PlannedAnswer = z.object({ vmId: z.string() });
export const PrerequisiteAnswer = z.object({
  elevated: z.boolean().nullish(),
  vss: z.object({ enabledState: number, operationalStatus: numbers }).nullish(),
  groups: texts,
  volumes: z.array(z.object({ name: text, freeSpace: number, capacity: number, fileSystem: text })),
});

export const ExportAbilities = z.object({ excludesDisks: z.boolean() });
export const ExportEnd = z.object({ ended: z.boolean() });
export const AttachedAnswer = z.object({ size: z.number(), sectorSize: z.number() });

export const ChangePage = z.union([
  z.object({ refused: z.literal('length') }),
  z.object({ ranges: z.string(), processed: z.number() }),
  z.object({ ranges: z.string(), next: z.number(), total: z.number(), size: z.number() }),
]);

const INSTANCE_PREFIX = 'Microsoft:';

/** `Microsoft:GUID` → the GUID as we write it. */
export const settingsId = (instanceId: string): string =>
  (instanceId.startsWith(INSTANCE_PREFIX) ? instanceId.slice(INSTANCE_PREFIX.length) : instanceId).toLowerCase();

/** What identifies a component within its VM: the part of its InstanceID behind the VM's or checkpoint's own id. */
export function locationOf(instanceId: string): string {
  const slash = instanceId.indexOf('\\');
  return (slash < 0 ? instanceId : instanceId.slice(slash + 1)).toLowerCase();
}

/** The VM or checkpoint that a component belongs to, by its InstanceID. */
export const ownerOf = (instanceId: string): string => settingsId(instanceId.split('\\')[0]!);

/** An object path without the server, in one case: how `Parent` is compared with the path of what it names. */
export const pathKey = (objectPath: string): string => objectPath.slice(objectPath.indexOf(':') + 1).toLowerCase();

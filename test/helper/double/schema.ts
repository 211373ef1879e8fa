/**
 * Declarations of the WMI classes that the double knows: names, types and keys as Microsoft documents them for
 * root\virtualization\v2 (win32 HyperV_v2 pages). Standing of behaviours: see docs/hyperv.md.
 */
type CimType =
  | 'String'
  | 'Boolean'
  | 'UInt8'
  | 'UInt16'
  | 'UInt32'
  | 'UInt64'
  | 'DateTime'
  | 'Reference'
  | `${'String' | 'UInt16' | 'UInt32' | 'UInt64' | 'Reference'}Array`;

interface MethodDeclaration {
  in: Record<string, CimType>;
  out: Record<string, CimType>;
}

export interface ClassDeclaration {
  keys: string[];
  properties: Record<string, CimType>;
  methods?: Record<string, MethodDeclaration>;
}

const text = (...names: string[]) => Object.fromEntries(names.map((name) => [name, 'String' as const]));

const setting = text('InstanceID', 'Caption', 'Description', 'ElementName');
const resource: Record<string, CimType> = {
  ...setting,
  ResourceType: 'UInt16',
  ...text('OtherResourceType', 'ResourceSubType', 'PoolID', 'AllocationUnits', 'Parent', 'Address', 'AddressOnParent'),
  ConsumerVisibility: 'UInt16',
  HostResource: 'StringArray',
  VirtualQuantity: 'UInt64',
  Reservation: 'UInt64',
  Limit: 'UInt64',
  Weight: 'UInt32',
  AutomaticAllocation: 'Boolean',
  AutomaticDeallocation: 'Boolean',
  Connection: 'StringArray',
  MappingBehavior: 'UInt16',
  VirtualQuantityUnits: 'String',
};
const system: Record<string, CimType> = {
  ...text('CreationClassName', 'Name', 'ElementName', 'Caption', 'Description'),
  EnabledState: 'UInt16',
  OperationalStatus: 'UInt16Array',
  HealthState: 'UInt16',
};
const service: Record<string, CimType> = text(
  'SystemCreationClassName',
  'SystemName',
  'CreationClassName',
  'Name',
  'ElementName',
);
const serviceKeys = ['CreationClassName', 'Name', 'SystemCreationClassName', 'SystemName'];
const job = { Job: 'Reference' as const };

/** Of Msvm_VirtualSystemExportSettingData, since Windows 10 1709. */
export const SINCE_1709 = ['DisableDifferentialOfIgnoredStorage', 'ExcludedVirtualHardDisks'];
/**
 * The host is older: its exports cannot leave disks out (documented). Not to be changed while a helper runs, which
 * remembers what classes have.
 */
export const BEFORE_1709 = process.env.WMI_DOUBLE_BEFORE_1709 === '1';

export const CLASSES: Record<string, ClassDeclaration> = {
  Msvm_ComputerSystem: { keys: ['CreationClassName', 'Name'], properties: system },
  Msvm_PlannedComputerSystem: { keys: ['CreationClassName', 'Name'], properties: system },
  Msvm_VirtualSystemSettingData: {
    keys: ['InstanceID'],
    properties: {
      ...setting,
      ...text('VirtualSystemIdentifier', 'VirtualSystemType', 'VirtualSystemSubType', 'Version', 'ConfigurationID'),
      ...text(
        'ConfigurationDataRoot',
        'ConfigurationFile',
        'SnapshotDataRoot',
        'SwapFileDataRoot',
        'GuestStateDataRoot',
      ),
      ...text('GuestStateFile', 'SecureBootTemplateId', 'Parent', 'BIOSGUID'),
      Notes: 'StringArray',
      CreationTime: 'DateTime',
      BootOrder: 'UInt16Array',
      BootSourceOrder: 'StringArray',
      SecureBootEnabled: 'Boolean',
      VirtualNumaEnabled: 'Boolean',
      UserSnapshotType: 'UInt16',
    },
  },
  Msvm_MemorySettingData: { keys: ['InstanceID'], properties: { ...resource, DynamicMemoryEnabled: 'Boolean' } },
  Msvm_ProcessorSettingData: { keys: ['InstanceID'], properties: resource },
  Msvm_SecuritySettingData: {
    keys: ['InstanceID'],
    properties: { ...setting, TpmEnabled: 'Boolean', ShieldingRequested: 'Boolean' },
  },
  Msvm_ResourceAllocationSettingData: { keys: ['InstanceID'], properties: resource },
  Msvm_StorageAllocationSettingData: {
    keys: ['InstanceID'],
    properties: {
      ...resource,
      PersistentReservationsSupported: 'Boolean',
      SnapshotId: 'String',
      CachingMode: 'UInt16',
    },
  },
  Msvm_SyntheticEthernetPortSettingData: {
    keys: ['InstanceID'],
    properties: { ...resource, StaticMacAddress: 'Boolean' },
  },
  Msvm_EthernetPortAllocationSettingData: {
    keys: ['InstanceID'],
    properties: { ...resource, LastKnownSwitchName: 'String', EnabledState: 'UInt16' },
  },
  Msvm_VirtualEthernetSwitch: { keys: ['CreationClassName', 'Name'], properties: system },
  Msvm_VirtualSystemReferencePoint: {
    keys: ['InstanceID'],
    properties: {
      ...setting,
      VirtualSystemIdentifier: 'String',
      ReferencePointType: 'UInt16',
      ConsistencyLevel: 'UInt16',
      HasAssociatedData: 'Boolean',
      VirtualDiskIdentifiers: 'StringArray',
      ResilientChangeTrackingIdentifiers: 'StringArray',
    },
  },
  Msvm_VirtualSystemSnapshotSettingData: {
    keys: ['InstanceID'],
    properties: {
      ...setting,
      ConsistencyLevel: 'UInt16',
      GuestBackupType: 'UInt16',
      IgnoreNonSnapshottableDisks: 'Boolean',
    },
  },
  Msvm_VirtualSystemExportSettingData: {
    keys: ['InstanceID'],
    properties: {
      ...setting,
      CaptureLiveState: 'UInt8',
      CopySnapshotConfiguration: 'UInt8',
      CopyVmRuntimeInformation: 'Boolean',
      CopyVmStorage: 'Boolean',
      CreateVmExportSubdirectory: 'Boolean',
      SnapshotVirtualSystem: 'String',
      BackupIntent: 'UInt8',
      ExportForLiveMigration: 'Boolean',
      DisableDifferentialOfIgnoredStorage: 'Boolean',
      ExcludedVirtualHardDisks: 'StringArray',
      DifferentialBackupBase: 'String',
    },
  },
  Msvm_AllocationCapabilities: {
    keys: ['InstanceID'],
    properties: { ...setting, ResourceType: 'UInt16', ResourceSubType: 'String' },
  },
  Msvm_VirtualSystemCollection: { keys: ['CollectionID'], properties: text('CollectionID', 'ElementName') },
  Msvm_SnapshotCollection: { keys: ['CollectionID'], properties: text('CollectionID', 'ElementName') },
  Msvm_ReferencePointCollection: {
    keys: ['CollectionID'],
    properties: { ...text('CollectionID', 'ElementName', 'VirtualSystemCollectionId'), ReferencePointType: 'UInt16' },
  },
  Msvm_VHDSetInformation: {
    keys: [],
    properties: { Path: 'String', SnapshotIdList: 'StringArray', AllPaths: 'StringArray' },
  },
  Msvm_VHDSnapshotInformation: {
    keys: [],
    properties: {
      ...text('FilePath', 'SnapshotId', 'SnapshotPath', 'ResilientChangeTrackingId'),
      ParentPathsList: 'StringArray',
      CreationTime: 'DateTime',
    },
  },
  Msvm_VssComponent: {
    keys: ['DeviceID'],
    properties: {
      ...text('DeviceID', 'ElementName'),
      EnabledState: 'UInt16',
      OperationalStatus: 'UInt16Array',
      StatusDescriptions: 'StringArray',
    },
  },
  Msvm_ConcreteJob: {
    keys: ['InstanceID'],
    properties: {
      ...text('InstanceID', 'Caption', 'JobStatus', 'ErrorDescription', 'ErrorSummaryDescription', 'ElementName'),
      JobState: 'UInt16',
      ErrorCode: 'UInt16',
      PercentComplete: 'UInt16',
      Cancellable: 'Boolean',
    },
    methods: {
      GetErrorEx: { in: {}, out: { Errors: 'StringArray' } },
      RequestStateChange: { in: { RequestedState: 'UInt16', TimeoutPeriod: 'DateTime' }, out: {} },
    },
  },
  Msvm_VirtualSystemManagementServiceSettingData: {
    keys: ['InstanceID'],
    properties: { ...setting, ...text('DefaultVirtualHardDiskPath', 'DefaultExternalDataRoot') },
  },
  Msvm_VirtualSystemSnapshotService: {
    keys: serviceKeys,
    properties: service,
    methods: {
      CreateSnapshot: {
        in: {
          AffectedSystem: 'Reference',
          SnapshotSettings: 'String',
          SnapshotType: 'UInt16',
          ResultingSnapshot: 'Reference',
        },
        out: { ResultingSnapshot: 'Reference', ...job },
      },
      DestroySnapshot: { in: { AffectedSnapshot: 'Reference' }, out: job },
      ConvertToReferencePoint: {
        in: { AffectedSnapshot: 'Reference', ReferencePointSettings: 'String', ResultingReferencePoint: 'Reference' },
        out: { ResultingReferencePoint: 'Reference', ...job },
      },
    },
  },
  Msvm_VirtualSystemReferencePointService: {
    keys: serviceKeys,
    properties: service,
    methods: { DestroyReferencePoint: { in: { AffectedReferencePoint: 'Reference' }, out: job } },
  },
  Msvm_ImageManagementService: {
    keys: serviceKeys,
    properties: service,
    methods: {
      GetVirtualHardDiskSettingData: { in: { Path: 'String' }, out: { SettingData: 'String', ...job } },
      GetVHDSetInformation: {
        in: { VHDSetPath: 'String', AdditionalInformation: 'UInt32Array' },
        out: { Information: 'String', ...job },
      },
      GetVHDSnapshotInformation: {
        in: { VHDSetPath: 'String', SnapshotIds: 'StringArray', AdditionalInformation: 'UInt32Array' },
        out: { SnapshotInformation: 'StringArray', ...job },
      },
      GetVirtualDiskChanges: {
        in: {
          Path: 'String',
          LimitId: 'String',
          TargetSnapshotId: 'String',
          ByteOffset: 'UInt64',
          ByteLength: 'UInt64',
        },
        out: {
          ProcessedByteLength: 'UInt64',
          ChangedByteOffsets: 'UInt64Array',
          ChangedByteLengths: 'UInt64Array',
          ...job,
        },
      },
    },
  },
  Msvm_VirtualSystemManagementService: {
    keys: serviceKeys,
    properties: service,
    methods: {
      ModifySystemSettings: { in: { SystemSettings: 'String' }, out: job },
      ModifyResourceSettings: {
        in: { ResourceSettings: 'StringArray' },
        out: { ResultingResourceSettings: 'ReferenceArray', ...job },
      },
      AddResourceSettings: {
        in: { AffectedConfiguration: 'Reference', ResourceSettings: 'StringArray' },
        out: { ResultingResourceSettings: 'ReferenceArray', ...job },
      },
      RemoveResourceSettings: { in: { ResourceSettings: 'ReferenceArray' }, out: job },
      DefinePlannedSystem: {
        in: { SystemSettings: 'String', ResourceSettings: 'StringArray', ReferenceConfiguration: 'Reference' },
        out: { ResultingSystem: 'Reference', ...job },
      },
      ImportSystemDefinition: {
        in: { SystemDefinitionFile: 'String', SnapshotFolder: 'String', GenerateNewSystemIdentifier: 'Boolean' },
        out: { ImportedSystem: 'Reference', ...job },
      },
      ValidatePlannedSystem: { in: { PlannedSystem: 'Reference' }, out: job },
      RealizePlannedSystem: { in: { PlannedSystem: 'Reference' }, out: { ResultingSystem: 'Reference', ...job } },
      ExportSystemDefinition: {
        in: { ComputerSystem: 'Reference', ExportDirectory: 'String', ExportSettingData: 'String' },
        out: job,
      },
      DestroySystem: { in: { AffectedSystem: 'Reference' }, out: job },
    },
  },
};

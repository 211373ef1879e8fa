using System;
using System.Runtime.InteropServices;
using System.Threading;

namespace HyperVBackup
{
    /// <summary>
    /// The functions, structures and constants of virtdisk.dll as Windows declares them (virtdisk.h). Nothing here judges
    /// a result. Layouts are those of a 64-bit process: the union in a structure with a 64-bit member begins at offset 8.
    /// docs/hyperv.md has the source of each one; the tests compare sizes and offsets with a C compiler's.
    /// </summary>
    internal static class VirtDiskNative
    {
        internal const string VirtDiskDll = "virtdisk.dll";
        internal const string KernelDll = "kernel32.dll";

        internal const uint DeviceUnknown = 0;
        internal const uint DeviceVhd = 2;
        internal const uint DeviceVhdx = 3;
        internal const uint DeviceVhdSet = 4;

        /// <summary>VIRTUAL_STORAGE_TYPE_VENDOR_MICROSOFT</summary>
        internal static readonly Guid VendorMicrosoft = new Guid("EC984AEC-A0F9-47e9-901F-71415A66345B");

        internal const uint OpenVersion1 = 1;
        internal const uint OpenVersion2 = 2;
        internal const uint OpenVersion3 = 3;

        internal const uint AccessNone = 0;
        internal const uint AccessGetInfo = 0x80000;
        internal const uint AccessMetaOps = 0x200000;

        internal const uint AttachVersion1 = 1;
        internal const uint AttachReadOnly = 1;
        internal const uint AttachNoDriveLetter = 2;
        internal const uint AttachNoLocalHost = 8;

        internal const uint InfoSize = 1;
        internal const uint InfoIdentifier = 2;
        internal const uint InfoParentLocation = 3;
        internal const uint InfoParentIdentifier = 4;
        internal const uint InfoStorageType = 6;
        internal const uint InfoProviderSubtype = 7;
        internal const uint InfoPhysicalSectorSize = 10;
        internal const uint InfoIsLoaded = 13;
        internal const uint InfoVirtualDiskId = 14;
        internal const uint InfoChangeTrackingState = 15;

        /// <summary>Where the union of GET_VIRTUAL_DISK_INFO begins; its members' offsets follow from it.</summary>
        internal const int InfoUnion = 8;
        internal const int ParentPathOffset = 12;
        internal const int NewerChangesOffset = 12;
        internal const int MostRecentIdOffset = 16;

        internal const uint SetInfoChangeTracking = 6;
        internal const uint MergeVersion1 = 1;
        internal const uint MergeVersion2 = 2;

        internal const uint ApplyWritable = 1;
        internal const uint DeletePersistRct = 1;
        internal const uint ModifySnapshotPath = 1;
        internal const uint ModifyRemoveSnapshot = 2;
        internal const uint ModifyDefaultPath = 3;

        [StructLayout(LayoutKind.Sequential)]
        internal struct VIRTUAL_STORAGE_TYPE
        {
            public uint DeviceId;
            public Guid VendorId;
        }

        /// <summary>Versions 1 to 3 in one; Windows reads as much as the version says.</summary>
        [StructLayout(LayoutKind.Explicit, Size = 44)]
        internal struct OPEN_VIRTUAL_DISK_PARAMETERS
        {
            [FieldOffset(0)] public uint Version;
            [FieldOffset(4)] public uint RWDepth;
            [FieldOffset(4)] public int GetInfoOnly;
            [FieldOffset(8)] public int ReadOnly;
            [FieldOffset(12)] public Guid ResiliencyGuid;
            [FieldOffset(28)] public Guid SnapshotId;
        }

        /// <summary>
        /// Version 1 has nothing but a reserved zero, at offset 4 in old headers and 8 in new ones (version 2 brought
        /// 64-bit members): all zero serves both.
        /// </summary>
        [StructLayout(LayoutKind.Explicit, Size = 24)]
        internal struct ATTACH_VIRTUAL_DISK_PARAMETERS
        {
            [FieldOffset(0)] public uint Version;
        }

        [StructLayout(LayoutKind.Explicit, Size = 32)]
        internal struct SET_VIRTUAL_DISK_INFO
        {
            [FieldOffset(0)] public uint Version;
            [FieldOffset(8)] public int ChangeTrackingEnabled;
        }

        [StructLayout(LayoutKind.Explicit, Size = 12)]
        internal struct MERGE_VIRTUAL_DISK_PARAMETERS
        {
            [FieldOffset(0)] public uint Version;
            [FieldOffset(4)] public uint MergeDepth;
            [FieldOffset(4)] public uint MergeSourceDepth;
            [FieldOffset(8)] public uint MergeTargetDepth;
        }

        /// <summary>Only its size is used: pages are arrays of ulong, three for each range.</summary>
        [StructLayout(LayoutKind.Sequential)]
        internal struct QUERY_CHANGES_VIRTUAL_DISK_RANGE
        {
            public ulong ByteOffset;
            public ulong ByteLength;
            public ulong Reserved;
        }

        [StructLayout(LayoutKind.Sequential)]
        internal struct VIRTUAL_DISK_PROGRESS
        {
            public uint OperationStatus;
            public ulong CurrentValue;
            public ulong CompletionValue;
        }

        /// <summary>Version 1 of TAKE_SNAPSHOT_VHDSET_PARAMETERS and DELETE_SNAPSHOT_VHDSET_PARAMETERS, which are alike.</summary>
        [StructLayout(LayoutKind.Sequential)]
        internal struct SNAPSHOT_VHDSET_PARAMETERS
        {
            public uint Version;
            public Guid SnapshotId;
        }

        [StructLayout(LayoutKind.Sequential)]
        internal struct APPLY_SNAPSHOT_VHDSET_PARAMETERS
        {
            public uint Version;
            public Guid SnapshotId;
            public Guid LeafSnapshotId;
        }

        [StructLayout(LayoutKind.Explicit, Size = 32)]
        internal struct MODIFY_VHDSET_PARAMETERS
        {
            [FieldOffset(0)] public uint Version;
            [FieldOffset(8)] public Guid SnapshotId;
            [FieldOffset(8)] public IntPtr DefaultFilePath;
            [FieldOffset(24)] public IntPtr SnapshotFilePath;
        }

        [DllImport(VirtDiskDll, CharSet = CharSet.Unicode, ExactSpelling = true)]
        [DefaultDllImportSearchPaths(DllImportSearchPath.System32)]
        internal static extern uint OpenVirtualDisk(ref VIRTUAL_STORAGE_TYPE storageType, string path, uint accessMask,
            uint flags, ref OPEN_VIRTUAL_DISK_PARAMETERS parameters, out IntPtr handle);

        [DllImport(VirtDiskDll, ExactSpelling = true)]
        [DefaultDllImportSearchPaths(DllImportSearchPath.System32)]
        internal static extern uint GetVirtualDiskInformation(VirtDiskHandle handle, ref uint size, IntPtr info,
            out uint sizeUsed);

        [DllImport(VirtDiskDll, ExactSpelling = true)]
        [DefaultDllImportSearchPaths(DllImportSearchPath.System32)]
        internal static extern uint SetVirtualDiskInformation(VirtDiskHandle handle, ref SET_VIRTUAL_DISK_INFO info);

        [DllImport(VirtDiskDll, CharSet = CharSet.Unicode, ExactSpelling = true)]
        [DefaultDllImportSearchPaths(DllImportSearchPath.System32)]
        internal static extern uint QueryChangesVirtualDisk(VirtDiskHandle handle, string changeTrackingId, ulong byteOffset,
            ulong byteLength, uint flags, [In, Out] ulong[] ranges, ref uint rangeCount, out ulong processedLength);

        [DllImport(VirtDiskDll, ExactSpelling = true)]
        [DefaultDllImportSearchPaths(DllImportSearchPath.System32)]
        internal static extern uint AttachVirtualDisk(VirtDiskHandle handle, IntPtr securityDescriptor, uint flags,
            uint providerFlags, ref ATTACH_VIRTUAL_DISK_PARAMETERS parameters, IntPtr overlapped);

        [DllImport(VirtDiskDll, ExactSpelling = true)]
        [DefaultDllImportSearchPaths(DllImportSearchPath.System32)]
        internal static extern uint DetachVirtualDisk(VirtDiskHandle handle, uint flags, uint providerFlags);

        [DllImport(VirtDiskDll, ExactSpelling = true)]
        [DefaultDllImportSearchPaths(DllImportSearchPath.System32)]
        internal static extern uint GetVirtualDiskPhysicalPath(VirtDiskHandle handle, ref uint sizeInBytes, IntPtr path);

        [DllImport(VirtDiskDll, ExactSpelling = true)]
        [DefaultDllImportSearchPaths(DllImportSearchPath.System32)]
        internal static extern uint MergeVirtualDisk(VirtDiskHandle handle, uint flags,
            ref MERGE_VIRTUAL_DISK_PARAMETERS parameters, IntPtr overlapped);

        [DllImport(VirtDiskDll, ExactSpelling = true)]
        [DefaultDllImportSearchPaths(DllImportSearchPath.System32)]
        internal static extern uint GetVirtualDiskOperationProgress(VirtDiskHandle handle, IntPtr overlapped,
            out VIRTUAL_DISK_PROGRESS progress);

        [DllImport(VirtDiskDll, ExactSpelling = true)]
        [DefaultDllImportSearchPaths(DllImportSearchPath.System32)]
        internal static extern uint TakeSnapshotVhdSet(VirtDiskHandle handle, ref SNAPSHOT_VHDSET_PARAMETERS parameters,
            uint flags);

        [DllImport(VirtDiskDll, ExactSpelling = true)]
        [DefaultDllImportSearchPaths(DllImportSearchPath.System32)]
        internal static extern uint DeleteSnapshotVhdSet(VirtDiskHandle handle, ref SNAPSHOT_VHDSET_PARAMETERS parameters,
            uint flags);

        [DllImport(VirtDiskDll, ExactSpelling = true)]
        [DefaultDllImportSearchPaths(DllImportSearchPath.System32)]
        internal static extern uint ApplySnapshotVhdSet(VirtDiskHandle handle, ref APPLY_SNAPSHOT_VHDSET_PARAMETERS parameters,
            uint flags);

        [DllImport(VirtDiskDll, ExactSpelling = true)]
        [DefaultDllImportSearchPaths(DllImportSearchPath.System32)]
        internal static extern uint ModifyVhdSet(VirtDiskHandle handle, ref MODIFY_VHDSET_PARAMETERS parameters, uint flags);

        [DllImport(KernelDll, ExactSpelling = true, SetLastError = true)]
        [DefaultDllImportSearchPaths(DllImportSearchPath.System32)]
        internal static extern int CloseHandle(IntPtr handle);

        [DllImport(KernelDll, ExactSpelling = true, SetLastError = true)]
        [DefaultDllImportSearchPaths(DllImportSearchPath.System32)]
        internal static extern IntPtr CreateEventW(IntPtr attributes, int manualReset, int initialState, IntPtr name);

        [DllImport(KernelDll, ExactSpelling = true, SetLastError = true)]
        [DefaultDllImportSearchPaths(DllImportSearchPath.System32)]
        internal static extern int ReadFile(VirtDiskHandle handle, IntPtr buffer, uint length, IntPtr bytesRead,
            IntPtr overlapped);

        [DllImport(KernelDll, ExactSpelling = true, SetLastError = true)]
        [DefaultDllImportSearchPaths(DllImportSearchPath.System32)]
        internal static extern int GetOverlappedResult(VirtDiskHandle handle, IntPtr overlapped, out uint bytes, int wait);

        /// <summary>Allocates an OVERLAPPED that stays where it is, with an event of its own. Free it with FreeOverlapped.</summary>
        internal static IntPtr NewOverlapped(out IntPtr eventHandle)
        {
            eventHandle = CreateEventW(IntPtr.Zero, 1, 0, IntPtr.Zero);
            if (eventHandle == IntPtr.Zero)
                throw VirtDiskException.FromCode("CreateEvent", null, (uint)Marshal.GetLastWin32Error());
            IntPtr overlapped = Marshal.AllocHGlobal(Marshal.SizeOf(typeof(NativeOverlapped)));
            SetOverlapped(overlapped, eventHandle, 0);
            return overlapped;
        }

        /// <summary>Writes the OVERLAPPED anew for an operation at this offset.</summary>
        internal static void SetOverlapped(IntPtr overlapped, IntPtr eventHandle, ulong offset)
        {
            NativeOverlapped value = new NativeOverlapped();
            value.EventHandle = eventHandle;
            value.OffsetLow = unchecked((int)(uint)(offset & 0xFFFFFFFF));
            value.OffsetHigh = unchecked((int)(uint)(offset >> 32));
            Marshal.StructureToPtr(value, overlapped, false);
        }

        internal static void FreeOverlapped(IntPtr overlapped, IntPtr eventHandle)
        {
            Marshal.FreeHGlobal(overlapped);
            CloseHandle(eventHandle);
        }
    }
}

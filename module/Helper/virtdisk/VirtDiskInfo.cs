using System;
using System.Globalization;
using System.Runtime.InteropServices;

namespace HyperVBackup
{
    /// <summary>What GetVirtualDiskInformation says of a disk. Sizes in bytes. What a format does not have is null.</summary>
    public sealed class VirtDiskInfo
    {
        private const int FirstBuffer = 1024;
        private const int LargestBuffer = 1 << 20;

        public string Path { get; private set; }

        public ulong VirtualSize { get; private set; }

        public ulong PhysicalSize { get; private set; }

        public uint BlockSize { get; private set; }

        public uint SectorSize { get; private set; }

        public uint? PhysicalSectorSize { get; private set; }

        /// <summary>Changes with every write session of a VHDX: not what distinguishes disks.</summary>
        public Guid Identifier { get; private set; }

        /// <summary>Stays for the disk's life: this shows whether it is the same disk.</summary>
        public Guid? VirtualDiskId { get; private set; }

        /// <summary>2 VHD, 3 VHDX, 4 VHD set (VIRTUAL_STORAGE_TYPE_DEVICE).</summary>
        public uint Device { get; private set; }

        /// <summary>2 fixed, 3 dynamic, 4 differencing.</summary>
        public uint ProviderSubtype { get; private set; }

        public bool? IsLoaded { get; private set; }

        public bool ParentResolved { get; private set; }

        /// <summary>The parent; when it is not resolved, all places where it was looked for. Empty without a parent.</summary>
        public string[] ParentPaths { get; private set; }

        public Guid? ParentIdentifier { get; private set; }

        /// <summary>Whether change tracking is on; null where the format or this Windows has none.</summary>
        public bool? TrackingEnabled { get; private set; }

        /// <summary>Whether the disk changed since MostRecentId was sealed.</summary>
        public bool NewerChanges { get; private set; }

        /// <summary>The newest RCT id; null when there is none.</summary>
        public string MostRecentId { get; private set; }

        public bool IsDifferencing
        {
            get { return ProviderSubtype == 4; }
        }

        /// <summary>Sizes only: all that queries and reads need, and all that a disk must have.</summary>
        internal static VirtDiskInfo ReadSizes(VirtDiskHandle handle)
        {
            VirtDiskInfo info = new VirtDiskInfo();
            info.Path = handle.Path;
            info.ParentPaths = new string[0];
            Demand(handle, VirtDiskNative.InfoSize, 24, delegate(IntPtr data, int size)
            {
                info.VirtualSize = Unsigned64(data, 0);
                info.PhysicalSize = Unsigned64(data, 8);
                info.BlockSize = Unsigned32(data, 16);
                info.SectorSize = Unsigned32(data, 20);
            });
            return info;
        }

        internal static VirtDiskInfo Read(VirtDiskHandle handle)
        {
            VirtDiskInfo info = ReadSizes(handle);
            Demand(handle, VirtDiskNative.InfoStorageType, 20, delegate(IntPtr d, int s) { info.Device = Unsigned32(d, 0); });
            Demand(handle, VirtDiskNative.InfoProviderSubtype, 4, delegate(IntPtr d, int s) { info.ProviderSubtype = Unsigned32(d, 0); });
            Ask(handle, VirtDiskNative.InfoIdentifier, 16, delegate(IntPtr d, int s) { info.Identifier = Id(d); });
            Ask(handle, VirtDiskNative.InfoVirtualDiskId, 16, delegate(IntPtr d, int s) { info.VirtualDiskId = Id(d); });
            Ask(handle, VirtDiskNative.InfoPhysicalSectorSize, 4, delegate(IntPtr d, int s) { info.PhysicalSectorSize = Unsigned32(d, 0); });
            Ask(handle, VirtDiskNative.InfoIsLoaded, 4, delegate(IntPtr d, int s) { info.IsLoaded = Unsigned32(d, 0) != 0; });
            if (info.IsDifferencing) info.ReadParent(handle);
            info.ReadTracking(handle);
            return info;
        }

        private void ReadParent(VirtDiskHandle handle)
        {
            Demand(handle, VirtDiskNative.InfoParentLocation, 6, delegate(IntPtr data, int size)
            {
                ParentResolved = Unsigned32(data, 0) != 0;
                ParentPaths = NativeText.ReadList(data, VirtDiskNative.ParentPathOffset - VirtDiskNative.InfoUnion, size);
            });
            if (ParentPaths.Length == 0) ParentResolved = false;
            Ask(handle, VirtDiskNative.InfoParentIdentifier, 16, delegate(IntPtr d, int s) { ParentIdentifier = Id(d); });
        }

        private void ReadTracking(VirtDiskHandle handle)
        {
            uint code = Get(handle, VirtDiskNative.InfoChangeTrackingState, 10, delegate(IntPtr data, int size)
            {
                TrackingEnabled = Unsigned32(data, 0) != 0;
                NewerChanges = Unsigned32(data, VirtDiskNative.NewerChangesOffset - VirtDiskNative.InfoUnion) != 0;
                string id = NativeText.Read(data, VirtDiskNative.MostRecentIdOffset - VirtDiskNative.InfoUnion, size);
                MostRecentId = id.Length == 0 ? null : id;
            });
            // A disk that is not tracked yet may report that with an error instead of a state.
            if (VirtDiskErrors.MeansUntracked(code)) TrackingEnabled = false;
            else if (!Absent(code)) VirtDisk.Check(Operation(VirtDiskNative.InfoChangeTrackingState), handle.Path, code);
        }

        /// <summary>
        /// Asks for one kind of information. Several are longer than their declaration, so the buffer begins at 1 KiB and grows
        /// on ERROR_INSUFFICIENT_BUFFER, to the size that Windows then names or to the double.
        /// </summary>
        /// <param name="least">bytes of the union that must be there</param>
        /// <param name="use">gets the union and its length, when Windows has answered</param>
        /// <returns>Windows' code</returns>
        private static uint Get(VirtDiskHandle handle, uint version, int least, Action<IntPtr, int> use)
        {
            string operation = Operation(version);
            uint size = FirstBuffer;
            for (;;)
            {
                int capacity = (int)size;
                IntPtr buffer = Marshal.AllocHGlobal(capacity);
                try
                {
                    for (int at = 0; at < capacity; at += 4) Marshal.WriteInt32(buffer, at, 0);
                    Marshal.WriteInt32(buffer, 0, (int)version);
                    uint used = 0;
                    uint code = VirtDisk.Call(operation, handle.Path, delegate
                    {
                        return VirtDiskNative.GetVirtualDiskInformation(handle, ref size, buffer, out used);
                    });
                    if (code == VirtDiskErrors.InsufficientBuffer && capacity < LargestBuffer)
                    {
                        size = size > capacity && size <= LargestBuffer ? (size + 3) & ~3u : (uint)capacity * 2;
                        continue;
                    }
                    if (code != VirtDiskErrors.Success) return code;
                    // SizeUsed is trusted only to be less than the buffer; the zeroed rest ends a text that lacks its zero.
                    int valid = used >= VirtDiskNative.InfoUnion + least && used <= capacity ? (int)used : capacity;
                    use(new IntPtr(buffer.ToInt64() + VirtDiskNative.InfoUnion), valid - VirtDiskNative.InfoUnion);
                    return code;
                }
                finally
                {
                    Marshal.FreeHGlobal(buffer);
                }
            }
        }

        /// <summary>Asks for what every disk has.</summary>
        private static void Demand(VirtDiskHandle handle, uint version, int least, Action<IntPtr, int> use)
        {
            VirtDisk.Check(Operation(version), handle.Path, Get(handle, version, least, use));
        }

        /// <summary>Asks for what a disk, or this Windows, may not have.</summary>
        private static void Ask(VirtDiskHandle handle, uint version, int least, Action<IntPtr, int> use)
        {
            uint code = Get(handle, version, least, use);
            if (!Absent(code)) VirtDisk.Check(Operation(version), handle.Path, code);
        }

        private static bool Absent(uint code)
        {
            return code == VirtDiskErrors.NotSupported || code == VirtDiskErrors.InvalidParameter || code == VirtDiskErrors.InvalidType;
        }

        private static string Operation(uint version)
        {
            return "GetVirtualDiskInformation(" + version.ToString(CultureInfo.InvariantCulture) + ")";
        }

        private static uint Unsigned32(IntPtr data, int offset)
        {
            return unchecked((uint)Marshal.ReadInt32(data, offset));
        }

        private static ulong Unsigned64(IntPtr data, int offset)
        {
            return unchecked((ulong)Marshal.ReadInt64(data, offset));
        }

        private static Guid Id(IntPtr data)
        {
            byte[] bytes = new byte[16];
            Marshal.Copy(data, bytes, 0, 16);
            return new Guid(bytes);
        }
    }
}

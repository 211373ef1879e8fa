using System;
using System.Collections.Generic;
using System.Runtime.InteropServices;
using System.Threading;

namespace HyperVBackup
{
    /// <summary>
    /// Virtual disks on this host through virtdisk.dll. C# 5 without unsafe code, so that Windows PowerShell 5.1 can compile
    /// it. Paths are data: passed to Windows as they are. Every failure is a VirtDiskException.
    /// </summary>
    public static class VirtDisk
    {
        /// <summary>Chains longer than this are taken for damage. Hyper-V allows 50 checkpoints of a VM.</summary>
        public const int MaxChainLength = 256;

        private const int LongPath = 260;

        /// <summary>Opens to read ids, sizes and tracking state only. The parents are opened too.</summary>
        public static VirtDiskHandle OpenForInfo(string path)
        {
            return OpenVersion2(path, true, true, OpenFlags.None);
        }

        /// <summary>Opens without its parents, for its own ids: works where the chain is incomplete.</summary>
        public static VirtDiskHandle OpenWithoutParents(string path)
        {
            return OpenVersion2(path, true, true, OpenFlags.NoParents);
        }

        /// <summary>Opens read-only: for information, changed ranges, and to attach.</summary>
        public static VirtDiskHandle OpenRead(string path)
        {
            return OpenVersion2(path, false, true, OpenFlags.None);
        }

        /// <summary>Opens a snapshot within a VHD set, read-only.</summary>
        public static VirtDiskHandle OpenSnapshot(string path, Guid snapshotId)
        {
            VirtDiskNative.OPEN_VIRTUAL_DISK_PARAMETERS parameters = new VirtDiskNative.OPEN_VIRTUAL_DISK_PARAMETERS();
            parameters.Version = VirtDiskNative.OpenVersion3;
            parameters.ReadOnly = 1;
            parameters.SnapshotId = snapshotId;
            return Open(path, VirtDiskNative.AccessNone, OpenFlags.None, parameters);
        }

        internal static VirtDiskHandle OpenVersion2(string path, bool infoOnly, bool readOnly, OpenFlags flags)
        {
            VirtDiskNative.OPEN_VIRTUAL_DISK_PARAMETERS parameters = new VirtDiskNative.OPEN_VIRTUAL_DISK_PARAMETERS();
            parameters.Version = VirtDiskNative.OpenVersion2;
            parameters.GetInfoOnly = infoOnly ? 1 : 0;
            parameters.ReadOnly = readOnly ? 1 : 0;
            // A handle of version 2 has its rights from these two; any mask but NONE is refused.
            return Open(path, VirtDiskNative.AccessNone, flags, parameters);
        }

        internal static VirtDiskHandle Open(string path, uint access, OpenFlags flags,
            VirtDiskNative.OPEN_VIRTUAL_DISK_PARAMETERS parameters)
        {
            const string operation = "OpenVirtualDisk";
            string native = NativePath(path);
            if (IntPtr.Size != 8)
                throw VirtDiskException.FromFinding(operation, path, "NOT_SUPPORTED", "this is a 32-bit PowerShell",
                    "Run the 64-bit one: Hyper-V hosts have it in System32.");
            // Unknown device and vendor: Windows goes by the file's extension (Microsoft's samples). What has another
            // extension, as an .avhdx may for an old Windows, is then asked for by format.
            VirtDiskNative.VIRTUAL_STORAGE_TYPE type = new VirtDiskNative.VIRTUAL_STORAGE_TYPE();
            IntPtr handle = IntPtr.Zero;
            uint code = Call(operation, path, delegate
            {
                return VirtDiskNative.OpenVirtualDisk(ref type, native, access, (uint)flags, ref parameters, out handle);
            });
            if (code == VirtDiskErrors.ProviderNotFound)
            {
                type.DeviceId = DeviceByExtension(path);
                type.VendorId = VirtDiskNative.VendorMicrosoft;
                code = Call(operation, path, delegate
                {
                    return VirtDiskNative.OpenVirtualDisk(ref type, native, access, (uint)flags, ref parameters, out handle);
                });
            }
            // On failure the handle's value is undefined (documented): only now may it be owned.
            Check(operation, path, code);
            return new VirtDiskHandle(handle, path);
        }

        /// <summary>What Windows says of the disk. Opens and closes it.</summary>
        public static VirtDiskInfo GetInfo(string path)
        {
            using (VirtDiskHandle handle = OpenForInfo(path)) return VirtDiskInfo.Read(handle);
        }

        public static VirtDiskInfo GetInfo(VirtDiskHandle handle)
        {
            return VirtDiskInfo.Read(handle);
        }

        /// <summary>
        /// The disk and its parents, leaf first. Each link is opened by itself, so the answer has what could be found.
        /// Throws DISK_PARENT_MISSING with the places that Windows would look at when a parent is not there.
        /// </summary>
        public static VirtDiskInfo[] GetChain(string path)
        {
            List<VirtDiskInfo> chain = new List<VirtDiskInfo>();
            string next = path;
            while (next != null)
            {
                if (chain.Count == MaxChainLength)
                    throw VirtDiskException.FromFinding("GetChain", path, "DISK_CORRUPT",
                        "the chain of differencing disks has no end", "Check the parents of the disk (Get-VHD).");
                VirtDiskInfo info;
                using (VirtDiskHandle handle = chain.Count == 0 ? OpenForInfo(next) : OpenWithoutParents(next))
                    info = VirtDiskInfo.Read(handle);
                chain.Add(info);
                if (info.IsDifferencing && !info.ParentResolved)
                    throw VirtDiskException.FromFinding("GetChain", next, "DISK_PARENT_MISSING",
                        "the parent of the differencing disk was not found at " + string.Join(" or ", info.ParentPaths),
                        "Bring the parent back to where it was.");
                next = info.IsDifferencing ? info.ParentPaths[0] : null;
            }
            return chain.ToArray();
        }

        /// <summary>
        /// Switches resilient change tracking on. There is no way to switch it off: that would break the incremental
        /// backups of every other program. The disk must not be attached or in use by a running VM.
        /// </summary>
        public static void EnableChangeTracking(string path)
        {
            using (VirtDiskHandle handle = OpenVersion2(path, false, false, OpenFlags.None))
            {
                VirtDiskNative.SET_VIRTUAL_DISK_INFO info = new VirtDiskNative.SET_VIRTUAL_DISK_INFO();
                info.Version = VirtDiskNative.SetInfoChangeTracking;
                info.ChangeTrackingEnabled = 1;
                Check("SetVirtualDiskInformation", path, Call("SetVirtualDiskInformation", path, delegate
                {
                    return VirtDiskNative.SetVirtualDiskInformation(handle, ref info);
                }));
            }
        }

        /// <summary>What changed since the id was sealed, over the whole disk.</summary>
        public static ChangedRanges QueryChanges(string path, string changeTrackingId)
        {
            return QueryChanges(path, changeTrackingId, null, CancellationToken.None);
        }

        /// <param name="path">the disk file, frozen by a checkpoint</param>
        /// <param name="changeTrackingId">RCT id; opaque</param>
        /// <param name="progress">called after each page with the bytes done and the bytes in all; or null</param>
        /// <param name="cancellation">looked at between pages</param>
        public static ChangedRanges QueryChanges(string path, string changeTrackingId, Action<ulong, ulong> progress,
            CancellationToken cancellation)
        {
            using (VirtDiskHandle handle = OpenRead(path))
                return new ChangeQuery(handle, changeTrackingId).Run(progress, cancellation);
        }

        public static ChangedRanges QueryChanges(VirtDiskHandle handle, string changeTrackingId,
            Action<ulong, ulong> progress, CancellationToken cancellation)
        {
            return new ChangeQuery(handle, changeTrackingId).Run(progress, cancellation);
        }

        /// <summary>
        /// Attaches read-only, without drive letters and without showing the disk to this host: its sectors can then be read
        /// through the handle (VirtDiskReader), and no volume of the guest comes up here. Dispose of the handle detaches.
        /// </summary>
        public static void AttachForReading(VirtDiskHandle handle)
        {
            Attach(handle, VirtDiskNative.AttachReadOnly | VirtDiskNative.AttachNoDriveLetter | VirtDiskNative.AttachNoLocalHost);
        }

        /// <summary>Attaches read-only as a disk of this host, without drive letters: GetPhysicalPath then names it.</summary>
        public static void AttachAsLocalDisk(VirtDiskHandle handle)
        {
            Attach(handle, VirtDiskNative.AttachReadOnly | VirtDiskNative.AttachNoDriveLetter);
        }

        private static void Attach(VirtDiskHandle handle, uint flags)
        {
            VirtDiskNative.ATTACH_VIRTUAL_DISK_PARAMETERS parameters = new VirtDiskNative.ATTACH_VIRTUAL_DISK_PARAMETERS();
            parameters.Version = VirtDiskNative.AttachVersion1;
            Check("AttachVirtualDisk", handle.Path, Call("AttachVirtualDisk", handle.Path, delegate
            {
                return VirtDiskNative.AttachVirtualDisk(handle, IntPtr.Zero, flags, 0, ref parameters, IntPtr.Zero);
            }));
            handle.Attached = true;
        }

        /// <summary>Detaches what this handle attached.</summary>
        public static void Detach(VirtDiskHandle handle)
        {
            Check("DetachVirtualDisk", handle.Path, Call("DetachVirtualDisk", handle.Path, delegate
            {
                return VirtDiskNative.DetachVirtualDisk(handle, 0, 0);
            }));
            handle.Attached = false;
        }

        /// <summary>\\.\PhysicalDriveN of an attached disk.</summary>
        public static string GetPhysicalPath(VirtDiskHandle handle)
        {
            const string operation = "GetVirtualDiskPhysicalPath";
            uint size = 1024;
            for (;;)
            {
                uint capacity = size;
                IntPtr buffer = Marshal.AllocHGlobal((int)capacity + 2);
                try
                {
                    uint code = Call(operation, handle.Path, delegate
                    {
                        return VirtDiskNative.GetVirtualDiskPhysicalPath(handle, ref size, buffer);
                    });
                    if (code == VirtDiskErrors.InsufficientBuffer && capacity < 65536)
                    {
                        if (size <= capacity || size > 65536) size = capacity * 2;
                        continue;
                    }
                    Check(operation, handle.Path, code);
                    return NativeText.Read(buffer, 0, (int)capacity);
                }
                finally
                {
                    Marshal.FreeHGlobal(buffer);
                }
            }
        }

        /// <summary>
        /// The path as Windows takes it: from 260 characters on, a drive or UNC path gets the prefix for long paths. Such a path
        /// must be whole (no ".." or forward slashes), because Windows takes it literally.
        /// </summary>
        public static string NativePath(string path)
        {
            if (string.IsNullOrEmpty(path) || path.IndexOf('\0') >= 0)
                throw VirtDiskException.FromCode("OpenVirtualDisk", path == null ? null : path.Replace("\0", "\\0"), 123);
            if (path.Length < LongPath || path.StartsWith(@"\\?\", StringComparison.Ordinal)
                || path.StartsWith(@"\\.\", StringComparison.Ordinal)) return path;
            if (path.StartsWith(@"\\", StringComparison.Ordinal)) return @"\\?\UNC\" + path.Substring(2);
            bool drive = path.Length > 2 && path[1] == ':' && path[2] == '\\';
            return drive ? @"\\?\" + path : path;
        }

        private static uint DeviceByExtension(string path)
        {
            int dot = path.LastIndexOf('.');
            string extension = dot < 0 ? "" : path.Substring(dot + 1).ToUpperInvariant();
            if (extension == "VHD" || extension == "AVHD") return VirtDiskNative.DeviceVhd;
            if (extension == "VHDS") return VirtDiskNative.DeviceVhdSet;
            return VirtDiskNative.DeviceVhdx;
        }

        /// <summary>Calls a function of the library; a Windows that lacks it is an error like any other.</summary>
        internal static uint Call(string operation, string path, Func<uint> function)
        {
            try
            {
                return function();
            }
            catch (EntryPointNotFoundException)
            {
                throw VirtDiskException.FromFinding(operation, path, "NOT_SUPPORTED",
                    "this version of Windows does not have the function", "Windows Server 2016, Windows 10, or newer is needed.");
            }
            catch (DllNotFoundException)
            {
                throw NoLibrary(operation, path);
            }
            catch (ArgumentNullException error)
            {
                // PowerShell 7's own search for native libraries trips over types that Add-Type keeps in memory.
                if (error.ParamName != "path1") throw;
                throw NoLibrary(operation, path);
            }
        }

        private static VirtDiskException NoLibrary(string operation, string path)
        {
            return VirtDiskException.FromFinding(operation, path, "NOT_SUPPORTED", "virtdisk.dll was not found",
                "Run this on a Windows host with Hyper-V.");
        }

        internal static void Check(string operation, string path, uint code)
        {
            if (code != VirtDiskErrors.Success) throw VirtDiskException.FromCode(operation, path, code);
        }
    }

    /// <summary>OPEN_VIRTUAL_DISK_FLAG, as far as it is used.</summary>
    [Flags]
    internal enum OpenFlags : uint
    {
        None = 0,
        NoParents = 1,
        VhdSetFileOnly = 0x40
    }
}

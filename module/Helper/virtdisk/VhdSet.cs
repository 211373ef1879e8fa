using System;
using System.Runtime.InteropServices;

namespace HyperVBackup
{
    /// <summary>
    /// Snapshots within a VHD set (.vhds). virtdisk.dll can make, delete, apply and re-point them, but cannot list them: the
    /// list comes from Msvm_ImageManagementService (GetVHDSetInformation, GetVHDSnapshotInformation); a snapshot that is known
    /// by its id is looked at with VirtDisk.OpenSnapshot. Microsoft marks these functions as pre-release documentation.
    /// </summary>
    public static class VhdSet
    {
        /// <summary>Makes a snapshot with this id.</summary>
        public static void TakeSnapshot(string path, Guid snapshotId)
        {
            VirtDiskNative.SNAPSHOT_VHDSET_PARAMETERS parameters = Snapshot(snapshotId);
            using (VirtDiskHandle handle = OpenSet(path))
                Check("TakeSnapshotVhdSet", path, delegate
                {
                    return VirtDiskNative.TakeSnapshotVhdSet(handle, ref parameters, 0);
                });
        }

        /// <summary>Deletes a snapshot.</summary>
        /// <param name="keepReferencePoint">whether its change tracking stays, as base of the next incremental backup</param>
        public static void DeleteSnapshot(string path, Guid snapshotId, bool keepReferencePoint)
        {
            VirtDiskNative.SNAPSHOT_VHDSET_PARAMETERS parameters = Snapshot(snapshotId);
            uint flags = keepReferencePoint ? VirtDiskNative.DeletePersistRct : 0;
            using (VirtDiskHandle handle = OpenSet(path))
                Check("DeleteSnapshotVhdSet", path, delegate
                {
                    return VirtDiskNative.DeleteSnapshotVhdSet(handle, ref parameters, flags);
                });
        }

        /// <summary>Brings the set back to a snapshot.</summary>
        /// <param name="leafSnapshotId">id for the state that is left; Guid.Empty to drop it</param>
        public static void ApplySnapshot(string path, Guid snapshotId, Guid leafSnapshotId, bool writable)
        {
            VirtDiskNative.APPLY_SNAPSHOT_VHDSET_PARAMETERS parameters = new VirtDiskNative.APPLY_SNAPSHOT_VHDSET_PARAMETERS();
            parameters.Version = 1;
            parameters.SnapshotId = snapshotId;
            parameters.LeafSnapshotId = leafSnapshotId;
            using (VirtDiskHandle handle = OpenSet(path))
                Check("ApplySnapshotVhdSet", path, delegate
                {
                    return VirtDiskNative.ApplySnapshotVhdSet(handle, ref parameters, writable ? VirtDiskNative.ApplyWritable : 0);
                });
        }

        /// <summary>Records in the set where the file of a snapshot is.</summary>
        public static void SetSnapshotPath(string path, Guid snapshotId, string snapshotFile)
        {
            VirtDiskNative.MODIFY_VHDSET_PARAMETERS parameters = new VirtDiskNative.MODIFY_VHDSET_PARAMETERS();
            parameters.Version = VirtDiskNative.ModifySnapshotPath;
            parameters.SnapshotId = snapshotId;
            Modify(path, parameters, snapshotFile);
        }

        /// <summary>Records in the set where the file of its current state is.</summary>
        public static void SetDefaultPath(string path, string file)
        {
            VirtDiskNative.MODIFY_VHDSET_PARAMETERS parameters = new VirtDiskNative.MODIFY_VHDSET_PARAMETERS();
            parameters.Version = VirtDiskNative.ModifyDefaultPath;
            Modify(path, parameters, file);
        }

        /// <summary>Removes the entry of a snapshot whose file is lost.</summary>
        public static void RemoveSnapshotEntry(string path, Guid snapshotId)
        {
            VirtDiskNative.MODIFY_VHDSET_PARAMETERS parameters = new VirtDiskNative.MODIFY_VHDSET_PARAMETERS();
            parameters.Version = VirtDiskNative.ModifyRemoveSnapshot;
            parameters.SnapshotId = snapshotId;
            Modify(path, parameters, null);
        }

        private static void Modify(string path, VirtDiskNative.MODIFY_VHDSET_PARAMETERS parameters, string file)
        {
            IntPtr text = file == null ? IntPtr.Zero : Marshal.StringToHGlobalUni(VirtDisk.NativePath(file));
            try
            {
                if (parameters.Version == VirtDiskNative.ModifySnapshotPath) parameters.SnapshotFilePath = text;
                if (parameters.Version == VirtDiskNative.ModifyDefaultPath) parameters.DefaultFilePath = text;
                using (VirtDiskHandle handle = OpenSet(path))
                    Check("ModifyVhdSet", path, delegate { return VirtDiskNative.ModifyVhdSet(handle, ref parameters, 0); });
            }
            finally
            {
                Marshal.FreeHGlobal(text);
            }
        }

        /// <summary>Opens the set itself, without a disk of it, for writing.</summary>
        private static VirtDiskHandle OpenSet(string path)
        {
            return VirtDisk.OpenVersion2(path, false, false, OpenFlags.VhdSetFileOnly);
        }

        private static VirtDiskNative.SNAPSHOT_VHDSET_PARAMETERS Snapshot(Guid snapshotId)
        {
            VirtDiskNative.SNAPSHOT_VHDSET_PARAMETERS parameters = new VirtDiskNative.SNAPSHOT_VHDSET_PARAMETERS();
            parameters.Version = 1;
            parameters.SnapshotId = snapshotId;
            return parameters;
        }

        private static void Check(string operation, string path, Func<uint> function)
        {
            VirtDisk.Check(operation, path, VirtDisk.Call(operation, path, function));
        }
    }
}

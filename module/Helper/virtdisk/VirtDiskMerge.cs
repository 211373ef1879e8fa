using System;
using System.Threading;

namespace HyperVBackup
{
    /// <summary>
    /// Merges differencing disks into their parents with MergeVirtualDisk, for disks of our own (the files of a backup). A
    /// VM's checkpoints are merged by Hyper-V alone.
    /// </summary>
    public static class VirtDiskMerge
    {
        private const string Operation = "MergeVirtualDisk";

        /// <summary>
        /// Merges the disk into its parents, as many as the depth says. Afterwards the merged children are no longer valid; their
        /// files stay. A merge that was cut short can be run again.
        /// </summary>
        /// <param name="progress">called a few times a second with the work done and in all, in units of Windows; or null</param>
        public static void IntoParent(string path, int depth, Action<ulong, ulong> progress)
        {
            if (depth < 1 || depth >= VirtDisk.MaxChainLength) throw new ArgumentOutOfRangeException("depth");
            VirtDiskNative.OPEN_VIRTUAL_DISK_PARAMETERS open = new VirtDiskNative.OPEN_VIRTUAL_DISK_PARAMETERS();
            open.Version = VirtDiskNative.OpenVersion1;
            // Documented: the depth that is open for writing must be greater than the depth of the merge.
            open.RWDepth = (uint)depth + 1;
            VirtDiskNative.MERGE_VIRTUAL_DISK_PARAMETERS merge = new VirtDiskNative.MERGE_VIRTUAL_DISK_PARAMETERS();
            merge.Version = VirtDiskNative.MergeVersion1;
            merge.MergeDepth = (uint)depth;
            uint access = VirtDiskNative.AccessMetaOps | VirtDiskNative.AccessGetInfo;
            using (VirtDiskHandle handle = VirtDisk.Open(path, access, OpenFlags.None, open)) Run(handle, merge, progress);
        }

        /// <summary>Merges the links between two depths of the chain; the leaf is at depth 1.</summary>
        public static void Between(string path, int sourceDepth, int targetDepth, Action<ulong, ulong> progress)
        {
            if (sourceDepth < 1) throw new ArgumentOutOfRangeException("sourceDepth");
            if (targetDepth <= sourceDepth || targetDepth > VirtDisk.MaxChainLength) throw new ArgumentOutOfRangeException("targetDepth");
            VirtDiskNative.MERGE_VIRTUAL_DISK_PARAMETERS merge = new VirtDiskNative.MERGE_VIRTUAL_DISK_PARAMETERS();
            merge.Version = VirtDiskNative.MergeVersion2;
            merge.MergeSourceDepth = (uint)sourceDepth;
            merge.MergeTargetDepth = (uint)targetDepth;
            using (VirtDiskHandle handle = VirtDisk.OpenVersion2(path, false, false, OpenFlags.None)) Run(handle, merge, progress);
        }

        private static void Run(VirtDiskHandle handle, VirtDiskNative.MERGE_VIRTUAL_DISK_PARAMETERS merge,
            Action<ulong, ulong> progress)
        {
            IntPtr done;
            IntPtr overlapped = IntPtr.Zero;
            VirtDisk.Call(Operation, handle.Path, delegate
            {
                overlapped = VirtDiskNative.NewOverlapped(out done);
                try
                {
                    uint code = VirtDiskNative.MergeVirtualDisk(handle, 0, ref merge, overlapped);
                    if (code == VirtDiskErrors.IoPending) code = Wait(handle, overlapped, progress);
                    VirtDisk.Check(Operation, handle.Path, code);
                    return 0;
                }
                finally
                {
                    VirtDiskNative.FreeOverlapped(overlapped, done);
                }
            });
        }

        private static uint Wait(VirtDiskHandle handle, IntPtr overlapped, Action<ulong, ulong> progress)
        {
            for (;;)
            {
                VirtDiskNative.VIRTUAL_DISK_PROGRESS state;
                uint code = VirtDiskNative.GetVirtualDiskOperationProgress(handle, overlapped, out state);
                if (code != VirtDiskErrors.Success) return Failed(handle, overlapped, code);
                if (progress != null) progress(state.CurrentValue, state.CompletionValue);
                if (state.OperationStatus != VirtDiskErrors.IoPending) return state.OperationStatus;
                Thread.Sleep(200);
            }
        }

        /// <summary>Progress cannot be had: waits for the merge itself, whose memory must not be freed before.</summary>
        private static uint Failed(VirtDiskHandle handle, IntPtr overlapped, uint code)
        {
            uint bytes;
            return VirtDiskNative.GetOverlappedResult(handle, overlapped, out bytes, 1) != 0 ? VirtDiskErrors.Success : code;
        }
    }
}

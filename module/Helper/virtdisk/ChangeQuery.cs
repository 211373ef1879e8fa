using System;
using System.Globalization;
using System.Threading;

namespace HyperVBackup
{
    /// <summary>
    /// Asks page by page for what changed since an RCT id. The end is the disk's end, never a short or empty page: what was not
    /// processed would be missing from the backup without anybody noticing.
    /// </summary>
    public sealed class ChangeQuery
    {
        public const int DefaultPage = 65536;
        private const string Operation = "QueryChangesVirtualDisk";

        private readonly VirtDiskHandle handle;
        private readonly string id;

        public ChangeQuery(VirtDiskHandle handle, string changeTrackingId)
        {
            if (handle == null) throw new ArgumentNullException("handle");
            this.handle = handle;
            id = changeTrackingId;
            PageSize = DefaultPage;
            Limit = ChangedRanges.DefaultLimit;
        }

        /// <summary>Ranges that fit into one page (24 bytes each).</summary>
        public int PageSize { get; set; }

        /// <summary>Ranges that are kept before near ones are united.</summary>
        public int Limit { get; set; }

        /// <param name="progress">called after each page with the bytes done and the bytes in all; or null</param>
        /// <param name="cancellation">looked at before each page</param>
        public ChangedRanges Run(Action<ulong, ulong> progress, CancellationToken cancellation)
        {
            // An id is opaque, but an empty one, or one that Windows would see cut short at a zero, is of no disk.
            if (string.IsNullOrEmpty(id) || id.IndexOf('\0') >= 0)
                throw VirtDiskException.FromFinding(Operation, handle.Path, "TRACKING_ID_INVALID",
                    "the change tracking id is empty or damaged", "A full backup of this disk is needed.");
            ulong size = VirtDiskInfo.ReadSizes(handle).VirtualSize;
            ChangedRanges result = new ChangedRanges(size, Math.Max(Limit, 16));
            ulong[] page = new ulong[3 * Math.Max(PageSize, 1)];
            ulong longest = size;
            for (ulong offset = 0; offset < size;)
            {
                if (cancellation.IsCancellationRequested) throw VirtDiskException.FromCode(Operation, handle.Path, 1223);
                ulong length = Math.Min(size - offset, longest);
                uint count = (uint)(page.Length / 3);
                ulong processed = 0;
                ulong from = offset;
                uint code = VirtDisk.Call(Operation, handle.Path, delegate
                {
                    return VirtDiskNative.QueryChangesVirtualDisk(handle, id, from, length, 0, page, ref count, out processed);
                });
                // The WMI twin documents its ByteLength as less than the disk's size: where the whole is refused, ask in halves.
                if (code == VirtDiskErrors.InvalidParameter && length == size && size >= 2 * 65536)
                {
                    longest = (size / 2 + 65535) & ~65535UL;
                    continue;
                }
                // Success is documented for a page that is full; ERROR_MORE_DATA means the same where it is given.
                if (code != VirtDiskErrors.MoreData) VirtDisk.Check(Operation, handle.Path, code);
                Examine(offset, length, count, page.Length / 3, processed);
                Take(result, page, count, size);
                result.Pages++;
                offset += processed;
                if (progress != null) progress(offset, size);
            }
            result.Finish();
            return result;
        }

        private void Examine(ulong offset, ulong length, uint count, int capacity, ulong processed)
        {
            if (processed == 0)
                throw Unbelievable("Windows processed nothing of the disk at offset " + Hex(offset));
            if (processed > length)
                throw Unbelievable("Windows processed " + Hex(processed) + " bytes at offset " + Hex(offset) + ", more than the "
                    + Hex(length) + " it was asked for");
            if (count > capacity)
                throw Unbelievable("Windows counts " + count.ToString(CultureInfo.InvariantCulture)
                    + " ranges, more than there was room for, at offset " + Hex(offset));
        }

        private void Take(ChangedRanges result, ulong[] page, uint count, ulong size)
        {
            for (int i = 0; i < count; i++)
            {
                ulong offset = page[3 * i];
                ulong length = page[3 * i + 1];
                if (offset >= size) throw Unbelievable("Windows names a range at " + Hex(offset) + ", behind the disk's end");
                if (length == 0) continue;
                // Granules at the end may reach beyond a size that is no multiple of them.
                result.Add(offset, Math.Min(length, size - offset));
            }
            result.Received += count;
        }

        private VirtDiskException Unbelievable(string what)
        {
            return VirtDiskException.FromFinding(Operation, handle.Path, "TRACKING_INCONSISTENT", what,
                "A full backup of this disk is needed.");
        }

        private static string Hex(ulong value)
        {
            return "0x" + value.ToString("X", CultureInfo.InvariantCulture);
        }
    }
}

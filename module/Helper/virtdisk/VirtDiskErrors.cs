using System;
using System.Collections.Generic;

namespace HyperVBackup
{
    /// <summary>One code of Windows: its name, what it means here, what to do, and our stable code for it.</summary>
    public sealed class VirtDiskError
    {
        private readonly uint code;
        private readonly string symbol;
        private readonly string projectCode;
        private readonly string meaning;
        private readonly string advice;

        internal VirtDiskError(uint code, string symbol, string projectCode, string meaning, string advice)
        {
            this.code = code;
            this.symbol = symbol;
            this.projectCode = projectCode;
            this.meaning = meaning;
            this.advice = advice;
        }

        public uint Code
        {
            get { return code; }
        }

        public string Symbol
        {
            get { return symbol; }
        }

        public string ProjectCode
        {
            get { return projectCode; }
        }

        public string Meaning
        {
            get { return meaning; }
        }

        public string Advice
        {
            get { return advice; }
        }
    }

    /// <summary>
    /// What the functions of virtdisk.dll answer: the whole facility 0x3A of winerror.h, and the Win32 codes that the
    /// documentation names or that file systems give.
    /// </summary>
    public static class VirtDiskErrors
    {
        internal const uint Success = 0;
        internal const uint NotSupported = 50;
        internal const uint InvalidParameter = 87;
        internal const uint InsufficientBuffer = 122;
        internal const uint MoreData = 234;
        internal const uint IoPending = 997;
        internal const uint HandleEof = 38;
        internal const uint ProviderNotFound = 0xC03A0014;
        internal const uint InvalidType = 0xC03A001B;

        private const string Full = "A full backup of this disk is needed; the next one after it can be incremental again.";
        private const string Damaged = "Check the disk file (Test-VHD), and restore it from a backup if the check fails.";
        private const string Chain = "Check that all files of the chain are where they were, with the right names (Get-VHD shows the parent).";
        private const string Retry = "Wait for a merge or another backup to end, then run it again.";
        private const string Rights = "Run it as a member of Administrators or Hyper-V Administrators, elevated.";
        private const string Report = "Please report this with the text of the error: the program should not have asked for it.";
        private const string Storage = "Check the storage that holds the disk file and the event log of the host.";

        private static readonly Dictionary<uint, VirtDiskError> Table = Build();

        /// <summary>All codes of the table, in ascending order.</summary>
        public static VirtDiskError[] All
        {
            get
            {
                List<VirtDiskError> all = new List<VirtDiskError>(Table.Values);
                all.Sort(delegate(VirtDiskError a, VirtDiskError b) { return a.Code.CompareTo(b.Code); });
                return all.ToArray();
            }
        }

        /// <summary>The entry of a code; for a code that is not in the table, one that says so.</summary>
        public static VirtDiskError Find(uint code)
        {
            VirtDiskError found;
            if (Table.TryGetValue(code, out found)) return found;
            return new VirtDiskError(code, "", "IO_ERROR", "Windows gave an error that is not known here", Storage);
        }

        /// <summary>Whether a code says that the disk has no change tracking, rather than that something is wrong with it.</summary>
        internal static bool MeansUntracked(uint code)
        {
            return code == 0xC03A0020 || code == 0xC03A002A || code == 0xC03A0030;
        }

        private static Dictionary<uint, VirtDiskError> Build()
        {
            Dictionary<uint, VirtDiskError> table = new Dictionary<uint, VirtDiskError>();
            AddWindows(table);
            AddFormat(table);
            AddOperation(table);
            AddTracking(table);
            return table;
        }

        private static void Add(Dictionary<uint, VirtDiskError> table, uint code, string symbol, string projectCode,
            string meaning, string advice)
        {
            table.Add(code, new VirtDiskError(code, symbol, projectCode, meaning, advice));
        }

        private static void AddWindows(Dictionary<uint, VirtDiskError> t)
        {
            Add(t, 1, "ERROR_INVALID_FUNCTION", "NOT_SUPPORTED", "this disk or storage does not know the request", "Use another way to read the disk.");
            Add(t, 2, "ERROR_FILE_NOT_FOUND", "FILE_NOT_FOUND", "the disk file does not exist", "Check the path; the disk may have been moved or merged since it was listed.");
            Add(t, 3, "ERROR_PATH_NOT_FOUND", "FILE_NOT_FOUND", "the folder of the disk file does not exist", "Check the path and that its volume or share is there.");
            Add(t, 5, "ERROR_ACCESS_DENIED", "ACCESS_DENIED", "access to the disk file was refused", Rights);
            Add(t, 6, "ERROR_INVALID_HANDLE", "INTERNAL", "the handle is not that of an open virtual disk", Report);
            Add(t, 8, "ERROR_NOT_ENOUGH_MEMORY", "IO_ERROR", "Windows has too little memory for this", "Free memory on the host and run it again.");
            Add(t, 14, "ERROR_OUTOFMEMORY", "IO_ERROR", "Windows has too little memory for this", "Free memory on the host and run it again.");
            Add(t, 19, "ERROR_WRITE_PROTECT", "DISK_READ_ONLY", "the disk or its volume is write-protected", "Choose a place that can be written.");
            Add(t, 21, "ERROR_NOT_READY", "IO_ERROR", "the device is not ready", Storage);
            Add(t, 23, "ERROR_CRC", "IO_ERROR", "the storage could not read the data", Storage);
            Add(t, 31, "ERROR_GEN_FAILURE", "IO_ERROR", "the device does not work", Storage);
            Add(t, 32, "ERROR_SHARING_VIOLATION", "HOST_BUSY", "another program has the disk file open in a way that excludes us", Retry + " On a checkpoint's disk (.avhdx) it can mean that a merge failed.");
            Add(t, 33, "ERROR_LOCK_VIOLATION", "HOST_BUSY", "another program has locked a part of the disk file", Retry);
            Add(t, 38, "ERROR_HANDLE_EOF", "DISK_OUT_OF_RANGE", "the read is behind the end of the disk", Report);
            Add(t, 39, "ERROR_HANDLE_DISK_FULL", "DISK_FULL", "the volume of the disk file is full", "Free space on the volume.");
            Add(t, 50, "ERROR_NOT_SUPPORTED", "NOT_SUPPORTED", "this version of Windows or this kind of disk does not support the request", "Change tracking needs Windows Server 2016, Windows 10, or newer, and a VHDX.");
            Add(t, 53, "ERROR_BAD_NETPATH", "FILE_NOT_FOUND", "the server of the path was not found", "Check the server's name and the network.");
            Add(t, 59, "ERROR_UNEXP_NET_ERR", "IO_ERROR", "the network failed", Storage);
            Add(t, 64, "ERROR_NETNAME_DELETED", "IO_ERROR", "the connection to the share was lost", Storage);
            Add(t, 65, "ERROR_NETWORK_ACCESS_DENIED", "ACCESS_DENIED", "the share refused access", Rights);
            Add(t, 67, "ERROR_BAD_NET_NAME", "FILE_NOT_FOUND", "the share of the path was not found", "Check the share's name.");
            Add(t, 87, "ERROR_INVALID_PARAMETER", "NOT_SUPPORTED", "Windows does not accept a parameter of the request", "This version of Windows may be too old for it; otherwise please report it.");
            Add(t, 112, "ERROR_DISK_FULL", "DISK_FULL", "the volume of the disk file is full", "Free space on the volume.");
            Add(t, 122, "ERROR_INSUFFICIENT_BUFFER", "INTERNAL", "the answer did not fit into the buffer", Report);
            Add(t, 123, "ERROR_INVALID_NAME", "FILE_NOT_FOUND", "the path has characters that cannot be in a file name", "Check the path.");
            Add(t, 161, "ERROR_BAD_PATHNAME", "FILE_NOT_FOUND", "the path is not valid", "Check the path.");
            Add(t, 170, "ERROR_BUSY", "HOST_BUSY", "the disk is in use", Retry);
            Add(t, 206, "ERROR_FILENAME_EXCED_RANGE", "FILE_NOT_FOUND", "the path is too long", "Use a shorter path.");
            Add(t, 234, "ERROR_MORE_DATA", "INTERNAL", "there is more data than fits into the buffer", Report);
            Add(t, 303, "ERROR_DELETE_PENDING", "FILE_NOT_FOUND", "the disk file is being deleted", "It was probably merged; run it again.");
            Add(t, 396, "ERROR_CLOUD_FILE_PROVIDER_TERMINATED", "IO_ERROR", "the cloud provider of the file has ended", Storage);
            Add(t, 483, "ERROR_DEVICE_HARDWARE_ERROR", "IO_ERROR", "the device reports a hardware error", Storage);
            Add(t, 487, "ERROR_INVALID_ADDRESS", "INTERNAL", "Windows does not accept the buffer", Report);
            Add(t, 618, "ERROR_UNSUPPORTED_COMPRESSION", "NOT_SUPPORTED", "the disk file is on a compressed volume or folder", "Switch NTFS compression off for the file.");
            Add(t, 665, "ERROR_FILE_SYSTEM_LIMITATION", "NOT_SUPPORTED", "the file system cannot do this: a share of this same computer cannot be used for a virtual disk", "Give the local path instead of the share's.");
            Add(t, 995, "ERROR_OPERATION_ABORTED", "CANCELLED", "the request was cancelled", "");
            Add(t, 997, "ERROR_IO_PENDING", "INTERNAL", "the request has not ended yet", Report);
            Add(t, 1006, "ERROR_FILE_INVALID", "IO_ERROR", "the volume of the open file has changed", Storage);
            Add(t, 1117, "ERROR_IO_DEVICE", "IO_ERROR", "the storage reported an error", Storage);
            Add(t, 1167, "ERROR_DEVICE_NOT_CONNECTED", "IO_ERROR", "the device is not connected", Storage);
            Add(t, 1168, "ERROR_NOT_FOUND", "IO_ERROR", "what was asked for is not there: the disk is not attached, or it has no such snapshot", "Look at the disk's present state (Get-VHD) and run it again.");
            Add(t, 1223, "ERROR_CANCELLED", "CANCELLED", "the request was cancelled", "");
            Add(t, 1224, "ERROR_USER_MAPPED_FILE", "HOST_BUSY", "another program has the disk file mapped", Retry);
            Add(t, 1231, "ERROR_NETWORK_UNREACHABLE", "IO_ERROR", "the network cannot be reached", Storage);
            Add(t, 1314, "ERROR_PRIVILEGE_NOT_HELD", "ACCESS_DENIED", "the right to manage volumes (SeManageVolumePrivilege) is missing", Rights);
            Add(t, 1392, "ERROR_FILE_CORRUPT", "DISK_CORRUPT", "the disk file is damaged and cannot be read", Damaged);
            Add(t, 1450, "ERROR_NO_SYSTEM_RESOURCES", "IO_ERROR", "Windows has too few resources for this", "Run it again when the host is less busy.");
            Add(t, 4390, "ERROR_NOT_A_REPARSE_POINT", "IO_ERROR", "the file is not a reparse point", Storage);
            Add(t, 5023, "ERROR_INVALID_STATE", "HOST_BUSY", "the disk is not in a state in which this can be done", Retry);
            Add(t, 6000, "ERROR_ENCRYPTION_FAILED", "NOT_SUPPORTED", "the disk file is encrypted (EFS)", "Remove the encryption of the file.");
            Add(t, 6002, "ERROR_FILE_ENCRYPTED", "NOT_SUPPORTED", "the disk file is encrypted (EFS)", "Remove the encryption of the file.");
            Add(t, 0x803A0001, "ERROR_QUERY_STORAGE_ERROR", "IO_ERROR", "the storage part of Hyper-V reported an error", Storage);
        }

        private static void AddFormat(Dictionary<uint, VirtDiskError> t)
        {
            Add(t, 0xC03A0001, "ERROR_VHD_DRIVE_FOOTER_MISSING", "DISK_CORRUPT", "the VHD's footer is missing", Damaged);
            Add(t, 0xC03A0002, "ERROR_VHD_DRIVE_FOOTER_CHECKSUM_MISMATCH", "DISK_CORRUPT", "the checksum of the VHD's footer is wrong", Damaged);
            Add(t, 0xC03A0003, "ERROR_VHD_DRIVE_FOOTER_CORRUPT", "DISK_CORRUPT", "the VHD's footer is damaged", Damaged);
            Add(t, 0xC03A0004, "ERROR_VHD_FORMAT_UNKNOWN", "DISK_FORMAT_UNKNOWN", "the file is not a disk format that Windows knows", "Check that the path is that of a .vhd, .vhdx or .vhds file.");
            Add(t, 0xC03A0005, "ERROR_VHD_FORMAT_UNSUPPORTED_VERSION", "DISK_UNSUPPORTED", "this Windows does not know this version of the format", "Use a host with a newer Windows.");
            Add(t, 0xC03A0006, "ERROR_VHD_SPARSE_HEADER_CHECKSUM_MISMATCH", "DISK_CORRUPT", "the checksum of the dynamic disk's header is wrong", Damaged);
            Add(t, 0xC03A0007, "ERROR_VHD_SPARSE_HEADER_UNSUPPORTED_VERSION", "DISK_UNSUPPORTED", "this Windows does not know this version of the dynamic disk's header", "Use a host with a newer Windows.");
            Add(t, 0xC03A0008, "ERROR_VHD_SPARSE_HEADER_CORRUPT", "DISK_CORRUPT", "the dynamic disk's header is damaged", Damaged);
            Add(t, 0xC03A0009, "ERROR_VHD_BLOCK_ALLOCATION_FAILURE", "DISK_FULL", "no new block could be made in the disk file", "Free space on the volume of the disk file.");
            Add(t, 0xC03A000A, "ERROR_VHD_BLOCK_ALLOCATION_TABLE_CORRUPT", "DISK_CORRUPT", "the block table is damaged", Damaged);
            Add(t, 0xC03A000B, "ERROR_VHD_INVALID_BLOCK_SIZE", "DISK_UNSUPPORTED", "the block size is not allowed", Damaged);
            Add(t, 0xC03A000C, "ERROR_VHD_BITMAP_MISMATCH", "DISK_CORRUPT", "the sector bitmap contradicts the blocks", Damaged);
            Add(t, 0xC03A000D, "ERROR_VHD_PARENT_VHD_NOT_FOUND", "DISK_PARENT_MISSING", "the parent of the differencing disk was not found", Chain);
            Add(t, 0xC03A000E, "ERROR_VHD_CHILD_PARENT_ID_MISMATCH", "DISK_PARENT_MISMATCH", "the parent is not the one that the differencing disk was made for (its id differs)", Chain);
            Add(t, 0xC03A000F, "ERROR_VHD_CHILD_PARENT_TIMESTAMP_MISMATCH", "DISK_PARENT_MISMATCH", "the parent was changed after the differencing disk was made", Chain);
            Add(t, 0xC03A0010, "ERROR_VHD_METADATA_READ_FAILURE", "IO_ERROR", "the metadata could not be read", Storage);
            Add(t, 0xC03A0011, "ERROR_VHD_METADATA_WRITE_FAILURE", "IO_ERROR", "the metadata could not be written", Storage);
            Add(t, 0xC03A0012, "ERROR_VHD_INVALID_SIZE", "DISK_CORRUPT", "the size of the disk is not valid", Damaged);
            Add(t, 0xC03A0013, "ERROR_VHD_INVALID_FILE_SIZE", "DISK_CORRUPT", "the size of the disk file is not valid", Damaged);
            Add(t, 0xC03A0014, "ERROR_VIRTDISK_PROVIDER_NOT_FOUND", "DISK_FORMAT_UNKNOWN", "Windows has no driver for this kind of file", "Check that the file's extension is .vhd, .vhdx, .avhd, .avhdx or .vhds.");
            Add(t, 0xC03A0015, "ERROR_VIRTDISK_NOT_VIRTUAL_DISK", "DISK_FORMAT_UNKNOWN", "this is not a virtual disk", "Check the path.");
            Add(t, 0xC03A0016, "ERROR_VHD_PARENT_VHD_ACCESS_DENIED", "ACCESS_DENIED", "access to the parent disk was refused", Rights);
            Add(t, 0xC03A0017, "ERROR_VHD_CHILD_PARENT_SIZE_MISMATCH", "DISK_PARENT_MISMATCH", "the parent has another size than the differencing disk", Chain);
            Add(t, 0xC03A0018, "ERROR_VHD_DIFFERENCING_CHAIN_CYCLE_DETECTED", "DISK_CORRUPT", "the chain of differencing disks comes back to itself", Chain);
            Add(t, 0xC03A0019, "ERROR_VHD_DIFFERENCING_CHAIN_ERROR_IN_PARENT", "DISK_PARENT_MISSING", "a disk further up the chain could not be opened", Chain);
        }

        private static void AddOperation(Dictionary<uint, VirtDiskError> t)
        {
            Add(t, 0xC03A001A, "ERROR_VIRTUAL_DISK_LIMITATION", "NOT_SUPPORTED", "the disk file is compressed, encrypted or sparse", "Switch these attributes off for the file (compact, cipher, fsutil sparse).");
            Add(t, 0xC03A001B, "ERROR_VHD_INVALID_TYPE", "NOT_SUPPORTED", "this cannot be done with this type of disk", "Change tracking needs a VHDX or a VHD set.");
            Add(t, 0xC03A001C, "ERROR_VHD_INVALID_STATE", "HOST_BUSY", "this cannot be done in the disk's present state", Retry);
            Add(t, 0xC03A001D, "ERROR_VIRTDISK_UNSUPPORTED_DISK_SECTOR_SIZE", "NOT_SUPPORTED", "the sector size of the physical disk is not supported", "Move the disk file to storage with 512-byte or 4-KiB sectors.");
            Add(t, 0xC03A001E, "ERROR_VIRTDISK_DISK_ALREADY_OWNED", "HOST_BUSY", "another program owns the disk", Retry);
            Add(t, 0xC03A001F, "ERROR_VIRTDISK_DISK_ONLINE_AND_WRITABLE", "HOST_BUSY", "the disk must be offline or read-only", "Take the disk offline (Disk Management) and run it again.");
            Add(t, 0xC03A0025, "ERROR_VHD_RESIZE_WOULD_TRUNCATE_DATA", "NOT_SUPPORTED", "the resize would cut off data", "Shrink the guest's partitions first.");
            Add(t, 0xC03A0026, "ERROR_VHD_COULD_NOT_COMPUTE_MINIMUM_VIRTUAL_SIZE", "NOT_SUPPORTED", "the smallest safe size could not be found out", "Check the partition table of the disk.");
            Add(t, 0xC03A0027, "ERROR_VHD_ALREADY_AT_OR_BELOW_MINIMUM_VIRTUAL_SIZE", "NOT_SUPPORTED", "the disk cannot be made smaller safely", "Leave it at its size.");
        }

        /// <summary>The list of changes cannot be had, or is not to be trusted: docs/hyperv.md names these as a broken chain.</summary>
        private static void AddTracking(Dictionary<uint, VirtDiskError> t)
        {
            Add(t, 0xC03A0020, "ERROR_CTLOG_TRACKING_NOT_INITIALIZED", "TRACKING_LOST", "change tracking was never started for this disk", Full);
            Add(t, 0xC03A0021, "ERROR_CTLOG_LOGFILE_SIZE_EXCEEDED_MAXSIZE", "TRACKING_LOST", "the change tracking file has outgrown its limit", Full);
            Add(t, 0xC03A0022, "ERROR_CTLOG_VHD_CHANGED_OFFLINE", "TRACKING_CHANGED_OFFLINE", "the disk was changed while it was not tracked: compacted, resized, or written outside of its VM", Full);
            Add(t, 0xC03A0023, "ERROR_CTLOG_INVALID_TRACKING_STATE", "TRACKING_INCONSISTENT", "change tracking is not in a state in which it can answer", Full);
            Add(t, 0xC03A0024, "ERROR_CTLOG_INCONSISTENT_TRACKING_FILE", "TRACKING_INCONSISTENT", "the change tracking file is damaged", Full);
            Add(t, 0xC03A0028, "ERROR_VHD_METADATA_FULL", "TRACKING_LOST", "the disk file has no room for more tracking metadata", Full + " Old reference points of this VM should be removed.");
            Add(t, 0xC03A0029, "ERROR_VHD_INVALID_CHANGE_TRACKING_ID", "TRACKING_ID_INVALID", "the change tracking id is not valid for this disk", Full);
            Add(t, 0xC03A002A, "ERROR_VHD_CHANGE_TRACKING_DISABLED", "TRACKING_LOST", "change tracking is switched off for this disk", Full);
            Add(t, 0xC03A0030, "ERROR_VHD_MISSING_CHANGE_TRACKING_INFORMATION", "TRACKING_ID_INVALID", "nothing is recorded for this change tracking id: its reference point is gone, or it is another disk's", Full);
        }
    }
}

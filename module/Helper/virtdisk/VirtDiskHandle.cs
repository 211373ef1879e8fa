using System;
using Microsoft.Win32.SafeHandles;

namespace HyperVBackup
{
    /// <summary>
    /// An open virtual disk. Dispose closes it; when it was attached through this handle, Windows detaches it then
    /// (AttachVirtualDisk without PERMANENT_LIFETIME).
    /// </summary>
    public sealed class VirtDiskHandle : SafeHandleZeroOrMinusOneIsInvalid
    {
        private readonly string path;

        internal VirtDiskHandle(IntPtr value, string path)
            : base(true)
        {
            this.path = path;
            SetHandle(value);
        }

        /// <summary>The path as the caller gave it: for messages.</summary>
        public string Path
        {
            get { return path; }
        }

        /// <summary>Whether this handle attached the disk, and has not detached it.</summary>
        public bool Attached { get; internal set; }

        protected override bool ReleaseHandle()
        {
            return VirtDiskNative.CloseHandle(handle) != 0;
        }
    }
}

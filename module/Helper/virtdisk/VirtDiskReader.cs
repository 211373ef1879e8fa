using System;
using System.IO;
using System.Runtime.InteropServices;
using System.Threading;

namespace HyperVBackup
{
    /// <summary>
    /// Reads the sectors of a disk that AttachForReading attached, through its own handle. Offset and length are free: reads are
    /// widened to sectors. Not for several threads at once.
    /// </summary>
    public sealed class VirtDiskReader : IDisposable
    {
        /// <summary>Bytes of one read; a multiple of every sector size.</summary>
        public const int Chunk = 1024 * 1024;

        private const string Operation = "ReadFile";
        private const int Alignment = 4096;

        private readonly VirtDiskHandle handle;
        private readonly ulong size;
        private readonly uint sector;
        private readonly IntPtr memory;
        private readonly IntPtr aligned;
        private readonly IntPtr overlapped;
        private readonly IntPtr done;
        private bool disposed;

        public VirtDiskReader(VirtDiskHandle handle)
        {
            if (handle == null) throw new ArgumentNullException("handle");
            if (!handle.Attached)
                throw VirtDiskException.FromFinding(Operation, handle.Path, "INTERNAL", "the disk is not attached through this handle",
                    "Attach it with AttachForReading first.");
            this.handle = handle;
            VirtDiskInfo info = VirtDiskInfo.ReadSizes(handle);
            size = info.VirtualSize;
            sector = info.SectorSize;
            if (sector < 512 || sector > Alignment || (sector & (sector - 1)) != 0)
                throw VirtDiskException.FromFinding(Operation, handle.Path, "DISK_UNSUPPORTED", "the sector size is " + sector,
                    "Only disks with sectors of 512 to 4096 bytes can be read.");
            overlapped = VirtDiskNative.NewOverlapped(out done);
            memory = Marshal.AllocHGlobal(Chunk + Alignment);
            aligned = new IntPtr((memory.ToInt64() + Alignment - 1) & ~(long)(Alignment - 1));
        }

        /// <summary>Virtual size in bytes.</summary>
        public ulong Size
        {
            get { return size; }
        }

        /// <summary>Fills the buffer's part whole, or throws: DISK_OUT_OF_RANGE when it reaches behind the disk's end.</summary>
        public void Read(ulong offset, byte[] buffer, int start, int count)
        {
            if (disposed) throw new ObjectDisposedException("VirtDiskReader");
            if (buffer == null) throw new ArgumentNullException("buffer");
            if (start < 0 || count < 0 || start > buffer.Length - count) throw new ArgumentOutOfRangeException("count");
            if (offset > size || (ulong)count > size - offset) throw VirtDiskException.FromCode(Operation, handle.Path, VirtDiskErrors.HandleEof);
            while (count > 0)
            {
                ulong first = offset - offset % sector;
                int skip = (int)(offset - first);
                ulong wanted = Math.Min((ulong)Chunk, RoundUp((ulong)skip + (ulong)count));
                wanted = Math.Min(wanted, RoundUp(size - first));
                int got = ReadSectors(first, (uint)wanted) - skip;
                if (got <= 0) throw VirtDiskException.FromCode(Operation, handle.Path, VirtDiskErrors.HandleEof);
                int used = Math.Min(got, count);
                Marshal.Copy(new IntPtr(aligned.ToInt64() + skip), buffer, start, used);
                offset += (ulong)used;
                start += used;
                count -= used;
            }
        }

        /// <summary>Copies a range to a stream.</summary>
        /// <param name="progress">called after each chunk with the bytes done; or null</param>
        public void CopyTo(Stream target, ulong offset, ulong length, Action<ulong> progress, CancellationToken cancellation)
        {
            byte[] buffer = new byte[(int)Math.Min((ulong)Chunk, Math.Max(length, 1))];
            for (ulong copied = 0; copied < length;)
            {
                if (cancellation.IsCancellationRequested) throw VirtDiskException.FromCode(Operation, handle.Path, 1223);
                int count = (int)Math.Min((ulong)buffer.Length, length - copied);
                Read(offset + copied, buffer, 0, count);
                target.Write(buffer, 0, count);
                copied += (ulong)count;
                if (progress != null) progress(copied);
            }
        }

        public void Dispose()
        {
            if (disposed) return;
            disposed = true;
            VirtDiskNative.FreeOverlapped(overlapped, done);
            Marshal.FreeHGlobal(memory);
        }

        private ulong RoundUp(ulong length)
        {
            return (length + sector - 1) / sector * sector;
        }

        /// <summary>One read into the aligned memory. Waits for its end whatever happens: Windows writes into that memory.</summary>
        private int ReadSectors(ulong offset, uint length)
        {
            VirtDiskNative.SetOverlapped(overlapped, done, offset);
            if (VirtDiskNative.ReadFile(handle, aligned, length, IntPtr.Zero, overlapped) == 0)
            {
                uint code = (uint)Marshal.GetLastWin32Error();
                if (code == VirtDiskErrors.HandleEof) return 0;
                if (code != VirtDiskErrors.IoPending) throw VirtDiskException.FromCode(Operation, handle.Path, code);
            }
            uint got;
            if (VirtDiskNative.GetOverlappedResult(handle, overlapped, out got, 1) == 0)
            {
                uint code = (uint)Marshal.GetLastWin32Error();
                if (code == VirtDiskErrors.HandleEof) return 0;
                throw VirtDiskException.FromCode(Operation, handle.Path, code);
            }
            return (int)Math.Min(got, length);
        }
    }
}

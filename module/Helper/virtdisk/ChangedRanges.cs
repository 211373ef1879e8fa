using System;
using System.IO;

namespace HyperVBackup
{
    /// <summary>
    /// Ranges of a disk, kept packed: pairs of offset and length in bytes, ascending, neither overlapping nor touching. They
    /// leave as bytes too (16 for each range, little-endian), because an object for each would cost PowerShell seconds.
    /// </summary>
    public sealed class ChangedRanges
    {
        /// <summary>Above this many, near neighbours are united: a list of 64 MiB covers any disk well enough.</summary>
        public const int DefaultLimit = 4 * 1024 * 1024;

        private readonly int limit;
        private ulong[] pairs = new ulong[2048];
        private int count;
        private bool ordered = true;
        private ulong gap = 32 * 1024;

        internal ChangedRanges(ulong virtualSize, int limit)
        {
            VirtualSize = virtualSize;
            this.limit = limit;
        }

        public int Count
        {
            get { return count; }
        }

        public ulong VirtualSize { get; private set; }

        /// <summary>Calls of QueryChangesVirtualDisk that it took.</summary>
        public int Pages { get; internal set; }

        /// <summary>Ranges as Windows gave them, before touching ones were united.</summary>
        public long Received { get; internal set; }

        /// <summary>Whether ranges were united that did not touch, to keep the list short: it then names too much, never too little.</summary>
        public bool Coarsened { get; private set; }

        public ulong ChangedBytes
        {
            get
            {
                ulong sum = 0;
                for (int i = 0; i < count; i++) sum += pairs[2 * i + 1];
                return sum;
            }
        }

        public ulong OffsetAt(int index)
        {
            return pairs[2 * Within(index)];
        }

        public ulong LengthAt(int index)
        {
            return pairs[2 * Within(index) + 1];
        }

        /// <summary>Offset and length of each range, 64-bit little-endian.</summary>
        public byte[] ToBytes()
        {
            byte[] bytes = new byte[16 * count];
            Buffer.BlockCopy(pairs, 0, bytes, 0, bytes.Length);
            if (!BitConverter.IsLittleEndian) for (int at = 0; at < bytes.Length; at += 8) Array.Reverse(bytes, at, 8);
            return bytes;
        }

        public string ToBase64()
        {
            return Convert.ToBase64String(ToBytes());
        }

        public void WriteTo(Stream stream)
        {
            byte[] bytes = ToBytes();
            stream.Write(bytes, 0, bytes.Length);
        }

        /// <summary>Appends; unites with the last range when they touch or overlap.</summary>
        internal void Add(ulong offset, ulong length)
        {
            if (count > 0)
            {
                ulong lastOffset = pairs[2 * count - 2];
                ulong lastEnd = lastOffset + pairs[2 * count - 1];
                if (offset >= lastOffset && offset <= lastEnd)
                {
                    if (offset + length > lastEnd) pairs[2 * count - 1] = offset + length - lastOffset;
                    return;
                }
                if (offset < lastOffset) ordered = false;
            }
            if (count == limit) Coarsen();
            if (2 * count == pairs.Length) Array.Resize(ref pairs, pairs.Length * 2);
            pairs[2 * count] = offset;
            pairs[2 * count + 1] = length;
            count++;
        }

        /// <summary>Puts the ranges in order, if Windows did not.</summary>
        internal void Finish()
        {
            if (!ordered) Sort();
        }

        private int Within(int index)
        {
            if (index < 0 || index >= count) throw new ArgumentOutOfRangeException("index");
            return index;
        }

        private void Sort()
        {
            ulong[] offsets = new ulong[count];
            ulong[] lengths = new ulong[count];
            for (int i = 0; i < count; i++)
            {
                offsets[i] = pairs[2 * i];
                lengths[i] = pairs[2 * i + 1];
            }
            Array.Sort(offsets, lengths);
            Rebuild(offsets, lengths, 0);
            ordered = true;
        }

        private void Coarsen()
        {
            Finish();
            while (count > limit / 2)
            {
                gap *= 2;
                ulong[] offsets = new ulong[count];
                ulong[] lengths = new ulong[count];
                for (int i = 0; i < count; i++)
                {
                    offsets[i] = pairs[2 * i];
                    lengths[i] = pairs[2 * i + 1];
                }
                Rebuild(offsets, lengths, gap);
            }
            Coarsened = true;
        }

        /// <summary>Takes sorted ranges anew, uniting those with no more than this many bytes between them.</summary>
        private void Rebuild(ulong[] offsets, ulong[] lengths, ulong between)
        {
            int kept = 0;
            for (int i = 0; i < offsets.Length; i++)
            {
                ulong end = offsets[i] + lengths[i];
                if (kept > 0 && offsets[i] <= pairs[2 * kept - 2] + pairs[2 * kept - 1] + between)
                {
                    if (end > pairs[2 * kept - 2] + pairs[2 * kept - 1]) pairs[2 * kept - 1] = end - pairs[2 * kept - 2];
                    continue;
                }
                pairs[2 * kept] = offsets[i];
                pairs[2 * kept + 1] = lengths[i];
                kept++;
            }
            count = kept;
        }
    }
}

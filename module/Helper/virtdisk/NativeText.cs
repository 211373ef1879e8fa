using System;
using System.Collections.Generic;
using System.Runtime.InteropServices;
using System.Text;

namespace HyperVBackup
{
    /// <summary>UTF-16 text in a buffer that Windows filled: never read beyond the buffer, whatever is in it.</summary>
    internal static class NativeText
    {
        /// <summary>The text from a byte offset up to its zero or the buffer's end.</summary>
        internal static string Read(IntPtr buffer, int offset, int size)
        {
            StringBuilder text = new StringBuilder();
            for (int at = offset; at + 2 <= size; at += 2)
            {
                char c = (char)(ushort)Marshal.ReadInt16(buffer, at);
                if (c == '\0') break;
                text.Append(c);
            }
            return text.ToString();
        }

        /// <summary>Texts one behind the other, up to an empty one or the buffer's end.</summary>
        internal static string[] ReadList(IntPtr buffer, int offset, int size)
        {
            List<string> list = new List<string>();
            for (int at = offset; at + 2 <= size;)
            {
                string text = Read(buffer, at, size);
                if (text.Length == 0) break;
                list.Add(text);
                at += (text.Length + 1) * 2;
            }
            return list.ToArray();
        }
    }
}

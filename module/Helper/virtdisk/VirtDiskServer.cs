using System;
using System.IO;
using System.Text;
using System.Threading;

namespace HyperVBackup
{
    /// <summary>
    /// Answers requests for sectors of an attached disk over a stream, on a thread of its own, until the stream ends; then the disk is
    /// detached. Requests and answers: docs/helper-protocol.md, "Attached disks".
    /// </summary>
    public sealed class VirtDiskServer : IDisposable
    {
        /// <summary>Bytes that one request may ask for.</summary>
        public const int LongestRequest = 1024 * 1024;

        private const int RequestLength = 16;
        private const int HeaderLength = 8;

        private readonly VirtDiskHandle handle;
        private readonly VirtDiskReader reader;
        private readonly Stream stream;
        private readonly Thread thread;
        private Exception detachFailure;

        /// <param name="handle">attached by AttachForReading; owned from now on, also when this throws</param>
        /// <param name="stream">both ways; owned from now on</param>
        public VirtDiskServer(VirtDiskHandle handle, Stream stream)
        {
            if (handle == null) throw new ArgumentNullException("handle");
            if (stream == null) throw new ArgumentNullException("stream");
            this.handle = handle;
            this.stream = stream;
            try
            {
                reader = new VirtDiskReader(handle);
            }
            catch (Exception)
            {
                handle.Dispose();
                stream.Dispose();
                throw;
            }
            thread = new Thread(Serve);
            thread.IsBackground = true;
            thread.Name = "VirtDiskServer";
        }

        /// <summary>Virtual size in bytes.</summary>
        public ulong Size
        {
            get { return reader.Size; }
        }

        /// <summary>Shows the secret, and begins to answer.</summary>
        public void Start(byte[] secret)
        {
            stream.Write(secret, 0, secret.Length);
            stream.Flush();
            thread.Start();
        }

        /// <summary>
        /// Waits until the other side has closed the stream and the disk is detached; throws what detaching failed with.
        /// Returns false when that has not come in time.
        /// </summary>
        public bool WaitForEnd(int milliseconds)
        {
            if (!thread.Join(milliseconds)) return false;
            if (detachFailure != null) throw detachFailure;
            return true;
        }

        /// <summary>Ends it whatever the other side does.</summary>
        public void Dispose()
        {
            stream.Dispose();
            if (!thread.IsAlive) Release();
        }

        private void Serve()
        {
            byte[] request = new byte[RequestLength];
            // Header and content in one write: half as many calls.
            byte[] answer = new byte[HeaderLength + LongestRequest];
            try
            {
                while (Fill(request))
                {
                    ulong offset = BitConverter.ToUInt64(request, 0);
                    uint length = BitConverter.ToUInt32(request, 8);
                    int count = Answer(offset, length, answer);
                    stream.Write(answer, 0, count);
                    stream.Flush();
                }
            }
            catch (Exception)
            {
                // The stream is broken: there is no one to report to. An exception that left this thread would end the process.
            }
            finally
            {
                Release();
            }
        }

        /// <summary>Bytes of the answer, which has its header first.</summary>
        private int Answer(ulong offset, uint length, byte[] answer)
        {
            try
            {
                if (length > LongestRequest)
                    throw VirtDiskException.FromFinding("ReadFile", handle.Path, "PROTOCOL_INVALID", "too much was asked for at once", null);
                reader.Read(offset, answer, HeaderLength, (int)length);
                Put(answer, 0, 0);
                Put(answer, 4, length);
                return HeaderLength + (int)length;
            }
            catch (Exception error)
            {
                VirtDiskException known = error as VirtDiskException;
                string text = known == null
                    ? "IO_ERROR\n" + OneLine(error.Message) + "\n"
                    : known.ProjectCode + "\n" + OneLine(known.Message) + "\n" + OneLine(known.Advice);
                byte[] bytes = Encoding.UTF8.GetBytes(text);
                int count = Math.Min(bytes.Length, 60000);
                Put(answer, 0, 1);
                Put(answer, 4, (uint)count);
                Buffer.BlockCopy(bytes, 0, answer, HeaderLength, count);
                return HeaderLength + count;
            }
        }

        private static string OneLine(string text)
        {
            return text == null ? "" : text.Replace("\r", " ").Replace("\n", " ");
        }

        private static void Put(byte[] target, int at, uint value)
        {
            Buffer.BlockCopy(BitConverter.GetBytes(value), 0, target, at, 4);
        }

        /// <summary>Fills the buffer; false when the stream ended before its first byte.</summary>
        private bool Fill(byte[] buffer)
        {
            int have = 0;
            while (have < buffer.Length)
            {
                int got = stream.Read(buffer, have, buffer.Length - have);
                if (got == 0)
                {
                    if (have == 0) return false;
                    throw new EndOfStreamException();
                }
                have += got;
            }
            return true;
        }

        private void Release()
        {
            try
            {
                reader.Dispose();
                if (handle.Attached) VirtDisk.Detach(handle);
            }
            catch (Exception error)
            {
                detachFailure = error;
            }
            finally
            {
                // Closing the handle detaches too.
                handle.Dispose();
                stream.Dispose();
            }
        }
    }
}

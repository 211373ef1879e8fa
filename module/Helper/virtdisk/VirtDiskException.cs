using System;
using System.Globalization;

namespace HyperVBackup
{
    /// <summary>
    /// Every failure of this library. Code is Windows' own, Symbol its name in winerror.h, Meaning and Advice say it in
    /// plain words; ProjectCode is one of the backend's stable codes (backend/src/support/error-codes.ts), of which
    /// TRACKING_* mean: the list of changes cannot be had, take a full of this disk.
    /// </summary>
    public sealed class VirtDiskException : Exception
    {
        private readonly string operation;
        private readonly string path;
        private readonly uint code;
        private readonly VirtDiskError error;
        private readonly string meaning;
        private readonly string advice;

        private VirtDiskException(string operation, string path, uint code, VirtDiskError error, string meaning, string advice)
            : base(Compose(operation, path, code, error, meaning))
        {
            this.operation = operation;
            this.path = path;
            this.code = code;
            this.error = error;
            this.meaning = meaning;
            this.advice = advice;
        }

        /// <summary>From a code that a function returned. HRESULTs that wrap a Win32 code are unwrapped.</summary>
        public static VirtDiskException FromCode(string operation, string path, uint code)
        {
            uint plain = (code & 0xFFFF0000) == 0x80070000 ? code & 0xFFFF : code;
            VirtDiskError error = VirtDiskErrors.Find(plain);
            return new VirtDiskException(operation, path, plain, error, error.Meaning, error.Advice);
        }

        /// <summary>For what this library itself refuses, or does not believe, of a call: Code is 0.</summary>
        public static VirtDiskException FromFinding(string operation, string path, string projectCode, string meaning,
            string advice)
        {
            VirtDiskError error = new VirtDiskError(0, "", projectCode, meaning, advice);
            return new VirtDiskException(operation, path, 0, error, meaning, advice);
        }

        /// <summary>The function that failed.</summary>
        public string Operation
        {
            get { return operation; }
        }

        /// <summary>The disk's path; null where there is none.</summary>
        public string Path
        {
            get { return path; }
        }

        /// <summary>Win32 code or HRESULT; 0 when this library found the fault.</summary>
        public uint Code
        {
            get { return code; }
        }

        /// <summary>The code as it is looked up: 0xC03A0029.</summary>
        public string CodeText
        {
            get { return "0x" + code.ToString("X8", CultureInfo.InvariantCulture); }
        }

        public string Symbol
        {
            get { return error.Symbol; }
        }

        public string ProjectCode
        {
            get { return error.ProjectCode; }
        }

        public string Meaning
        {
            get { return meaning; }
        }

        public string Advice
        {
            get { return advice; }
        }

        /// <summary>Whether a full backup of this disk is the way on.</summary>
        public bool ChainBroken
        {
            get { return error.ProjectCode.StartsWith("TRACKING_", StringComparison.Ordinal); }
        }

        private static string Compose(string operation, string path, uint code, VirtDiskError error, string meaning)
        {
            string text = operation + ": " + meaning;
            if (path != null) text += ": " + path;
            if (code == 0) return text;
            string symbol = error.Symbol.Length == 0 ? "" : error.Symbol + ", ";
            return text + " (" + symbol + "0x" + code.ToString("X8", CultureInfo.InvariantCulture) + ")";
        }
    }
}

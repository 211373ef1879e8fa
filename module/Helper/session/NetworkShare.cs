using System;
using System.Runtime.InteropServices;
using System.Security;

namespace HyperVBackup
{
    /// <summary>
    /// Connects this logon session to another machine's shares with an account (mpr.dll). The connection is to IPC$, which serves every
    /// share of the server; it is not remembered, has no drive letter, and ends with Disconnect or with the logon session.
    /// </summary>
    public static class NetworkShare
    {
        private const string MprDll = "mpr.dll";
        private const uint ResourceTypeAny = 0;
        private const uint ConnectTemporary = 4;

        /// <summary>NETRESOURCEW (winnetwk.h), 48 bytes in a 64-bit process.</summary>
        [StructLayout(LayoutKind.Sequential)]
        internal struct NETRESOURCEW
        {
            public uint dwScope;
            public uint dwType;
            public uint dwDisplayType;
            public uint dwUsage;
            public IntPtr lpLocalName;
            public IntPtr lpRemoteName;
            public IntPtr lpComment;
            public IntPtr lpProvider;
        }

        [DllImport(MprDll, ExactSpelling = true)]
        [DefaultDllImportSearchPaths(DllImportSearchPath.System32)]
        private static extern uint WNetAddConnection2W(ref NETRESOURCEW resource, IntPtr password, IntPtr userName, uint flags);

        [DllImport(MprDll, ExactSpelling = true)]
        [DefaultDllImportSearchPaths(DllImportSearchPath.System32)]
        private static extern uint WNetCancelConnection2W(IntPtr name, uint flags, int force);

        /// <summary>Windows' code: 0 when it worked, 1219 when the session uses another account for this server.</summary>
        public static int Connect(string server, string userName, SecureString password)
        {
            IntPtr remote = Marshal.StringToHGlobalUni(NameOf(server));
            IntPtr user = Marshal.StringToHGlobalUni(userName);
            IntPtr secret = IntPtr.Zero;
            try
            {
                secret = Marshal.SecureStringToGlobalAllocUnicode(password);
                NETRESOURCEW resource = new NETRESOURCEW();
                resource.dwType = ResourceTypeAny;
                resource.lpRemoteName = remote;
                return (int)WNetAddConnection2W(ref resource, secret, user, ConnectTemporary);
            }
            finally
            {
                if (secret != IntPtr.Zero) Marshal.ZeroFreeGlobalAllocUnicode(secret);
                Marshal.FreeHGlobal(user);
                Marshal.FreeHGlobal(remote);
            }
        }

        /// <summary>Windows' code. Files that are open keep it: nothing is forced.</summary>
        public static int Disconnect(string server)
        {
            IntPtr remote = Marshal.StringToHGlobalUni(NameOf(server));
            try
            {
                return (int)WNetCancelConnection2W(remote, 0, 0);
            }
            finally
            {
                Marshal.FreeHGlobal(remote);
            }
        }

        private static string NameOf(string server)
        {
            return "\\\\" + server + "\\IPC$";
        }
    }
}

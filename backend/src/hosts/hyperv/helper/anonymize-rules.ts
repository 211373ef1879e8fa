/** What of a trace stays as it is: it is in the nature of Windows or of this program, and identifies no one. */
import { ERROR_CODES } from '../../../support/error-codes.ts';

const GUID = '\\{?[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}\\}?';

/** Names of fields. */
export const KEY = /^[A-Za-z][A-Za-z0-9]{0,60}$/;
/** Fields with sentences for people. */
export const SENTENCES = new Set(['message', 'advice', 'reason', 'shareProblem', 'description', 'at']);
export const MAC = /^[0-9A-Fa-f]{12}$|^[0-9A-Fa-f]{2}([:-])[0-9A-Fa-f]{2}(?:\1[0-9A-Fa-f]{2}){4}$/;
/** A checkpoint of ours. */
export const LABEL = /^HyperVBackup [0-9A-HJKMNP-TV-Z]{26}(?: \[(?:application|crash)-consistent\])?$/;
/** `\\SERVER\root\virtualization\v2:Class.Key="value",…` */
export const OBJECT_PATH = /^\\\\([^\\]+)(\\root\\virtualization\\v2:[A-Za-z]+_[A-Za-z]+\.)(.*)$/is;
export const INSTANCE_ID = new RegExp(`^Microsoft:(?:${GUID}|[A-Za-z]+)(?:\\\\|$)`, 's');
export const PATH = /^(?:[A-Za-z]:(?:[\\/]|$)|\\|\/)|[\\]/;
export const EXTENSION =
  /\.(?:vhdx|avhdx|vhd|avhd|vhds|vhdpmem|vmcx|vmrs|vmgs|vsv|bin|xml|iso|vfd|mrt|rct|json|ps1|cs|dll)$/i;
/** Quoted text within a sentence, of whatever kind of quote. */
export const QUOTED = /('[^']*'|"[^"]*"|„[^“”"]*[“”"]|“[^”]*”|«[^»]*»|‚[^‘’]*[‘’])/;
export const WORD = /[^\s()[\]<>{}=|]+/g;

const WHOLE = [
  new RegExp(`^${GUID}$`),
  new RegExp(`^Microsoft:${GUID}$`),
  // Kinds of things: Microsoft:Hyper-V:Virtual Hard Disk. A vocabulary of Windows.
  /^Microsoft:Hyper-V:[A-Za-z0-9 :_-]{1,80}$/,
  /^(?:Msvm|CIM|Win32)_[A-Za-z]{1,80}$/,
  /^rctX:[0-9a-f]{8}:[0-9a-f]{4}:[0-9a-f]{4}:[0-9a-f]{4}:[0-9a-f]{12}:[0-9a-f]{8}$/i,
  // Numbers, versions, dates, codes.
  /^(?!(?:\d{1,3}\.){3}\d{1,3}$)-?\d+(?:\.\d+)*$/,
  /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:\d\d)$/,
  /^(?:HRESULT )?0x[0-9a-f]{1,16}$/i,
];

/** By field: words that the helper and the adapter exchange. */
const VOCABULARY: Record<string, RegExp> = {
  className: /^[A-Za-z]+_[A-Za-z]+$/,
  code: new RegExp(`^(?:${ERROR_CODES.join('|')})$`),
  helperCode: /^[A-Z_]{1,60}$/,
  symbol: /^[A-Z][A-Z0-9_]{1,80}$/,
  cim: /^[A-Z][A-Za-z]{1,40}$/,
  type: /^(?:System|Microsoft|HyperVBackup)(?:\.[A-Za-z]+){1,8}$|^[a-z]{1,12}$/,
  format: /^(?:vhd|vhdx|vhds)$/,
  fileSystem: /^(?:NTFS|ReFS|CSVFS|FAT32|exFAT)$/,
  edition: /^(?:Desktop|Core)$/,
  languageMode: /^[A-Za-z]{1,24}$/,
  method: /^[A-Za-z]{1,60}$/,
  refused: /^length$/,
  consistency: /^(?:application|crash)$/,
  guestBackup: /^(?:full|copy)$/,
  subType: /^Microsoft:[A-Za-z0-9 :_-]{1,80}$/,
  subtype: /^[A-Za-z]{1,20}$/,
  // Pages of ranges: pairs of numbers, packed.
  ranges: /^[A-Za-z0-9+/]*={0,2}$/,
};

export function keeps(value: string, key: string): boolean {
  if (WHOLE.some((pattern) => pattern.test(value))) return true;
  if (VOCABULARY[key]?.test(value) !== true) return false;
  return key !== 'ranges' || isRanges(value);
}

/** Offsets and lengths of a disk are below 2^48, which no text is. */
function isRanges(text: string): boolean {
  const bytes = Buffer.from(text, 'base64');
  if (bytes.length % 16 !== 0 || bytes.toString('base64') !== text) return false;
  for (let at = 0; at < bytes.length; at += 8) if (bytes.readUInt16LE(at + 6) !== 0) return false;
  return true;
}

const SEGMENTS = new Set(
  [
    [
      '',
      '.',
      '..',
      '?',
      'UNC',
      'Virtual Machines',
      'Virtual Hard Disks',
      'Snapshots',
      'Snapshot',
      'UndoLog Configuration',
    ],
    [
      'Planned Virtual Machines',
      'ClusterStorage',
      'Hyper-V',
      'Users',
      'Public',
      'Documents',
      'ProgramData',
      'Microsoft',
    ],
    [
      'Windows',
      'Program Files',
      'IPC$',
      'ADMIN$',
      'import',
      'replaced',
      'hvbackup-plan.json',
      'root',
      'virtualization',
      'v2',
    ],
  ]
    .flat()
    .map((name) => name.toLowerCase()),
);
const SEGMENT = new RegExp(`^(?:[A-Za-z][:$]|Volume\\d{1,4}|Volume${GUID}|${GUID}(?:\\.[A-Za-z]{1,6})?|\\.)$`);

export const keepsSegment = (part: string): boolean => SEGMENTS.has(part.toLowerCase()) || SEGMENT.test(part);

const ID_PART = new RegExp(
  `^(?:Microsoft:(?:${GUID}|Definition|settings)|${GUID}|\\d{1,4}|[A-Z]|Default|Minimum|Maximum|Increment)$`,
);
export const keepsIdPart = (part: string): boolean => ID_PART.test(part);

/** Words that begin large wherever they stand, in what Windows and this program say. */
const TERMS = new Set(
  [
    'WMI VM VMs VSS RCT VHD VHDX VHDs VMMS SMB UNC CSV TPM WinRM WSMan Kerberos NTLM Hyper-V Windows Server PowerShell HRESULT Guid GUID Id ID MiB GiB KiB',
    'CreateSnapshot ConvertToReferencePoint DestroySnapshot DestroyReferencePoint ModifySystemSettings ModifyResourceSettings',
    'AddResourceSettings RemoveResourceSettings DefinePlannedSystem ImportSystemDefinition ValidatePlannedSystem RealizePlannedSystem',
    'DestroySystem GetVirtualDiskChanges GetVirtualHardDiskSettingData QueryChangesVirtualDisk OpenVirtualDisk AttachVirtualDisk',
    'ExportSystemDefinition RequestStateChange GetErrorEx JobState ErrorCode Enable-PSRemoting Remove-VMSnapshot TrustedHosts',
    'LocalAccountTokenFilterPolicy Administrators Administrator Remote Management Users Machine Virtual Volume Shadow Copy Service I',
  ]
    .join(' ')
    .split(' '),
);
const LOWER_TERMS = new Set([...TERMS].map((term) => term.toLowerCase()));
/** A name that is a word of the trade hides nothing, and would take every sentence apart. */
export const isTerm = (name: string): boolean => LOWER_TERMS.has(name.toLowerCase());

const PLAIN = /^[a-z]+(?:['’-][a-z]+)*$/;
const CAPITAL = /^[A-Z][a-z]*$/;
const SIGNS = /^[^\p{L}\p{N}]*$/u;

/** @param first whether it begins a sentence */
export function keepsWord(word: string, first: boolean): boolean {
  if (SIGNS.test(word) || PLAIN.test(word) || TERMS.has(word)) return true;
  if (first && CAPITAL.test(word)) return true;
  if (/^name-[0-9a-f]{12}$/.test(word)) return true;
  return keeps(word, '') || /^[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+$/.test(word) || /^(?:Msvm|CIM)_[A-Za-z.]+$/.test(word);
}

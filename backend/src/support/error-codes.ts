/**
 * Every error code of the backend, with the category that decides the exit code (docs/protocol.md). Codes are stable:
 * scripts match on them, cmdlets use them as FullyQualifiedErrorId. Add, never rename.
 */
export const EXIT_CODE = { failed: 1, usage: 2, someFailed: 3, damage: 4, cancelled: 5 } as const;
export type ErrorCategory = keyof typeof EXIT_CODE;

const CODES = {
  // anything
  INTERNAL: 'failed',
  CANCELLED: 'cancelled',
  USAGE: 'usage',
  NOT_SUPPORTED: 'failed',
  // files and devices
  FILE_NOT_FOUND: 'failed',
  FILE_EXISTS: 'failed',
  FILE_TOO_LARGE: 'failed',
  PATH_TOO_LONG: 'failed',
  NOT_A_FILE: 'failed',
  NOT_A_DIRECTORY: 'failed',
  ACCESS_DENIED: 'failed',
  DISK_FULL: 'failed',
  IO_ERROR: 'failed',
  STATE_FOLDER_UNSAFE: 'failed',
  CLOCK_WRONG: 'failed',
  // virtual disks
  DISK_FORMAT_UNKNOWN: 'failed',
  DISK_CORRUPT: 'failed',
  DISK_UNSUPPORTED: 'failed',
  DISK_PARENT_MISSING: 'failed',
  DISK_PARENT_MISMATCH: 'failed',
  DISK_LOG_DIRTY: 'failed',
  DISK_READ_ONLY: 'failed',
  DISK_OUT_OF_RANGE: 'failed',
  // hosts
  HOST_NOT_FOUND: 'failed',
  HOST_EXISTS: 'failed',
  HOST_BUSY: 'failed',
  HOST_LOST: 'failed',
  HOST_STATE_CORRUPT: 'failed',
  VM_NOT_FOUND: 'failed',
  VM_AMBIGUOUS: 'failed',
  VM_EXISTS: 'failed',
  VM_RUNNING: 'failed',
  VM_DISK_NOT_FOUND: 'failed',
  SWITCH_NOT_FOUND: 'failed',
  SWITCH_AMBIGUOUS: 'failed',
  CHECKPOINT_FAILED: 'failed',
  CHECKPOINT_NOT_FOUND: 'failed',
  CONSISTENCY_NOT_POSSIBLE: 'failed',
  REFERENCE_POINT_NOT_FOUND: 'failed',
  EXPORT_FAILED: 'failed',
  // configuration files of VMs
  CONFIGURATION_CORRUPT: 'failed',
  CONFIGURATION_UNSUPPORTED: 'failed',
  // change tracking; each means: take a full of this disk
  TRACKING_LOST: 'failed',
  TRACKING_ID_INVALID: 'failed',
  TRACKING_CHANGED_OFFLINE: 'failed',
  TRACKING_INCONSISTENT: 'failed',
  // repository
  REPOSITORY_NOT_FOUND: 'failed',
  REPOSITORY_EXISTS: 'failed',
  REPOSITORY_VERSION: 'failed',
  REPOSITORY_DAMAGED: 'damage',
  REPOSITORY_DOUBTFUL: 'damage',
  REPOSITORY_SESSION_EXPIRED: 'failed',
  REPOSITORY_BUSY: 'failed',
  REPOSITORY_NOT_ENCRYPTED: 'failed',
  PASSPHRASE_REQUIRED: 'failed',
  WRONG_PASSPHRASE: 'failed',
  KEY_NOT_FOUND: 'failed',
  KEY_IN_USE: 'failed',
  KEY_EXISTS: 'usage',
  SESSION_NOT_FOUND: 'failed',
  SESSION_IN_USE: 'failed',
  POINT_NOT_FOUND: 'failed',
  POINT_AMBIGUOUS: 'failed',
  POINT_REMOVED: 'failed',
  POINT_HELD: 'failed',
  POINT_INCOMPLETE: 'failed',
  BACKUP_IN_PROGRESS: 'failed',
  // protocol
  PROTOCOL_VERSION: 'failed',
  PROTOCOL_INVALID: 'usage',
  HELPER_FAILED: 'failed',
} as const satisfies Record<string, ErrorCategory>;

export type ErrorCode = keyof typeof CODES;
export const ERROR_CODES = Object.keys(CODES) as ErrorCode[];

/** Category of a code, hence its exit code. */
export const errorCategory = (code: ErrorCode): ErrorCategory => CODES[code];

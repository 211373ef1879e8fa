/**
 * The one error type that leaves any layer of the backend: a stable code, a sentence that says what went wrong and
 * where, what the person can do about it, and typed data. Protocol, command line and cmdlets only ever translate it.
 */

import { errnoName, errnoText } from './errno.ts';
import { type ErrorCode, EXIT_CODE, errorCategory } from './error-codes.ts';
import { isBarePrefix, withoutLongPathPrefix } from './windows-path.ts';

export interface ErrorDetail {
  /** What to do about it: one sentence, imperative. */
  advice?: string;
  /** Machine-readable facts (paths, ids, offsets in bytes). Must survive JSON. */
  data?: Record<string, unknown>;
  cause?: unknown;
}

/** JSON form of an {@link HvError}: `--json` output, protocol `error.data`, log lines. */
export interface SerialisedError {
  code: ErrorCode;
  message: string;
  advice?: string;
  data?: Record<string, unknown>;
}

export class HvError extends Error {
  readonly code: ErrorCode;
  readonly advice: string | undefined;
  readonly data: Record<string, unknown>;

  /**
   * @param code stable identifier, see error-codes.ts
   * @param message what happened and where (path, VM, hex offset); no trailing advice
   */
  constructor(code: ErrorCode, message: string, detail: ErrorDetail = {}) {
    super(message, detail.cause === undefined ? undefined : { cause: detail.cause });
    this.name = 'HvError';
    this.code = code;
    this.advice = detail.advice;
    this.data = detail.data ?? {};
  }

  /** Process exit code (README.md) when this error ends a command. */
  get exitCode(): number {
    return EXIT_CODE[errorCategory(this.code)];
  }

  toJSON(): SerialisedError {
    return {
      code: this.code,
      message: this.message,
      ...(this.advice ? { advice: this.advice } : {}),
      ...(Object.keys(this.data).length > 0 ? { data: this.data } : {}),
    };
  }
}

/** Hex offset as every parser error prints it: `0x1f000`. */
export const hex = (value: number | bigint): string => `0x${value.toString(16)}`;

/** True when `error` is an HvError with one of `codes` (any code when none is given). */
export function isHvError(error: unknown, ...codes: ErrorCode[]): error is HvError {
  return error instanceof HvError && (codes.length === 0 || codes.includes(error.code));
}

const SYSTEM_CODES: Record<string, ErrorCode> = {
  ENOENT: 'FILE_NOT_FOUND',
  EACCES: 'ACCESS_DENIED',
  EPERM: 'ACCESS_DENIED',
  EROFS: 'ACCESS_DENIED',
  ENOSPC: 'DISK_FULL',
  EDQUOT: 'DISK_FULL',
  EFBIG: 'FILE_TOO_LARGE',
  EEXIST: 'FILE_EXISTS',
  EISDIR: 'NOT_A_FILE',
  ENOTDIR: 'NOT_A_DIRECTORY',
  ENAMETOOLONG: 'PATH_TOO_LONG',
};

const SYSTEM_ADVICE: Partial<Record<ErrorCode, string>> = {
  FILE_NOT_FOUND: 'Check the path.',
  ACCESS_DENIED: 'Check the permissions of the account that runs the command.',
  DISK_FULL: 'Free space there, or use another location, and run the command again.',
  FILE_TOO_LARGE: 'The target file system cannot hold a file of this size; use another one.',
  FILE_EXISTS: 'Choose another name, or remove the file first.',
  IO_ERROR:
    'Look into the log of the system: the disk, or the connection to it, may be failing. Then run the command again.',
  NOT_A_FILE: 'Give a file.',
  NOT_A_DIRECTORY: 'Give a folder.',
  PATH_TOO_LONG: 'Use shorter names: most file systems take 255 bytes in a name, and 4096 in a path.',
};

/** No permission would help. */
const READ_ONLY_ADVICE =
  'Mount it for writing (after an error the system itself may have made it read-only: look into its log), or use another location.';

/**
 * Turns anything thrown into an HvError. System errors (errno) keep their path and call; what is already an HvError
 * passes through; anything else is INTERNAL, a defect of ours.
 */
export function toHvError(error: unknown, where?: string): HvError {
  if (error instanceof HvError) return error;
  if (error instanceof Error) {
    if (error.name === 'AbortError') return new HvError('CANCELLED', 'The operation was cancelled.', { cause: error });
    const system = error as NodeJS.ErrnoException;
    if (typeof system.code === 'string' && system.syscall !== undefined) {
      const name = errnoName(system);
      const code = SYSTEM_CODES[name] ?? 'IO_ERROR';
      const path = system.path === undefined || isBarePrefix(system.path) ? where : withoutLongPathPrefix(system.path);
      return new HvError(
        code,
        `${name === 'EROFS' ? 'The file system cannot be written to' : describe(code)}${path ? `: ${path}` : ''}${errnoText(name, system.syscall)}`,
        {
          advice: name === 'EROFS' ? READ_ONLY_ADVICE : SYSTEM_ADVICE[code],
          data: { ...(path ? { path } : {}), errno: name, syscall: system.syscall },
          cause: error,
        },
      );
    }
    return new HvError('INTERNAL', `${where ? `${where}: ` : ''}${error.message}`, { cause: error });
  }
  return new HvError('INTERNAL', `${where ? `${where}: ` : ''}${String(error)}`);
}

function describe(code: ErrorCode): string {
  switch (code) {
    case 'FILE_NOT_FOUND':
      return 'There is no such file or folder';
    case 'ACCESS_DENIED':
      return 'Access was denied';
    case 'DISK_FULL':
      return 'There is no space left';
    case 'FILE_TOO_LARGE':
      return 'The file would be too large for its file system';
    case 'FILE_EXISTS':
      return 'The file exists already';
    case 'PATH_TOO_LONG':
      return 'The path, or a name in it, is too long';
    case 'NOT_A_FILE':
      return 'A folder stands where a file was expected';
    case 'NOT_A_DIRECTORY':
      return 'A file stands where a folder was expected';
    default:
      return 'The operating system reported an input/output error';
  }
}

/** Throws CANCELLED when `signal` is aborted. Call it between units of work. */
export function throwIfCancelled(signal: AbortSignal | undefined): void {
  if (signal?.aborted) throw new HvError('CANCELLED', 'The operation was cancelled.');
}

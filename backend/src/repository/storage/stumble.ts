/** Which errors of a storage pass: those of calls that are worth repeating. Everything else is an answer. */
import { errnoName } from '../../support/errno.ts';
import { HvError } from '../../support/errors.ts';

/** The share, its server or the way to it. */
const CONNECTION: ReadonlySet<string> = new Set([
  'ESTALE',
  'EAGAIN',
  'ETIMEDOUT',
  'ETIME',
  'EHOSTDOWN',
  'EHOSTUNREACH',
  'ENETDOWN',
  'ENETUNREACH',
  'ENETRESET',
  'ENOTCONN',
  'ECONNRESET',
  'ECONNABORTED',
  'ECONNREFUSED',
  'EPIPE',
  'ESHUTDOWN',
  'ENOLINK',
  'ECOMM',
  'EREMOTEIO',
  'EKEYEXPIRED',
  'ENODEV',
  'ENXIO',
  'ENOMEDIUM',
]);

/** Something else may be at fault: the one object, or what others do at this moment. */
const MOMENT: ReadonlySet<string> = new Set([
  'EIO',
  'EINTR',
  'EBUSY',
  'EXDEV',
  'EMFILE',
  'ENFILE',
  'ENOMEM',
  'ENOBUFS',
  'ENOLCK',
  'EDEADLK',
  'ETXTBSY',
]);

export interface Stumble {
  /** For people and counts: `ESTALE`. */
  errno: string;
  /** It speaks of the storage as a whole. */
  connection: boolean;
  /** The repository cannot be found any more: a share that is being mounted anew, or it was deleted. */
  gone?: boolean;
}

/** What to make of an error: null when repeating the call would change nothing. @param platform for tests */
export function stumbleOf(error: unknown, platform: string = process.platform): Stumble | null {
  if (isGone(error)) return { errno: 'ENOENT', connection: true, gone: true };
  const errno = error instanceof HvError ? String(error.data.errno ?? '') : errnoName(error);
  if (error instanceof HvError && (error.code !== 'IO_ERROR' || isOutage(error))) return null;
  if (CONNECTION.has(errno)) return { errno, connection: true };
  // What libuv calls the errors of a network that it has no name for (ERROR_BAD_NETPATH, ERROR_UNEXP_NET_ERR).
  if (errno === 'UNKNOWN' && platform === 'win32') return { errno, connection: true };
  return MOMENT.has(errno) ? { errno, connection: false } : null;
}

/** Whether the storage as a whole did not answer for longer than one would wait: nothing is known of the object. */
export const isOutage = (error: unknown): boolean => error instanceof HvError && error.data.outage === true;

/** Whether the repository that was there is not there any more. */
const isGone = (error: unknown): boolean => error instanceof HvError && error.data.gone === true;

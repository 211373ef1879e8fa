/** Names and meanings of the system's error numbers, also of those that Node has no name for. */

/**
 * Linux numbers (asm-generic/errno.h) that libuv does not name: Node calls them "Unknown system error -116". They are
 * what network file systems answer.
 */
const LINUX_NAMES: Readonly<Record<number, string>> = {
  35: 'EDEADLK',
  37: 'ENOLCK',
  62: 'ETIME',
  67: 'ENOLINK',
  70: 'ECOMM',
  74: 'EBADMSG',
  102: 'ENETRESET',
  108: 'ESHUTDOWN',
  116: 'ESTALE',
  117: 'EUCLEAN',
  121: 'EREMOTEIO',
  122: 'EDQUOT',
  123: 'ENOMEDIUM',
  124: 'EMEDIUMTYPE',
  126: 'ENOKEY',
  127: 'EKEYEXPIRED',
};

/** For people, where the name alone says too little. */
const MEANINGS: Readonly<Record<string, string>> = {
  ESTALE: 'stale file handle: the share was remounted or its server restarted',
  EHOSTDOWN: 'the server does not answer',
  EHOSTUNREACH: 'the server cannot be reached',
  ENETUNREACH: 'the network cannot be reached',
  ENETDOWN: 'the network is down',
  ETIMEDOUT: 'no answer in time',
  ENOTCONN: 'the connection to the server is gone',
  ECONNRESET: 'the connection to the server was cut',
  EDQUOT: 'the quota is used up',
  EREMOTEIO: 'the server reports an input/output error',
  EUCLEAN: 'the file system is damaged',
  EROFS: 'the file system is read-only',
  ENOMEDIUM: 'there is no medium in the drive',
  EKEYEXPIRED: 'the sign-in to the server has expired',
};

/** The name of a system error: `ENOENT`, `ESTALE`; what Node calls it where it has none. */
export function errnoName(error: unknown): string {
  const { code, errno } = error as NodeJS.ErrnoException;
  if (typeof code !== 'string') return '';
  const unnamed = code.startsWith('Unknown system error') || code === 'UNKNOWN';
  return (unnamed && process.platform === 'linux' && LINUX_NAMES[Math.abs(errno ?? 0)]) || code;
}

/** ` (read: ESTALE, stale file handle: …)`, for the end of a sentence. */
export function errnoText(name: string, syscall: string): string {
  const meaning = MEANINGS[name];
  return ` (${syscall}: ${name}${meaning === undefined ? '' : `, ${meaning}`})`;
}

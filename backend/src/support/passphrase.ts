/**
 * Secrets: the one form that all spellings of a passphrase have, and how passphrases and accounts are read from files.
 */
import { stat } from 'node:fs/promises';
import { HvError } from './errors.ts';
import { openFile } from './file.ts';

/** Bytes. More is a file that was given by mistake. */
const MAX_FILE_LENGTH = 64 * 1024;
/** Characters. */
const MAX_PASSPHRASE_LENGTH = 4096;

/**
 * The bytes that keys are derived from: UTF-8 in normal form C, so that it does not matter how an accent was typed.
 * @throws USAGE
 */
export function passphraseBytes(passphrase: string): Buffer {
  if (passphrase.length === 0 || passphrase.length > MAX_PASSPHRASE_LENGTH)
    throw new HvError('USAGE', `A passphrase has 1 to ${MAX_PASSPHRASE_LENGTH} characters`, {
      advice: 'Several random words, or twenty random characters, are a good one.',
    });
  return Buffer.from(passphrase.normalize('NFC'), 'utf8');
}

/**
 * Refuses a new passphrase that is most likely a file that was meant to hold one. One that exists opens all the same.
 * @throws USAGE
 */
export function requirePassphrase(passphrase: string): void {
  if (passphrase.trim() !== '') return;
  throw new HvError('USAGE', 'The passphrase is nothing but white space', {
    advice: 'Several random words, or twenty random characters, are a good one.',
  });
}

/**
 * The text of a file without a byte order mark and without one line end.
 * @throws USAGE when it is empty or no UTF-8, FILE_NOT_FOUND, ACCESS_DENIED
 */
export const readPassphraseFile = (path: string, warn: Warn = toStandardError): Promise<string> =>
  readSecret(path, PASSPHRASE, warn);

/** Takes what is wrong with a file that can be used all the same. */
export type Warn = (message: string) => void;

const said = new Set<string>();

/** A command reads its files more than once, and says it once. */
function toStandardError(message: string): void {
  if (!said.has(message)) process.stderr.write(`Warning: ${message}\n`);
  said.add(message);
}

/** What kind of file it is, for messages. */
interface SecretFile {
  name: string;
  advice: string;
}
const PASSPHRASE: SecretFile = {
  name: 'passphrase',
  advice: `Write the passphrase into it as UTF-8 text, 1 to ${MAX_PASSPHRASE_LENGTH} characters; one line end behind it does not count.`,
};
const CREDENTIAL: SecretFile = {
  name: 'credential',
  advice:
    'Write two lines into it as UTF-8 text: the account (DOMAIN\\user), and its password; deny everyone else access to it.',
};

/**
 * An account from a file: its name in the first line, its password in the second.
 * @throws USAGE when it is not that, FILE_NOT_FOUND, ACCESS_DENIED
 */
export async function readCredentialFile(
  path: string,
  warn: Warn = toStandardError,
): Promise<{ userName: string; password: string }> {
  const [userName, password, ...more] = (await readSecret(path, CREDENTIAL, warn)).split(/\r?\n/);
  if (!userName?.trim() || !password || more.length > 0) throw unusable(path, 'does not have two lines', CREDENTIAL);
  return { userName: userName.trim(), password };
}

async function readSecret(path: string, kind: SecretFile, warn: Warn): Promise<string> {
  const file = await openFile(path, 'read');
  try {
    const size = await file.size();
    if (size > MAX_FILE_LENGTH) throw unusable(path, `is ${size} bytes long`, kind);
    const bytes = Buffer.alloc(size);
    await file.readFully(0, bytes);
    const text = secretText(bytes, path, kind);
    await warnOfReaders(path, kind, warn);
    return text;
  } finally {
    await file.close();
  }
}

/** Bits of others in a mode: read, write. */
const OTHERS = 0o006;

async function warnOfReaders(path: string, { name }: SecretFile, warn: Warn): Promise<void> {
  // On Windows a mode says nothing.
  if (process.platform === 'win32' || ((await stat(path)).mode & OTHERS) === 0) return;
  warn(`Every account of this machine can read or replace the ${name} file ${JSON.stringify(path)}: "chmod 600" it.`);
}

function secretText(bytes: Buffer, path: string, kind: SecretFile): string {
  let text: string;
  try {
    // It leaves out a byte order mark.
    text = new TextDecoder('utf-8', { fatal: true }).decode(bytes).replace(/\r?\n$/, '');
  } catch {
    throw unusable(path, 'is not UTF-8 text', kind);
  }
  if (text === '') throw unusable(path, 'is empty', kind);
  if (text.length > MAX_PASSPHRASE_LENGTH) throw unusable(path, `has ${text.length} characters`, kind);
  return text;
}

const unusable = (path: string, what: string, { name, advice }: SecretFile): HvError =>
  new HvError('USAGE', `The ${name} file ${what}: ${path}`, { advice, data: { path } });

/** Passphrases: the one form that all spellings of the same text have, and how they are read from a file. */
import { HvError } from './errors.ts';
import { openFile } from './file.ts';

/** Bytes. More is a file that was given by mistake. */
const MAX_FILE_LENGTH = 64 * 1024;
/** Characters. */
export const MAX_PASSPHRASE_LENGTH = 4096;

/** The bytes that keys are derived from: UTF-8 in normal form C, so that it does not matter how an accent was typed. @throws USAGE */
export function passphraseBytes(passphrase: string): Buffer {
  if (passphrase.length === 0 || passphrase.length > MAX_PASSPHRASE_LENGTH)
    throw new HvError('USAGE', `A passphrase has 1 to ${MAX_PASSPHRASE_LENGTH} characters`, {
      advice: 'Several random words, or twenty random characters, are a good one.',
    });
  return Buffer.from(passphrase.normalize('NFC'), 'utf8');
}

/**
 * The text of a file without a byte order mark and without one line end.
 * @throws USAGE when it is empty or no UTF-8, FILE_NOT_FOUND, ACCESS_DENIED
 */
export async function readPassphraseFile(path: string): Promise<string> {
  const file = await openFile(path, 'read');
  try {
    const size = await file.size();
    if (size > MAX_FILE_LENGTH) throw unusable(path, `is ${size} bytes long`);
    const bytes = Buffer.alloc(size);
    await file.readFully(0, bytes);
    return passphraseText(bytes, path);
  } finally {
    await file.close();
  }
}

function passphraseText(bytes: Buffer, path: string): string {
  let text: string;
  try {
    // It leaves out a byte order mark.
    text = new TextDecoder('utf-8', { fatal: true }).decode(bytes).replace(/\r?\n$/, '');
  } catch {
    throw unusable(path, 'is not UTF-8 text');
  }
  if (text === '') throw unusable(path, 'is empty');
  if (text.length > MAX_PASSPHRASE_LENGTH) throw unusable(path, `has ${text.length} characters`);
  return text;
}

const unusable = (path: string, what: string): HvError =>
  new HvError('USAGE', `The passphrase file ${what}: ${path}`, {
    advice: `Write the passphrase into it as UTF-8 text, 1 to ${MAX_PASSPHRASE_LENGTH} characters; one line end behind it does not count.`,
    data: { path },
  });

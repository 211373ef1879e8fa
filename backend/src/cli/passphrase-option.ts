/** The passphrase of a second repository, from the file that an option names. */
import { resolve } from 'node:path';
import { readPassphraseFile } from '../support/passphrase.ts';

export const optionalPassphrase = (file: string | undefined): Promise<string> | undefined =>
  file === undefined ? undefined : readPassphraseFile(resolve(file));

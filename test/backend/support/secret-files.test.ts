/** Files that hold secrets are used as they are; who else can read them is said. */
import { chmodSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { readCredentialFile, readPassphraseFile } from '../../../backend/src/support/passphrase.ts';
import { scratchForEach } from './scratch.ts';

const scratch = scratchForEach('secret-files');

it.skipIf(process.platform === 'win32')(
  'warns of passphrase and credential files that every account can read or replace',
  async () => {
    const file = join(await scratch(), 'secret');
    writeFileSync(file, 'DOMAIN\\user\npassword\n');
    const said: string[] = [];
    const warn = (message: string) => void said.push(message);
    for (const [mode, warnings] of [
      [0o600, 0],
      [0o640, 0],
      [0o644, 1],
      [0o602, 1],
    ] as const) {
      chmodSync(file, mode);
      said.length = 0;
      expect(await readPassphraseFile(file, warn)).toContain('password');
      expect((await readCredentialFile(file, warn)).password).toBe('password');
      expect(said).toHaveLength(2 * warnings);
    }
  },
);

/** A repository that does not open leaves nothing open: a backend that runs for months is asked again and again. */
import { existsSync, readdirSync, readlinkSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createRepository, openRepository } from '../../../backend/src/operations/open-repository.ts';
import { scratchForEach } from '../support/scratch.ts';

const FILES = '/proc/self/fd';
const scratch = scratchForEach('open-repository');
let folder: string;
let location: string;

/** Files below `top` that this process has open. */
function openBelow(top: string): string[] {
  const found: string[] = [];
  for (const name of readdirSync(FILES))
    try {
      const target = readlinkSync(join(FILES, name));
      if (target.startsWith(top)) found.push(target);
    } catch {
      // The listing itself, gone by now.
    }
  return found;
}

beforeEach(async () => {
  folder = await scratch();
  process.env.HVBACKUP_STATE_DIR = join(folder, 'state');
  location = join(folder, 'repository');
});
afterEach(() => {
  delete process.env.HVBACKUP_STATE_DIR;
});

describe.skipIf(!existsSync(FILES))('what does not open leaves no file open (needs /proc)', () => {
  const refused = async (code: string, passphrase?: string): Promise<void> => {
    await expect(openRepository(location, { passphrase })).rejects.toMatchObject({ code });
    expect(openBelow(folder)).toEqual([]);
  };

  it('a passphrase that is wrong, missing or of no use', async () => {
    await (await createRepository(location, { passphrase: 'correct horse' })).close();
    await refused('WRONG_PASSPHRASE', 'battery staple');
    await refused('PASSPHRASE_REQUIRED');
    rmSync(location, { recursive: true });
    await (await createRepository(location)).close();
    await refused('REPOSITORY_NOT_ENCRYPTED', 'correct horse');
  });

  it('a configuration that is damaged, with its second copy, or gone', async () => {
    await (await createRepository(location)).close();
    const config = join(location, 'hvbackup-repository.json');
    const spare = join(location, 'spare', 'hvbackup-repository.json');
    for (const file of [config, spare]) {
      rmSync(file);
      writeFileSync(file, '{');
    }
    await refused('REPOSITORY_DAMAGED');
    for (const file of [config, spare]) rmSync(file);
    await refused('REPOSITORY_NOT_FOUND');
  });

  it('a folder that is not one, and a second creation', async () => {
    await refused('REPOSITORY_NOT_FOUND');
    await (await createRepository(location)).close();
    await expect(createRepository(location)).rejects.toMatchObject({ code: 'REPOSITORY_EXISTS' });
    expect(openBelow(folder)).toEqual([]);
  });
});

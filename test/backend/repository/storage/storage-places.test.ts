/** Locations of repositories: what is a path, what names a kind of storage, and that an unknown kind is refused. */
import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { expect, it } from 'vitest';
import { createRepository, openRepository } from '../../../../backend/src/operations/open-repository.ts';
import { placeAt } from '../../../../backend/src/repository/storage/open.ts';
import { absoluteLocation, schemeOf } from '../../../../backend/src/support/location.ts';
import { scratchForEach } from '../../support/scratch.ts';

const scratch = scratchForEach('places');
const PATHS = [
  '/mnt/backups',
  '/mnt/a:b',
  '/mnt/s3://bucket',
  './s3:bucket',
  '../x:y',
  'relative/a:b',
  'backups',
  'C:\\Backups',
  'c:/Backups',
  'C:Backups',
  '\\\\server\\share\\folder',
  '//server/share/folder',
  '\\\\?\\C:\\Backups',
  '\\\\?\\UNC\\server\\share',
  '1a:b',
  'my backups: old',
  '',
];
const SCHEMES = [
  ['s3:bucket/prefix', 's3'],
  ['S3://bucket', 's3'],
  ['foo://x', 'foo'],
  ['git+ssh://x', 'git+ssh'],
  ['constructor:x', 'constructor'],
  ['__proto__', null],
  ['hyperv:HOST', 'hyperv'],
] as const;

it.each(PATHS)('%j is a path, and its place a folder', (path) => {
  expect(schemeOf(path)).toBeNull();
  expect(absoluteLocation(path)).toBe(resolve(path));
  expect(placeAt(path).location).toBe(resolve(path));
});

it.each(SCHEMES)('%j has the scheme %j', (location, scheme) => {
  expect(schemeOf(location)).toBe(scheme);
  if (scheme === null) return;
  expect(absoluteLocation(location)).toBe(location);
  expect(() => placeAt(location)).toThrow(
    expect.objectContaining({
      code: 'USAGE',
      message: expect.stringContaining(`"${scheme}:"`),
      advice: expect.stringMatching(/a local path, or \\\\server\\share\\folder.*\.\//),
      data: { location, scheme },
    }),
  );
});

it('a location of no known kind is neither opened nor made', async () => {
  for (const location of ['foo://x', 's3:bucket']) {
    await expect(openRepository(location)).rejects.toMatchObject({ code: 'USAGE', data: { location } });
    await expect(createRepository(location)).rejects.toMatchObject({ code: 'USAGE', data: { location } });
    expect(existsSync(resolve(location.split(':')[0]!))).toBe(false);
    expect(existsSync(resolve(location))).toBe(false);
  }
});

it.skipIf(process.platform === 'win32')('a folder with a colon in its name is one, by its path', async () => {
  const folder = await scratch();
  process.env.HVBACKUP_STATE_DIR = join(folder, 'state');
  try {
    const location = join(folder, 's3:bucket');
    await (await createRepository(location)).close();
    const repository = await openRepository(location);
    expect(repository.location).toBe(location);
    await repository.close();
  } finally {
    delete process.env.HVBACKUP_STATE_DIR;
  }
});

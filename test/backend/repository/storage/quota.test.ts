/** A quota that is used up (EDQUOT) is a full disk in all respects, though the volume itself has room. */
import { existsSync, promises as fs, lstatSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { explainFull } from '../../../../backend/src/operations/repository/full-repository.ts';
import { initRepository } from '../../../../backend/src/repository/open.ts';
import type { StoredRepository } from '../../../../backend/src/repository/repository.ts';
import { type Files, systemFiles } from '../../../../backend/src/repository/storage/folder/files.ts';
import { FolderStorage } from '../../../../backend/src/repository/storage/folder/folder.ts';
import { stumbleOf } from '../../../../backend/src/repository/storage/stumble.ts';
import { isHvError, toHvError } from '../../../../backend/src/support/errors.ts';
import { fileOver } from '../../../../backend/src/support/file.ts';
import { scratchForEach } from '../../support/scratch.ts';
import { closedAfterEach } from '../support/closing.ts';
import { BLOCK, backup, openMemory, sampleBytes, verifyAll } from '../support/model.ts';

/** As Node reports it, which has no name for it, and as a later one may. */
const reported = (syscall: string, named = false) =>
  Object.assign(new Error(`quota, ${syscall}`), {
    code: named ? 'EDQUOT' : 'Unknown system error -122',
    errno: -122,
    syscall,
  });

describe.skipIf(process.platform !== 'linux')('a quota that is used up', () => {
  it('has the code, the advice and the patience of a full disk, whatever the call', () => {
    for (const syscall of ['write', 'open', 'mkdir', 'link', 'fsync', 'close', 'ftruncate', 'rename'])
      for (const named of [false, true]) {
        const full = toHvError(Object.assign(new Error('full'), { code: 'ENOSPC', errno: -28, syscall }), '/there');
        const quota = toHvError(reported(syscall, named), '/there');
        expect([quota.code, quota.advice, quota.exitCode]).toEqual([full.code, full.advice, full.exitCode]);
        expect(quota.code).toBe('DISK_FULL');
        expect(quota.message).toBe(`There is no space left: /there (${syscall}: EDQUOT, the quota is used up)`);
        expect(quota.data).toEqual({ path: '/there', errno: 'EDQUOT', syscall });
        // An answer: nothing that passes.
        expect(stumbleOf(quota)).toBe(null);
        expect(stumbleOf(reported(syscall, named))).toBe(null);
      }
  });

  const scratch = scratchForEach('quota');
  const opened = closedAfterEach<StoredRepository>();

  /** A repository of ten restore points, and a quota of `spare` bytes more than it takes. */
  async function full(options: { reserve: boolean }) {
    const location = join(await scratch(), 'repository');
    const quota = { bytes: Number.POSITIVE_INFINITY };
    const files = quotaFiles(location, quota);
    await initRepository(new FolderStorage(location, files), { blockSize: BLOCK });
    const repository = await openMemory(new FolderStorage(location, files));
    opened.push(repository);
    const points: string[] = [];
    for (let i = 0; i < 10; i++) points.push((await backup(repository, sampleBytes(8 * BLOCK, i))).id);
    if (options.reserve) await repository.keepReserve();
    expect(existsSync(join(location, 'hvbackup-reserve'))).toBe(options.reserve);
    quota.bytes = used(location);
    return { location, quota, repository, points };
  }

  it.each([true, false])('of a repository: prune gives space back (reserve: %s)', async (reserve) => {
    const { location, quota, repository, points } = await full({ reserve });
    const error = await backup(repository, sampleBytes(8 * BLOCK, 99)).catch((caught) => caught);
    expect(error).toMatchObject({ code: 'DISK_FULL', data: { errno: 'EDQUOT' } });
    const explained = (await explainFull(repository, error)) as { code: string; advice: string };
    expect([explained.code, explained.advice]).toEqual(['DISK_FULL', expect.stringContaining('hvbackup prune')]);
    expect((await repository.listManifests()).map(({ id }) => id)).toEqual(points);
    expect(await readdirOf(location, 'tmp')).toEqual([]);
    for (const id of points.slice(0, 6)) await repository.removeManifest(id);
    const { freedBytes } = await repository.prune();
    expect(freedBytes).toBeGreaterThan(5 * 8 * BLOCK * 0.5);
    expect(used(location)).toBeLessThan(quota.bytes - freedBytes * 0.9);
    points.push((await backup(repository, sampleBytes(8 * BLOCK, 99))).id);
    expect(await verifyAll(repository)).toEqual(points.slice(6));
    expect((await repository.check()).damages).toEqual([]);
  });

  it('that ends at any byte of a backup leaves nothing half-made', async () => {
    const { quota, repository, points } = await full({ reserve: false });
    const before = quota.bytes;
    let failed = 0;
    for (let spare = 0; spare < 40_000; spare += 3001) {
      quota.bytes = before + spare;
      const id = await backup(repository, Buffer.from(sampleBytes(BLOCK, 1000 + spare))).then(
        (made) => made.id,
        (error) => {
          if (!isHvError(error, 'DISK_FULL')) throw error;
          failed += 1;
          return undefined;
        },
      );
      if (id !== undefined) points.push(id);
      expect((await repository.listManifests()).map((manifest) => manifest.id)).toEqual(points);
    }
    expect(failed).toBeGreaterThan(5);
    quota.bytes = Number.POSITIVE_INFINITY;
    points.push((await backup(repository, sampleBytes(BLOCK, 7))).id);
    expect(await verifyAll(repository)).toEqual(points);
    expect((await repository.check()).damages).toEqual([]);
  });
});

const readdirOf = async (location: string, name: string): Promise<string[]> => fs.readdir(join(location, name));

/** Bytes and names below a folder, each file once: what quotas count. */
function used(folder: string): number {
  const seen = new Set<number>();
  let bytes = 0;
  for (const entry of readdirSync(folder, { recursive: true, withFileTypes: true })) {
    const { ino, size } = lstatSync(join(entry.parentPath, entry.name));
    if (entry.isFile() && !seen.has(ino)) bytes += size;
    seen.add(ino);
  }
  return bytes;
}

/** The system's files, with a quota that the system's own `free` does not speak of. */
function quotaFiles(location: string, quota: { bytes: number }): Files {
  const fits = (more: number) => quota.bytes === Number.POSITIVE_INFINITY || used(location) + more <= quota.bytes;
  return {
    ...systemFiles,
    gather: undefined,
    open: async (filePath, mode) => {
      if (mode !== 'create') return systemFiles.open(filePath, mode);
      const handle = await fs.open(filePath, 'wx+');
      return fileOver(filePath, {
        read: (target, at, length, position) => handle.read(target, at, length, position),
        write: async (data, at, length, position) => {
          if (!fits(length)) throw reported('write');
          return handle.write(data, at, length, position);
        },
        stat: () => handle.stat(),
        truncate: (size) => handle.truncate(size),
        sync: () => handle.sync(),
        close: () => handle.close(),
      });
    },
  };
}

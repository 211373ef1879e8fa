import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { toHvError } from '../../../backend/src/support/errors.ts';
import { createDirectoryDurably, openFile, publishFile, writeFileDurably } from '../../../backend/src/support/file.ts';
import { bracedGuid, parseGuid, readGuid, readGuidBigEndian, writeGuid } from '../../../backend/src/support/guid.ts';
import { makeFolder, makeFolderSync } from '../../../backend/src/support/make-folder.ts';

let directory = '';
beforeEach(async () => {
  directory = await mkdtemp(path.join(tmpdir(), 'hvb-file-'));
});
afterEach(() => rm(directory, { recursive: true, force: true }));

describe('files', () => {
  it('reads and writes whole ranges and tells where a file ends', async () => {
    const name = path.join(directory, 'a');
    const file = await openFile(name, 'create');
    await file.writeFully(10, Buffer.from('hello'));
    await file.sync();
    expect(await file.size()).toBe(15);
    const target = Buffer.alloc(5);
    await file.readFully(10, target);
    expect(target.toString()).toBe('hello');
    expect(await file.readUpTo(12, target)).toBe(3);
    await expect(file.readFully(12, target)).rejects.toMatchObject({
      code: 'IO_ERROR',
      message: expect.stringContaining('0xf'),
    });
    await file.close();
    await file.close();
  });

  it('names what is wrong when opening', async () => {
    await expect(openFile(path.join(directory, 'none'), 'read')).rejects.toMatchObject({ code: 'FILE_NOT_FOUND' });
    await expect(openFile(directory, 'read')).rejects.toMatchObject({ code: 'NOT_A_FILE' });
    await writeFile(path.join(directory, 'b'), 'x');
    await expect(openFile(path.join(directory, 'b'), 'create')).rejects.toMatchObject({ code: 'FILE_EXISTS' });
  });

  it('writes durably, exclusively or not, and leaves no temporary file', async () => {
    const name = path.join(directory, 'deep', 'er', 'c.json');
    await createDirectoryDurably(path.dirname(name));
    await writeFileDurably(name, 'one', { exclusive: true });
    await expect(writeFileDurably(name, 'two', { exclusive: true })).rejects.toMatchObject({
      code: 'FILE_EXISTS',
      data: { path: name },
    });
    expect(await readFile(name, 'utf8')).toBe('one');
    await writeFileDurably(name, 'three');
    expect(await readFile(name, 'utf8')).toBe('three');
    expect(await readdir(path.dirname(name))).toEqual(['c.json']);
  });

  it.skipIf(process.platform !== 'linux')(
    'makes folders in bounded time, and says where a file system refuses them',
    async () => {
      const refused = { code: 'IO_ERROR', message: expect.stringContaining('although /proc is there') };
      await expect(createDirectoryDurably('/proc/hvbackup-none/deeper')).rejects.toMatchObject(refused);
      expect(() => makeFolderSync('/proc/hvbackup-none/deeper')).toThrow('although /proc is there');
    },
  );

  it('makes folders with their parents, beside others that do the same', async () => {
    const deep = path.join(directory, 'a', 'b', 'c');
    const made = (await Promise.all(Array.from({ length: 8 }, () => makeFolder(deep, 0o700)))).flat();
    expect(made.sort()).toEqual([path.join(directory, 'a'), path.join(directory, 'a', 'b'), deep]);
    expect(makeFolderSync(deep)).toEqual([]);
    expect(makeFolderSync(path.join(deep, 'd', 'e'))).toEqual([path.join(deep, 'd'), path.join(deep, 'd', 'e')]);
    await writeFile(path.join(directory, 'file'), 'x');
    await expect(makeFolder(path.join(directory, 'file'))).rejects.toMatchObject({ code: 'FILE_EXISTS' });
    await expect(makeFolder(path.join(directory, 'file', 'in', 'it'))).rejects.toMatchObject({
      code: 'NOT_A_DIRECTORY',
    });
  });

  it('names what Node has no name for', () => {
    const stale = Object.assign(new Error('x'), { code: 'Unknown system error -116', errno: -116, syscall: 'read' });
    const error = toHvError(stale, '/share/object');
    expect(error.data.errno).toBe('ESTALE');
    expect(error.message).toBe(
      'The operating system reported an input/output error: /share/object (read: ESTALE, stale file handle: the share was remounted or its server restarted)',
    );
    const quota = Object.assign(new Error('x'), { code: 'Unknown system error -122', errno: -122, syscall: 'write' });
    expect(toHvError(quota).code).toBe('DISK_FULL');
  });

  it('publishes without replacing', async () => {
    await writeFile(path.join(directory, 'tmp'), 'new');
    await writeFile(path.join(directory, 'final'), 'old');
    await expect(publishFile(path.join(directory, 'tmp'), path.join(directory, 'final'))).rejects.toMatchObject({
      code: 'FILE_EXISTS',
    });
    expect(await readFile(path.join(directory, 'final'), 'utf8')).toBe('old');
    await publishFile(path.join(directory, 'tmp'), path.join(directory, 'other'));
    expect((await readdir(directory)).sort()).toEqual(['final', 'other']);
  });
});

describe('GUIDs', () => {
  it('are mixed-endian on disk', () => {
    const bytes = Buffer.alloc(16);
    writeGuid(bytes, 0, '{2DC27766-F623-4200-9D64-115E9BFD4A08}');
    expect(bytes.toString('hex')).toBe('6677c22d23f600429d64115e9bfd4a08');
    expect(readGuid(bytes)).toBe('2dc27766-f623-4200-9d64-115e9bfd4a08');
    expect(readGuidBigEndian(bytes)).toBe('6677c22d-23f6-0042-9d64-115e9bfd4a08');
    expect(parseGuid('{2DC27766-F623-4200-9D64-115E9BFD4A08')).toBe('2dc27766-f623-4200-9d64-115e9bfd4a08');
    expect(parseGuid('2DC27766-F623-4200-9D64')).toBeNull();
    expect(bracedGuid(readGuid(bytes))).toBe('{2DC27766-F623-4200-9D64-115E9BFD4A08}');
  });
});

/** Choosing a way to read, and what exports consist of: without PowerShell. */
import { mkdir, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import {
  covers,
  createDifferencingVhdxWriter,
  createVhdx,
  createVhdxWriter,
  inspectDisk,
} from '../../../../backend/src/disk/index.ts';
import { replaceParentOf } from '../../../../backend/src/disk/vhdx/identity.ts';
import {
  ExportFolder,
  removeLeftovers,
  requireSpace,
} from '../../../../backend/src/hosts/hyperv/reading/export-folder.ts';
import { ExportedDisk } from '../../../../backend/src/hosts/hyperv/reading/exported-disk.ts';
import { findDisk, listExported, openExported } from '../../../../backend/src/hosts/hyperv/reading/exported-files.ts';
import {
  chooseWay,
  requireAbsolute,
  type WayFacts,
  whyUnreachable,
} from '../../../../backend/src/hosts/hyperv/reading/ways.ts';
import { openHost } from '../../../../backend/src/operations/open-host.ts';
import { ownerHere } from '../../../../backend/src/support/owner.ts';
import { scratchForSuite } from '../../support/scratch.ts';
import { content } from '../fixture.ts';

const MIB = 2 ** 20;
const here: WayFacts = { server: undefined, virtDisk: { available: true, reason: '' }, unreachable: null };
const there: WayFacts = { server: 'NODE7', virtDisk: { available: false, reason: 'far' }, unreachable: null };
const DEAD_PID = 2 ** 22 + 12345;

describe('the way to read', () => {
  it.each<[string, WayFacts, string, RegExp]>([
    ['files of this machine', here, 'native', /this machine/],
    ['another host over its shares', there, 'share', /NODE7/],
    ['its shares are closed', { ...there, unreachable: 'ENOENT', exportFolder: '\\\\f\\s' }, 'export', /NODE7.*ENOENT/],
    ['closed, and no folder is named', { ...there, unreachable: 'ENOENT' }, 'share', /shares/],
    [
      'closed, and files are asked for',
      { ...there, unreachable: 'ENOENT', exportFolder: '\\\\f\\s', readMethod: 'native' },
      'share',
      /shares/,
    ],
    ['a folder is named, and not needed', { ...here, exportFolder: 'D:\\x' }, 'native', /this machine/],
    ['exports are asked for', { ...here, readMethod: 'export' }, 'export', /asked for/],
    ['attaching is asked for', { ...here, readMethod: 'attached' }, 'attached', /asked for/],
  ])('%s', (_name, facts, method, why) => {
    expect(chooseWay(facts)).toEqual({ method, why: expect.stringMatching(why) });
  });

  it('refuses what cannot be done', () => {
    expect(() => chooseWay({ ...there, readMethod: 'attached' })).toThrow(/cannot be attached here: far/);
    for (const folder of ['staging', '.\\staging', 'D:staging', '../x'])
      expect(() => requireAbsolute(folder)).toThrow(/not an absolute path/);
    for (const folder of ['D:\\staging', '\\\\files\\staging', '/srv/staging', undefined]) requireAbsolute(folder);
  });

  it('a simulated host has one way only', async () => {
    for (const reading of [{ readMethod: 'export' }, { readMethod: 'attached' }, { exportFolder: '/x' }] as const)
      await expect(openHost({ host: 'sim:/nowhere', ...reading })).rejects.toMatchObject({ code: 'NOT_SUPPORTED' });
    await expect(openHost({ host: 'sim:/nowhere', readMethod: 'native' })).rejects.toMatchObject({
      code: 'HOST_NOT_FOUND',
    });
    await expect(openHost({ host: 'hyperv:', exportFolder: 'x' })).rejects.toMatchObject({ code: 'USAGE' });
  });

  it('asks the share whether it can be read', async () => {
    const folder = await scratchForSuite('hyperv-ways');
    const file = join(folder, 'disk.vhdx');
    expect(await whyUnreachable(file, 'NODE7')).toMatch(/ENOENT.*disk\.vhdx/);
    expect(await whyUnreachable(file, undefined)).toBeNull();
    await writeFile(file, '');
    expect(await whyUnreachable(file, 'NODE7')).toBeNull();
  });
});

describe('the export folder', () => {
  it('has a record beside each export; what dead processes left goes, what others left stays', async () => {
    const root = join(await scratchForSuite('hyperv-export-folder'), 'it is [1] $(x)');
    const own = await ExportFolder.create(root, undefined, { vmId: 'v', checkpointId: 'c' });
    expect(await readdir(own.here)).toEqual([]);
    const leave = async (stem: string, record: object | string): Promise<void> => {
      await mkdir(join(root, stem));
      await writeFile(join(root, stem, 'disk.vhdx'), 'x');
      await writeFile(join(root, `${stem}.json`), typeof record === 'string' ? record : JSON.stringify(record));
    };
    const record = {
      schema: 1,
      owner: { ...ownerHere(), pid: DEAD_PID },
      vmId: 'v',
      checkpointId: 'c',
      startedAt: '2026-11-21T00:00:00.000Z',
    };
    const [dead, old, other, again, broken] = ['A', 'B', 'C', 'D', 'E'].map(
      (letter) => `hvbackup-${letter.repeat(26)}`,
    ) as [string, string, string, string, string];
    await leave(dead, record);
    const startedAt = new Date().toISOString();
    // A clone has the name of this machine; its process may have any number, also one that is free here.
    const another = { ...record.owner, machine: 'another', hardware: 'another' };
    const renamed = { ...another, machine: `${ownerHere().machine.split(' ')[0]} with other adapters` };
    await leave(old, { ...record, owner: renamed });
    // Of another machine, however old this one's clock makes it.
    await leave(other, { ...record, owner: another });
    // The number of a process that died was given to another.
    await leave(again, { ...record, owner: { ...ownerHere(), start: '1' }, startedAt });
    await leave(broken, '{');
    await leave('somebody', record);
    const removed = (await removeLeftovers(root, undefined)).map((note) => /hvbackup-([A-Z])/.exec(note)?.[1]);
    expect(removed).toEqual(process.platform === 'linux' ? ['A', 'B', 'D'] : ['A', 'B']);
    const left = (await readdir(root)).sort();
    expect(left).toEqual(
      [other, broken, 'somebody']
        .flatMap((stem) => [stem, `${stem}.json`])
        .concat(own.here, `${own.here}.json`)
        .map((path) => path.split('/').at(-1)!)
        .sort(),
    );
    expect(await removeLeftovers(root, undefined)).toEqual([]);
    expect(await own.remove()).toBeNull();
    expect(await readdir(root)).toHaveLength(6);
  });

  it('says when it cannot be used, or is too small, before the host is asked', async () => {
    const root = await scratchForSuite('hyperv-export-space');
    const file = join(root, 'file');
    await writeFile(file, '');
    await expect(
      ExportFolder.create(join(file, 'below'), undefined, { vmId: 'v', checkpointId: 'c' }),
    ).rejects.toMatchObject({ code: 'EXPORT_FAILED', advice: expect.stringMatching(/--export-folder/) });
    const folder = await ExportFolder.create(root, undefined, { vmId: 'v', checkpointId: 'c' });
    await requireSpace(folder, 1);
    await expect(requireSpace(folder, 2 ** 60)).rejects.toMatchObject({
      code: 'DISK_FULL',
      data: { needed: 2 ** 60, free: expect.any(Number) },
    });
  });
});

describe('exported files', () => {
  const write = async (path: string, size: number, fill: number, diskId?: string) => {
    const writer = await createVhdxWriter(path, { size, diskId });
    await writer.write(0, Buffer.alloc(MIB, fill));
    await writer.finish();
  };
  const ID = '11111111-0000-4000-8000-000000000001';

  it('are told by identity, else by name, else because there is one; anything doubtful is none', async () => {
    const folder = await scratchForSuite('hyperv-exported');
    const below = join(folder, 'Virtual Hard Disks');
    await mkdir(below);
    await mkdir(join(folder, 'Virtual Machines'));
    await writeFile(join(folder, 'Virtual Machines', 'X.VMCX'), 'x');
    await writeFile(join(folder, 'notes.txt'), 'x');
    await write(join(below, 'one.vhdx'), 4 * MIB, 1, ID);
    await write(join(below, 'two.vhdx'), 4 * MIB, 2);
    await write(join(below, 'three.vhdx'), 8 * MIB, 3);
    const files = await listExported(folder);
    expect(files.configuration.map((path) => path.split('/').at(-1))).toEqual(['X.VMCX']);
    expect(files.disks).toHaveLength(3);
    const find = (id: string, size: number, path: string, alone = false) =>
      findDisk(files, { id, size }, path, alone)?.path.split('/').at(-1);
    expect(find(ID.toUpperCase(), 4 * MIB, 'D:\\x\\two.vhdx')).toBe('one.vhdx');
    expect(find(`${ID}@SCSI 0:1`, 4 * MIB, 'other')).toBe('one.vhdx');
    expect(find('unknown', 4 * MIB, 'D:\\x\\TWO.avhdx')).toBe('two.vhdx');
    expect(find('unknown', 4 * MIB, 'D:\\x\\four.vhdx', true)).toBeUndefined();
    expect(find('unknown', 8 * MIB, 'D:\\x\\four.vhdx', true)).toBe('three.vhdx');
    expect(find('unknown', 8 * MIB, 'D:\\x\\four.vhdx')).toBeUndefined();
    expect(find(ID, 16 * MIB, 'one.vhdx')).toBeUndefined();
  });

  it('of a difference have what changed, zeros too; for the rest a full is made, once', async () => {
    const folder = await scratchForSuite('hyperv-difference');
    const [base, child] = [join(folder, 'base.vhdx'), join(folder, 'export', 'child.vhdx')];
    await mkdir(join(folder, 'export'));
    await write(base, 8 * MIB, 1);
    const writer = await createDifferencingVhdxWriter(child, base);
    await writer.write(4096, Buffer.alloc(4096, 7));
    await writer.write(8192, Buffer.alloc(4096));
    await writer.write(2 * MIB, Buffer.alloc(2 * MIB, 9));
    await writer.write(6 * MIB, Buffer.alloc(2 * MIB));
    await writer.finish();
    await replaceParentOf(child, { linkage: ['22222222-0000-4000-8000-000000000002'], absolutePath: 'Z:\\gone.vhdx' });
    const files = await listExported(join(folder, 'export'));
    const part = await openExported(files, files.disks[0]!);
    expect(part.present).toEqual([
      { offset: 4096, length: 8192 },
      { offset: 2 * MIB, length: 2 * MIB },
      { offset: 6 * MIB, length: 2 * MIB },
    ]);
    let fulls = 0;
    const disk = new ExportedDisk(part, { method: 'export', why: '' }, async () => {
      fulls++;
      await mkdir(join(folder, 'full'));
      const full = join(folder, 'full', 'disk.vhdx');
      await write(full, 8 * MIB, 5);
      const made = await listExported(join(folder, 'full'));
      return await openExported(made, made.disks[0]!);
    });
    const read = async (offset: number, length: number) => {
      const target = Buffer.alloc(length, 0xee);
      await disk.read(offset, target);
      return [...new Set(target)];
    };
    expect(await read(4096, 4096)).toEqual([7]);
    expect(await read(4096, 8192)).toEqual([7, 0]);
    expect(await read(3 * MIB, MIB)).toEqual([9]);
    expect(await read(7 * MIB, MIB)).toEqual([0]);
    const kinds = async (offset: number, length: number) => {
      const found: string[] = [];
      for await (const { kind } of disk.extents(offset, length)) found.push(kind);
      return found;
    };
    expect(await kinds(6 * MIB, 2 * MIB)).toEqual(['zero']);
    expect(fulls).toBe(0);
    expect(await read(0, 4096)).toEqual([5]);
    expect(await read(4095, 2)).toEqual([5]);
    expect((await content(disk)).subarray(0, MIB).every((byte) => byte === 5)).toBe(true);
    expect(fulls).toBe(1);
    await disk.close();
    expect(await readdir(join(folder, 'export'))).toEqual([]);
    expect(await readdir(join(folder, 'full'))).toEqual([]);
  });

  it('of a chain are one disk, parents by their identity wherever the child says they are', async () => {
    const folder = await scratchForSuite('hyperv-chain');
    const [base, child] = [join(folder, 'a.vhdx'), join(folder, 'a_1.avhdx')];
    await write(base, 4 * MIB, 1);
    const writer = await createDifferencingVhdxWriter(child, base);
    await writer.write(0, Buffer.alloc(4096, 7));
    await writer.finish();
    const { dataWriteGuid, size } = await inspectDisk(base);
    await replaceParentOf(child, { linkage: [dataWriteGuid!], absolutePath: 'Z:\\elsewhere\\a.vhdx' });
    const files = await listExported(folder);
    const found = findDisk(files, { id: '', size }, 'D:\\a_1.avhdx', false)!;
    expect(found.path).toBe(child);
    const whole = await openExported(files, found);
    expect(whole.present).toBeNull();
    expect(whole.files).toEqual([child, base]);
    const bytes = await content(whole.disk);
    expect([bytes[0], bytes[4096]]).toEqual([7, 1]);
    await whole.disk.close();
  });

  it('that lead round in a circle are refused', async () => {
    const folder = await scratchForSuite('hyperv-circle');
    const [a, b] = [join(folder, 'a.vhdx'), join(folder, 'b.vhdx')];
    const [guidA, guidB] = ['33333333-0000-4000-8000-000000000001', '33333333-0000-4000-8000-000000000002'];
    const size = MIB;
    await createVhdx(a, { size, dataWriteGuid: guidA, parent: { linkage: [guidB], absolutePath: b } });
    await createVhdx(b, { size, dataWriteGuid: guidB, parent: { linkage: [guidA], absolutePath: a } });
    const files = await listExported(folder);
    await expect(openExported(files, files.disks[0]!)).rejects.toMatchObject({ code: 'DISK_CORRUPT' });
  });
});

it('covers: within one range, at its borders, not across a gap', () => {
  const ranges = [
    { offset: 10, length: 10 },
    { offset: 30, length: 5 },
  ];
  const cases: [number, number, boolean][] = [
    [10, 10, true],
    [19, 1, true],
    [20, 1, false],
    [9, 2, false],
    [15, 20, false],
    [30, 5, true],
    [30, 6, false],
    [0, 1, false],
    [40, 1, false],
  ];
  for (const [offset, length, expected] of cases) expect(covers(ranges, offset, length)).toBe(expected);
  expect(covers([], 0, 1)).toBe(false);
});

/**
 * Differencing images whose parents are missing, changed, elsewhere, or named in other letters; and images cut short.
 */
import { copyFile, mkdir, readFile, rename, rm, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeEach, describe, expect, it } from 'vitest';
import { createDifferencingVhdxWriter, createVhdxWriter, openDisk } from '../../../backend/src/disk/index.ts';
import { noise } from '../../fixtures/content.ts';
import { cli, ok } from '../support/cli.ts';
import { scratchForEach } from '../support/scratch.ts';

const MIB = 1024 * 1024;
/** A file system that takes BASE.VHDX for base.vhdx has nothing to show here. */
const caseMatters = process.platform === 'linux';

describe('the parents of differencing images', () => {
  const scratch = scratchForEach('parents');
  let folder: string;
  let host: string;
  const at = (name: string) => join(folder, name);
  const check = (...args: string[]) => cli(['disk', 'check', ...args]);
  const create = (name: string, ...args: string[]) => cli(['vm', 'create', '--host', host, '--name', name, ...args]);

  beforeEach(async () => {
    folder = await scratch();
    host = `sim:${at('host')}`;
    ok(['host', 'create', at('host')]);
    const base = await createVhdxWriter(at('base.vhdx'), { size: 8 * MIB });
    await base.write(0, noise(MIB, 1));
    await base.finish();
    const child = await createDifferencingVhdxWriter(at('child.avhdx'), at('base.vhdx'), {});
    await child.write(2 * MIB, noise(MIB, 2));
    await child.finish();
  });

  it('that are there: disk check names them', async () => {
    const { status, json } = check(at('child.avhdx'));
    expect([status, json]).toEqual([
      0,
      { file: at('child.avhdx'), format: 'vhdx', ok: true, problems: [], chain: [at('base.vhdx')] },
    ]);
    expect(check(at('base.vhdx')).json).not.toHaveProperty('chain');
  });

  it('that are missing: damage to disk check, an error to vm create, and --parent finds them anywhere', async () => {
    await mkdir(at('elsewhere'));
    await rename(at('base.vhdx'), at('elsewhere/other name.vhdx'));
    const orphan = check(at('child.avhdx'));
    expect([orphan.status, orphan.json.ok]).toEqual([4, false]);
    expect(orphan.json.problems[0].message).toMatch(/The parent \(.*base\.vhdx\) of a differencing disk is not there/);
    const refused = create('vm', '--disk', at('child.avhdx'));
    expect([refused.status, refused.json.error.code]).toEqual([1, 'DISK_PARENT_MISSING']);
    expect(refused.json.error.advice).toContain('--parent FILE');
    const parent = ['--parent', at('elsewhere/other name.vhdx')];
    expect(check(at('child.avhdx'), ...parent).json).toMatchObject({
      ok: true,
      chain: [at('elsewhere/other name.vhdx')],
    });
    const { disks } = ok(['vm', 'create', '--host', host, '--name', 'vm', '--disk', at('child.avhdx'), ...parent]).vm;
    const disk = await openDisk(disks[0].path);
    const read = Buffer.alloc(3 * MIB);
    await disk.read(0, read);
    await disk.close();
    expect(read.equals(Buffer.concat([noise(MIB, 1), Buffer.alloc(MIB), noise(MIB, 2)]))).toBe(true);
    expect(
      ok(['vm', 'add-disk', '--host', host, '--vm', 'vm', '--file', at('child.avhdx'), ...parent]).vm.disks,
    ).toHaveLength(2);
  });

  it('that were changed, or are of another disk: never taken, also when they are named', async () => {
    const base = await openDisk(at('base.vhdx'), { writable: true });
    await base.write(0, noise(4096, 5));
    await base.close();
    for (const args of [[], ['--parent', at('base.vhdx')]]) {
      const changed = check(at('child.avhdx'), ...args);
      expect([changed.status, changed.json.problems[0].message]).toEqual([
        4,
        expect.stringContaining('was changed or replaced'),
      ]);
      expect(create('vm', '--disk', at('child.avhdx'), ...args).json.error.code).toBe('DISK_PARENT_MISMATCH');
    }
  });

  it.runIf(caseMatters)(
    'named in other case are found where one file has that name, and not where two have',
    async () => {
      await rename(at('base.vhdx'), at('BASE.VHDX'));
      expect(check(at('child.avhdx')).json).toMatchObject({ ok: true, chain: [at('BASE.VHDX')] });
      expect(create('vm', '--disk', at('child.avhdx')).status).toBe(0);
      await copyFile(at('BASE.VHDX'), at('Base.vhdx'));
      expect(check(at('child.avhdx')).status).toBe(4);
    },
  );

  it('named in a locator with a terminator: it says nothing, and the disk is read', async () => {
    const bytes = await readFile(at('child.avhdx'));
    const value = Buffer.from('.\\base.vhdx', 'utf16le');
    const found = bytes.indexOf(value);
    expect(found).toBeGreaterThan(0);
    // The last character of the name goes, a NUL stands in its place: `.\base.vhd`.
    bytes.writeUInt16LE(0, found + value.length - 2);
    await writeFile(at('child.avhdx'), bytes);
    await rename(at('base.vhdx'), at('base.vhd'));
    expect(check(at('child.avhdx')).json).toMatchObject({ ok: true, chain: [at('base.vhd')] });
    // In the middle it is damage.
    bytes.writeUInt16LE(0, found + 4);
    await writeFile(at('child.avhdx'), bytes);
    expect(check(at('child.avhdx')).status).toBe(4);
  });

  it('an image that was cut short is named as it was given, not as its copy that is gone', async () => {
    await truncate(at('base.vhdx'), 4 * MIB - 512);
    await rm(at('child.avhdx'));
    const { status, json, stderr } = create('vm', '--disk', at('base.vhdx'));
    expect([status, json.error.code]).toEqual([1, 'DISK_CORRUPT']);
    expect(stderr).toContain(at('base.vhdx'));
    expect(stderr + JSON.stringify(json)).not.toContain(at('host'));
  });
});

/**
 * Another host with an account of its own: how it gets there, that it gets nowhere else, and what happens when it does
 * not serve.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { openHost } from '../../../../backend/src/operations/open-host.ts';
import { readState } from '../../../helper/double/state.ts';
import { makeScratch } from '../../support/scratch.ts';
import { openDouble, pwsh } from './hyperv-double.ts';
import { HyperVWorld, MIB } from './hyperv-world.ts';

const PASSWORD = 's3cret-Pä$$\'`"\u{1F511} $(exit)';
const credential = { userName: 'LAB\\backup', password: PASSWORD };
const accounts = { [credential.userName]: PASSWORD };

describe('credentials', () => {
  it('are refused where they would be of no use', async () => {
    for (const host of ['hyperv:', 'sim:/nowhere']) {
      await expect(openHost({ host, credential })).rejects.toMatchObject({ code: 'USAGE' });
    }
  });
});

describe.skipIf(!pwsh)('another Hyper-V host with an account (skipped without pwsh)', () => {
  let world: HyperVWorld;
  beforeEach(async () => {
    world = await HyperVWorld.create(await makeScratch('hyperv-remote'), [4 * MIB]);
    world.behave({ accounts });
  });
  afterEach(async () => {
    world.behave({});
    await world.close();
  });
  const shares = () => readState(world.directory).shares ?? {};

  it('backs up and restores; the shares are given back; the password is in no file', async () => {
    const trace = join(world.folder, 'trace.jsonl');
    process.env.HVBACKUP_TRACE = trace;
    try {
      await world.write(0, 0, Buffer.alloc(MIB, 5));
      const full = await world.backup({ credential }, 'hyperv:other');
      await world.write(0, MIB, Buffer.alloc(512, 6));
      const incremental = await world.backup({ credential }, 'hyperv:other');
      expect([full.mode, incremental.mode]).toEqual(['full', 'incremental']);
      expect(await world.holds(incremental.restorePointId)).toBe(true);
      const restored = await world.restore(full.restorePointId, { host: 'hyperv:other', credential, newId: true });
      expect(restored.disks).toHaveLength(1);
    } finally {
      delete process.env.HVBACKUP_TRACE;
    }
    expect(world.calls).toContain('connect other LAB\\backup');
    expect(shares()).toEqual({});
    const needles = [PASSWORD, JSON.stringify(PASSWORD).slice(1, -1)].flatMap((text) =>
      (['utf8', 'utf16le'] as const).flatMap((encoding) => {
        const bytes = Buffer.from(text, encoding);
        return [bytes, ...base64Cores(bytes).map((core) => Buffer.from(core))];
      }),
    );
    for (const file of readdirSync(world.folder, { recursive: true, withFileTypes: true })) {
      if (!file.isFile()) continue;
      const path = join(file.parentPath, file.name);
      // It says which passwords it takes.
      if (path.endsWith('.behaviour.json')) continue;
      const bytes = readFileSync(path);
      expect(needles.filter((needle) => bytes.includes(needle)).length, path).toBe(0);
    }
    expect(readFileSync(trace, 'utf8')).toContain('"open"');
  });

  it('is refused: said which account, and what it needs', async () => {
    const wrong = { ...credential, password: 'wrong-one' };
    await expect(world.backup({ credential: wrong }, 'hyperv:other')).rejects.toMatchObject({
      code: 'ACCESS_DENIED',
      message: expect.stringMatching(/'other'.*'LAB\\backup'/),
      advice: expect.stringMatching(/password is wrong/),
    });
    await expect(world.backup({}, 'hyperv:other')).rejects.toMatchObject({
      code: 'ACCESS_DENIED',
      message: expect.stringMatching(/account of this process/),
      advice: expect.stringMatching(/member of Administrators.*LocalAccountTokenFilterPolicy/),
    });
    await expect(world.backup({ credential }, 'hyperv:untrusted-other')).rejects.toMatchObject({
      code: 'HOST_NOT_FOUND',
      advice: expect.stringMatching(/TrustedHosts/),
    });
    await expect(world.backup({ credential }, 'hyperv:no-other')).rejects.toMatchObject({ code: 'HOST_NOT_FOUND' });
  });

  it('whose shares refuse it: VMs are listed, and a backup fails before it makes a checkpoint', async () => {
    for (const [sharesRefuse, said] of [
      [5, /access is denied/],
      [1219, /connected to it with another account already/],
      [53, /firewall/],
      [1234, /error 1234/],
    ] as const) {
      world.behave({ accounts, sharesRefuse });
      await expect(world.backup({ credential }, 'hyperv:other')).rejects.toMatchObject({
        code: 'ACCESS_DENIED',
        message: expect.stringMatching(said),
        advice: expect.stringMatching(/administrative shares/),
      });
    }
    const host = openDouble(world.double, 'other', { credential });
    expect(await host.listVms()).toHaveLength(1);
    const { ready, findings } = await host.readiness(world.vmId);
    expect(ready).toBe(false);
    expect(findings).toContainEqual(expect.objectContaining({ code: 'SHARES_REFUSED', severity: 'error' }));
    await expect(world.backup({ credential }, 'hyperv:other')).rejects.toMatchObject({ code: 'ACCESS_DENIED' });
    await host.close();
    expect(world.calls).not.toContain('CreateSnapshot');
    expect(shares()).toEqual({});
  });

  it('whose shares refuse it, read by exports: backed up all the same, full and incremental, and every connection given back', async () => {
    world.behave({ accounts, sharesRefuse: 5 });
    const byExport = { credential, readMethod: 'export', exportFolder: join(world.folder, 'staging') };
    let point = '';
    for (const mode of ['full', 'incremental']) {
      await world.write(0, 4096, Buffer.from(mode));
      const result = await world.backup(byExport, 'hyperv:other');
      expect(result).toMatchObject({ mode, warnings: [], disks: [{ method: 'export' }] });
      point = result.restorePointId;
      expect(await world.holds(point)).toBe(true);
    }
    expect(readdirSync(join(world.folder, 'staging'))).toEqual([]);
    expect(shares()).toEqual({});
    // A wrong password is no matter of shares.
    const wrong = { ...byExport, credential: { ...credential, password: 'wrong-one' } };
    await expect(world.backup(wrong, 'hyperv:other')).rejects.toMatchObject({ code: 'ACCESS_DENIED' });
    // Restoring writes over them.
    await expect(
      world.restore(point, { host: 'hyperv:other', credential, newId: true, name: 'beside' }),
    ).rejects.toMatchObject({ code: 'ACCESS_DENIED', advice: expect.stringMatching(/administrative shares/) });
    expect(await world.checkpoints()).toEqual([]);
  });

  it('hosts of one process share the connection; the last one ends it', async () => {
    const [first, second] = [
      openDouble(world.double, 'other', { credential }),
      openDouble(world.double, 'OTHER', { credential }),
    ];
    await Promise.all([first.listVms(), second.listVms()]);
    await first.close();
    await first.close();
    expect(Object.keys(shares())).toEqual(['other']);
    await second.close();
    expect(shares()).toEqual({});
  });

  it.each(['get', 'associated', 'GetVirtualDiskChanges:before'])(
    'a session that drops at %s, where nothing is changed, is made again, once',
    async (drops) => {
      await world.write(0, 0, Buffer.alloc(MIB, 7));
      await world.backup({ credential }, 'hyperv:other');
      const before = world.calls.length;
      await world.write(0, MIB, Buffer.from(drops));
      world.behave({ accounts, drops });
      const result = await world.backup({ credential }, 'hyperv:other');
      expect(result).toMatchObject({ mode: 'incremental', warnings: [] });
      expect(await world.holds(result.restorePointId)).toBe(true);
      expect(world.calls.slice(before).filter((call) => call.startsWith('connect other'))).toHaveLength(2);
      expect(await world.checkpoints()).toEqual([]);
    },
  );

  it('a session that drops while a checkpoint is converted: the point stands, and the next run finds out what came of it', async () => {
    await world.write(0, 0, Buffer.alloc(MIB, 7));
    world.behave({ accounts, drops: 'ConvertToReferencePoint:after' });
    expect((await world.backup({ credential }, 'hyperv:other')).warnings.join()).toMatch(/HOST_LOST/);
    world.behave({ accounts });
    const last = await world.backup({ credential }, 'hyperv:other');
    expect(await world.holds(last.restorePointId)).toBe(true);
    expect(await world.checkpoints()).toEqual([]);
  });

  it('a session that drops while a checkpoint is asked for: an error, and the next run says what may be left', async () => {
    world.behave({ accounts, drops: 'CreateSnapshot:after' });
    await expect(world.backup({ credential }, 'hyperv:other')).rejects.toMatchObject({
      code: 'HOST_LOST',
      advice: expect.stringMatching(/WinRM/),
    });
    const [left] = await world.checkpoints();
    const next = await world.backup({ credential }, 'hyperv:other');
    expect(next.warnings.join()).toContain(left);
  });

  it('a session that cannot be made again: what broke is said', async () => {
    const host = openDouble(world.double, 'other', { credential });
    await host.listVms();
    world.behave({ accounts: { nobody: 'x' }, drops: 'instances' });
    await expect(host.listVms()).rejects.toMatchObject({ code: 'HOST_LOST' });
    world.behave({ accounts });
    expect(await host.listVms()).toHaveLength(1);
    await host.close();
  });

  it('a helper that was killed gets the account again', async () => {
    const host = openDouble(world.double, 'other', { credential });
    await host.listVms();
    world.behave({ accounts, kill: 'GetVirtualHardDiskSettingData:before' });
    expect(await host.listVms()).toHaveLength(1);
    await host.close();
  });
});

/** What any base64 text that holds `bytes` at whatever place holds too. */
function base64Cores(bytes: Buffer): string[] {
  return [0, 1, 2].map((shift) => {
    const text = Buffer.concat([Buffer.alloc(shift), bytes])
      .toString('base64')
      .replaceAll('=', '');
    return text.slice(shift === 0 ? 0 : shift + 1, -2);
  });
}

/**
 * The state folder is for one account: modes on Linux; owners and access lists on Windows, over a double of its
 * programs.
 */
import { chmodSync, chownSync, mkdirSync, readdirSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { type StateEnvironment, stateDirectory, stateFolder } from '../../../backend/src/support/state-directory.ts';
import type { RunProgram } from '../../../backend/src/support/windows-protection.ts';
import { World } from '../acceptance/world.ts';
import { scratchForEach } from './scratch.ts';

const scratch = scratchForEach('state-directory');
const mode = (path: string) => (statSync(path).mode & 0o777).toString(8);
const onLinux = (folder: string): StateEnvironment => ({
  variables: { HVBACKUP_STATE_DIR: folder },
  platform: 'linux',
  account: process.geteuid?.(),
  run: () => {
    throw new Error('nothing is run here');
  },
});
const isRoot = process.geteuid?.() === 0;

describe.skipIf(process.platform === 'win32')('on Linux', () => {
  it('is made for the account alone, with what lies in it', async () => {
    const folder = join(await scratch(), 'new', 'state');
    stateFolder('locks', undefined, onLinux(folder));
    expect([mode(folder), mode(join(folder, 'locks'))]).toEqual(['700', '700']);
  });

  it('is closed when it was open, unless it serves others too', async () => {
    const folder = await scratch();
    mkdirSync(join(folder, 'ours', 'locks'), { recursive: true });
    mkdirSync(join(folder, 'shared', 'locks'), { recursive: true });
    writeFileSync(join(folder, 'shared', 'another.txt'), '');
    for (const name of ['ours', 'shared']) {
      chmodSync(join(folder, name), 0o755);
      chmodSync(join(folder, name, 'locks'), 0o755);
      stateFolder('locks', undefined, onLinux(join(folder, name)));
      expect(mode(join(folder, name, 'locks'))).toBe('700');
    }
    expect([mode(join(folder, 'ours')), mode(join(folder, 'shared'))]).toEqual(['700', '755']);
  });

  it.runIf(isRoot)(
    'is refused when another account made it, or a folder in it, or a link to it (needs root)',
    async () => {
      const folder = await scratch();
      const [foreign, linked, inside] = ['foreign', 'linked', 'inside'].map((name) => join(folder, name));
      for (const path of [foreign!, join(inside!, 'locks')]) mkdirSync(path, { recursive: true });
      chownSync(foreign!, 1234, 1234);
      chownSync(join(inside!, 'locks'), 1234, 1234);
      symlinkSync(foreign!, linked!);
      for (const path of [foreign!, linked!])
        expect(() => stateDirectory(onLinux(path))).toThrow(
          expect.objectContaining({ code: 'STATE_FOLDER_UNSAFE', message: expect.stringContaining('user 1234') }),
        );
      expect(() => stateFolder('locks', undefined, onLinux(inside!))).toThrow(/belongs to another account/);
      // One that an ordinary account finds and root made is no danger to it.
      expect(() => secureAs(1234, inside!)).not.toThrow();
    },
  );

  it('ends with an error where nothing can be made', () => {
    expect(() => stateDirectory(onLinux('/proc/no/such/state'))).toThrow();
  });

  it('leaves nothing that other accounts can read after backups and a removal', async () => {
    const before = process.umask(0o022);
    try {
      const world = await World.create(join(await scratch(), 'world'));
      world.vm('guest', await world.rawImage(Buffer.alloc(1 << 20, 7)));
      const { restorePointId } = world.backup('guest');
      world.backup('guest');
      world.remove(restorePointId);
      const made = readdirSync(world.state, { recursive: true, encoding: 'utf8' });
      expect(made.some((name) => name.startsWith('locks/'))).toBe(true);
      expect(made.filter((name) => (statSync(join(world.state, name)).mode & 0o077) !== 0)).toEqual([]);
    } finally {
      process.umask(before);
    }
  });
});

describe('on Windows, over a double of its programs', () => {
  const OWN = 'S-1-5-21-1-2-3-1001';
  const closed = `O:BAG:SYD:PAI(A;OICI;FA;;;SY)(A;OICI;FA;;;BA)(A;OICI;FA;;;${OWN})`;
  const open = 'O:BAG:SYD:AI(A;OICIID;FA;;;SY)(A;OICIID;FA;;;BA)(A;CIID;DCLCRPCR;;;BU)';

  /** @param descriptors as Get-Acl gives them; null: it fails */
  function onWindows(
    folder: string,
    descriptors: string[] | null = [],
    options: { refuse?: boolean; byHand?: boolean } = {},
  ) {
    const runs: string[] = [];
    const run: RunProgram = (file, args) => {
      runs.push([file, ...args].join(' ').replaceAll('/', '\\'));
      if (file.endsWith('whoami.exe')) return { status: 0, stdout: `"lab\\me","${OWN}"\r\n` };
      if (file.endsWith('icacls.exe')) return { status: options.refuse ? 5 : 0, stdout: '' };
      return { status: descriptors === null ? 1 : 0, stdout: (descriptors ?? []).join('\r\n') };
    };
    const place = options.byHand ? { HVBACKUP_STATE_DIR: join(folder, 'HyperVBackup') } : { ProgramData: folder };
    const variables = { SystemRoot: 'C:\\Windows', ...place };
    return { environment: { variables, platform: 'win32', account: undefined, run } as StateEnvironment, runs };
  }
  const icacls = (runs: string[]) => runs.filter((text) => text.includes('icacls'));

  it('a new one gets an access list of its own, once', async () => {
    const { environment, runs } = onWindows(await scratch());
    const path = stateDirectory(environment);
    stateDirectory(environment);
    expect(icacls(runs)).toEqual([
      `C:\\Windows\\System32\\icacls.exe ${path} /inheritance:r /grant:r *S-1-5-18:(OI)(CI)F *S-1-5-32-544:(OI)(CI)F *${OWN}:(OI)(CI)F`.replaceAll(
        '/',
        '\\',
      ),
    ]);
  });

  it.each([
    ['the folder', 'S-1-5-21-1-2-3-1002', true],
    ['what lies in it', 'S-1-5-21-1-2-3-1002', false],
    ['the folder, who is a built-in account', 'BU', true],
  ])('one is refused when another account owns %s', async (_, owner, top) => {
    const foreign = closed.replace('O:BA', `O:${owner}`);
    const folder = await scratch();
    mkdirSync(join(folder, 'HyperVBackup'));
    const { environment, runs } = onWindows(folder, top ? [foreign, closed] : [closed, closed, foreign]);
    expect(() => stateDirectory(environment)).toThrow(new RegExp(`belongs to another account \\(${owner}\\)`));
    expect(icacls(runs)).toEqual([]);
  });

  it('an open one of ours is closed; one that was named by hand is not, and one that cannot be inspected is used', async () => {
    const count = async (descriptors: string[] | null, byHand: boolean) => {
      const folder = await scratch();
      mkdirSync(join(folder, 'HyperVBackup'));
      const { environment, runs } = onWindows(folder, descriptors, { byHand });
      stateDirectory(environment);
      return icacls(runs).length;
    };
    expect([await count([open], false), await count([closed], false)]).toEqual([1, 0]);
    expect([await count([open], true), await count(null, false)]).toEqual([0, 0]);
  });

  it('one that cannot be closed is refused, unless it was named by hand', async () => {
    const refused = onWindows(await scratch(), [], { refuse: true });
    expect(() => stateDirectory(refused.environment)).toThrow(/cannot be closed to other accounts/);
    const byHand = onWindows(await scratch(), [], { refuse: true, byHand: true });
    expect(() => stateDirectory(byHand.environment)).not.toThrow();
  });

  it('a path cannot break out of the question that is asked about it', async () => {
    const folder = join(await scratch(), "it's");
    mkdirSync(join(folder, 'HyperVBackup'), { recursive: true });
    const { environment, runs } = onWindows(folder, [closed]);
    stateDirectory(environment);
    expect(runs.join()).toContain("it''s");
  });
});

function secureAs(account: number, folder: string): void {
  stateDirectory({ ...onLinux(folder), account });
}

/** The helper process as such: what it survives, what it hands on, and that no value becomes script. */
import { spawn, spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { chmod, mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Helper } from '../../../../backend/src/hosts/hyperv/helper/helper.ts';
import { giveHelper, takeHelper } from '../../../../backend/src/hosts/hyperv/helper/helper-pool.ts';
import { parseLine, renderRequest } from '../../../../backend/src/hosts/hyperv/helper/lines.ts';
import { childEnvironment, powerShellPath } from '../../../../backend/src/hosts/hyperv/helper/shell.ts';
import { queryChanges } from '../../../../backend/src/hosts/hyperv/reading/changes.ts';
import { createSimulatedHost, type SimulatedHost } from '../../../../backend/src/hosts/simulated/index.ts';
import { setBehaviour } from '../../../helper/double/state.ts';
import { scratchForSuite } from '../../support/scratch.ts';
import { missingForDouble } from '../../support/virtdisk-double.ts';
import { type DoubleFolder, makeDouble, openDouble, pwsh } from './hyperv-double.ts';

const alive = (pid: number): boolean => {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
};

/** Names that would do something if they were ever script, a query, a path or a date. */
const NASTY = [
  "O'Brien; Remove-Item -Recurse ~",
  '$(New-Item PWNED)',
  '"; New-Item PWNED; "',
  '`n`$env:PATH`',
  'a\nNew-Item PWNED\nb',
  '[a-z]*?',
  "' OR Name LIKE '%",
  '%TEMP%\\..\\x',
  '@{a=1}',
  '&amp;<VALUE>]]>',
  '2026-01-01T00:00:00Z',
  '/Date(0)/',
  '✓ Ünïcødé 東京 \u{1F4BE} \u202Ertl',
  'x'.repeat(300),
  ' spaces ',
];

describe('helper lines', () => {
  it('carry any value in letters that mean nothing to PowerShell', () => {
    for (const name of NASTY) {
      const command = renderRequest(7, 'describe', { name });
      expect(command).toMatch(/^Invoke-HelperRequest '[A-Za-z0-9+/=]+'$/);
      const base64 = /'(.*)'/.exec(command)![1]!;
      expect(JSON.parse(Buffer.from(base64, 'base64').toString()).params.name).toBe(name);
    }
  });

  it('are found among what a shell writes besides', () => {
    const value = Buffer.from('{"ok":true}').toString('base64');
    expect(parseLine(`\u001b[?1h@hvh 3 r ${value}\r`)).toEqual({ id: 3, kind: 'r', value: { ok: true } });
    for (const line of ['', '@hvh 3 r', '@hvh x r e30=', `@hvh 3 q ${value}`, '@hvh 3 r e3', 'PS C:\\>']) {
      expect(parseLine(line)).toBeNull();
    }
  });

  it('go to a PowerShell by its absolute path, with nothing of the user in its environment', () => {
    expect(powerShellPath({ SystemRoot: 'D:\\Windows' }, 'win32')).toBe(
      'D:\\Windows\\System32\\WindowsPowerShell\\v1.0\\powershell.exe',
    );
    expect(() => powerShellPath({}, 'linux')).toThrow(/from Windows only/);
    expect(() => powerShellPath({ HVBACKUP_POWERSHELL: 'pwsh' }, 'win32')).toThrow(/absolute path/);
    const environment = childEnvironment('h', {
      PSModulePath: 'x',
      HVBACKUP_HELPER_MODULES: 'x',
      NODE_OPTIONS: 'x',
      NODE_POWERSHELL: 'x',
      HOME: '/h',
    });
    expect(environment).not.toHaveProperty('PSModulePath');
    expect(environment).not.toHaveProperty('HVBACKUP_HELPER_MODULES');
    expect(environment).not.toHaveProperty('NODE_POWERSHELL');
    expect(environment.HVBACKUP_HELPER).toBe('h');
  });
});

describe.skipIf(!pwsh)('helper process (skipped without pwsh)', () => {
  let folder: string;
  let directory: string;
  let world: SimulatedHost;
  let double: DoubleFolder;
  let vmId: string;
  beforeAll(async () => {
    folder = await scratchForSuite('hyperv-helper');
    directory = join(folder, "host it's [1] $(x) `n");
    world = await createSimulatedHost(directory);
    await mkdir(`${directory}.disks`);
    vmId = (await world.createVm({ name: 'guest', disks: [{ size: 1 << 22 }] })).vm.id;
    double = await makeDouble(join(folder, "it's [a] $(b)"), directory);
  });
  afterAll(() => world?.close());

  it('takes names for names, whatever they are', async () => {
    const host = openDouble(double);
    try {
      for (const name of NASTY) await world.createVm({ name, disks: [{ size: 1 << 20 }] });
      const listed = (await host.listVms()).map((vm) => vm.name);
      for (const name of NASTY) {
        expect(listed).toContain(name);
        const vm = await host.getVm(name);
        expect(vm.name).toBe(name);
        const label = `HyperVBackup ${name}`;
        const checkpoint = await host.createRecoveryCheckpoint(vm.id, {
          consistency: 'crash',
          allowCrashConsistent: false,
          label,
        });
        expect((await host.listRecoveryCheckpoints(vm.id)).map((entry) => entry.label)).toEqual([label]);
        await host.removeCheckpoint(checkpoint.id);
        await world.removeVm(vm.id);
      }
      expect(existsSync('PWNED')).toBe(false);
      for (const name of NASTY) {
        await expect(host.getVm(name)).rejects.toMatchObject({ code: 'VM_NOT_FOUND' });
        await expect(host.listRecoveryCheckpoints(name)).rejects.toMatchObject({ code: 'VM_NOT_FOUND' });
        await host.removeReferencePoint(name);
      }
    } finally {
      await host.close();
    }
  });

  it('loads no module of the user, whatever command it has', async () => {
    const home = await scratchForSuite('hyperv-helper-home');
    const marker = join(home, 'PWNED');
    // Where PowerShell looks first for the modules of an account; of this name it takes the first one for its own.
    const module = 'Microsoft.PowerShell.Utility';
    const folder = join(home, '.local/share/powershell/Modules', module);
    await mkdir(folder, { recursive: true });
    // Any of these may be the first one that the helper uses, which decides.
    const commands = [
      'ConvertTo-Json',
      'ConvertFrom-Json',
      'Add-Type',
      'New-Object',
      'Select-Object',
      'Write-Output',
      'Get-Random',
    ];
    const mark = `Set-Content -LiteralPath '${marker}' x`;
    const functions = commands.map((name) => `function ${name} { ${mark} }\n`);
    await writeFile(join(folder, `${module}.psm1`), `${mark}\n${functions.join('')}`);
    const exported = commands.map((name) => `'${name}'`).join();
    await writeFile(
      join(folder, `${module}.psd1`),
      `@{ ModuleVersion = '9.0'; RootModule = '${module}.psm1'; FunctionsToExport = ${exported} }`,
    );
    // Without our doing it is loaded.
    const env = { ...process.env, HOME: home, POWERSHELL_TELEMETRY_OPTOUT: '1' };
    spawnSync(pwsh!, ['-NoProfile', '-Command', 'ConvertTo-Json 1'], { env });
    expect(existsSync(marker)).toBe(true);
    await rm(marker);
    const helper = new Helper(await makeDouble(join(home, 'double'), directory, { settings: { HOME: home } }));
    try {
      expect((await helper.state()).processId).toBe(helper.pid);
      expect(existsSync(marker)).toBe(false);
    } finally {
      await helper.close();
    }
  });

  it('is started again after it was killed, and asks again what can be asked twice', async () => {
    const helper = new Helper(double);
    try {
      const { processId } = await helper.state();
      expect(helper.pid).toBe(processId);
      setBehaviour(directory, { kill: 'GetVirtualHardDiskSettingData:before' });
      const { path } = (await world.getVm(vmId)).disks[0]!;
      const answer = await helper.request<{ disks: { size: number }[] }>(
        'diskFacts',
        { paths: [path] },
        { repeat: true },
      );
      expect(answer.disks[0]!.size).toBe(1 << 22);
      expect(helper.pid).not.toBe(processId);
      setBehaviour(directory, { kill: 'GetVirtualHardDiskSettingData:before' });
      await expect(helper.request('diskFacts', { paths: [path] })).rejects.toMatchObject({
        code: 'HELPER_FAILED',
        data: { died: true },
      });
    } finally {
      setBehaviour(directory, {});
      await helper.close();
    }
  });

  it('is kept for the next user; not by two at a time, not after a failure, and no process lives on for it', async () => {
    const made: Helper[] = [];
    const make = (): Helper => made[made.push(new Helper(double)) - 1]!;
    // What keeps this process alive.
    const held = () => process.getActiveResourcesInfo().filter((name) => name === 'ProcessWrap').length;
    const first = takeHelper('a', make);
    const { processId } = await first.state();
    const inUse = held();
    await giveHelper('a', first);
    expect(held()).toBeLessThan(inUse);
    // What differs in anything is another helper.
    const other = takeHelper('b', make);
    expect(other).not.toBe(first);
    expect(takeHelper('a', make)).toBe(first);
    expect((await first.state()).processId).toBe(processId);
    const meanwhile = takeHelper('a', make);
    expect(meanwhile).not.toBe(first);
    await other.close();
    await meanwhile.close();
    await giveHelper('a', first);
    process.kill(processId, 'SIGKILL');
    while (first.running) await pause(20);
    const next = takeHelper('a', make);
    expect(next).not.toBe(first);
    await next.state();
    process.kill(next.pid!, 'SIGKILL');
    await expect(next.request('diskFacts', { paths: [] })).rejects.toMatchObject({ data: { died: true } });
    await giveHelper('a', next);
    const last = takeHelper('a', make);
    expect(last).not.toBe(next);
    await last.close();
    expect(made).toHaveLength(5);
  });

  it('is ended when it hangs', async () => {
    // Long enough for a busy machine to answer, short enough to wait for.
    const helper = new Helper({ ...double, silenceMs: 10_000 });
    try {
      await helper.state();
      setBehaviour(directory, { hangs: ['GetVirtualHardDiskSettingData'] });
      await expect(helper.request('diskFacts', { paths: ['x'] })).rejects.toMatchObject({
        code: 'HELPER_FAILED',
        message: expect.stringMatching(/said nothing/),
      });
      setBehaviour(directory, {});
      const answer = await helper.request<{ systems: unknown[] }>('listSystems', {});
      expect(answer.systems).toHaveLength(1);
    } finally {
      setBehaviour(directory, {});
      await helper.close();
    }
  });

  it('keeps the checkpoint that was being made when it died, by its job', async () => {
    const host = openDouble(double);
    try {
      // Between the call and its answer nobody knows the job; from the first look at it on, it is known.
      setBehaviour(directory, { kill: 'ModifySystemSettings:before' });
      const checkpoint = await host.createRecoveryCheckpoint(vmId, {
        consistency: 'application',
        allowCrashConsistent: false,
        label: 'ours',
      });
      expect(checkpoint.label).toBe('ours');
      expect(await host.listRecoveryCheckpoints(vmId)).toEqual([checkpoint]);
      await host.removeCheckpoint(checkpoint.id);
    } finally {
      setBehaviour(directory, {});
      await host.close();
    }
  });

  it('ends when the backend is gone', async () => {
    const script = `
      import { Helper } from ${JSON.stringify(join(import.meta.dirname, '../../../../backend/src/hosts/hyperv/helper/helper.ts'))};
      const helper = new Helper(${JSON.stringify(double)});
      console.log((await helper.state()).processId);
      setInterval(() => {}, 1000);
    `;
    const file = join(folder, 'backend.ts');
    await writeFile(file, script);
    const child = spawn(process.execPath, [file], { stdio: ['ignore', 'pipe', 'inherit'] });
    const pid = await new Promise<number>((resolve) => child.stdout.once('data', (text) => resolve(Number(text))));
    expect(alive(pid)).toBe(true);
    child.kill('SIGKILL');
    for (let wait = 0; wait < 100 && alive(pid); wait++) await pause(100);
    expect(alive(pid)).toBe(false);
  });

  it('says so, and at once, when PowerShell is constrained by policy', async () => {
    const executable = join(folder, 'constrained');
    const mode = `'$ExecutionContext.SessionState.LanguageMode = "ConstrainedLanguage"\\n'`;
    await writeFile(
      executable,
      `#!/bin/sh\n(printf ${mode}; cat) | exec '${double.executable.replaceAll("'", "'\\''")}' "$@"\n`,
    );
    await chmod(executable, 0o755);
    const helper = new Helper({ executable, helper: double.helper });
    await expect(helper.state()).rejects.toMatchObject({
      code: 'NOT_SUPPORTED',
      message: expect.stringMatching(/ConstrainedLanguage/),
      advice: expect.stringMatching(/exempt the account|hyperv:SERVER/),
    });
    await helper.close();
  });

  it('says what is wrong when PowerShell cannot be used', async () => {
    const none = new Helper({ executable: join(folder, 'no-such-file'), helper: double.helper });
    await expect(none.state()).rejects.toMatchObject({
      code: 'HELPER_FAILED',
      data: { executable: expect.any(String) },
    });
    await none.close();
    const wrong = new Helper({ executable: '/bin/false', helper: double.helper });
    await expect(wrong.state()).rejects.toMatchObject({ code: 'HELPER_FAILED' });
    await wrong.close();
    setBehaviour(directory, { accessDenied: true });
    const refused = new Helper(double);
    await expect(refused.state()).rejects.toMatchObject({
      code: 'ACCESS_DENIED',
      advice: expect.stringMatching(/elevated/),
    });
    await refused.close();
    setBehaviour(directory, {});
    const unreachable = new Helper({ ...double, server: 'no-such-server' });
    await expect(unreachable.state()).rejects.toMatchObject({
      code: 'HOST_NOT_FOUND',
      message: expect.stringMatching(/no-such-server/),
    });
    await unreachable.close();
  });
});

describe.skipIf(missingForDouble.length > 0)('helper with virtdisk (skipped without Linux, gcc and pwsh)', () => {
  const ID = 'rctX:5bfde23b:ce75:4303:b54f:6c18394f105c:00000001';
  const COUNT = 300_000;
  const SIZE = 2 ** 40;

  it(`hands on ${COUNT} changed ranges, none lost`, async () => {
    const folder = await scratchForSuite('hyperv-ranges');
    const directory = join(folder, 'host');
    await (await createSimulatedHost(directory)).close();
    const double = await makeDouble(folder, directory, { native: true });
    const path = join(folder, 'disk.vhdx');
    await writeFile(path, '');
    const lines = [`size ${SIZE}`, 'tracking on', 'max-ranges 1000', `id ${ID}`, `ranges 0 3145728 4096 ${COUNT}`];
    await writeFile(`${path}.rct.txt`, `${lines.join('\n')}\n`);
    const helper = new Helper(double);
    try {
      expect((await helper.state()).virtDisk).toEqual({ available: true, reason: '', source: 'assembly' });
      const start = performance.now();
      let count = 0;
      let pages = 0;
      for await (const page of queryChanges(helper, { path, rctId: ID, size: SIZE, method: 'virtdisk' })) {
        pages++;
        for (const { offset, length } of page)
          if (offset !== 3145728 * count++ || length !== 4096) throw new Error(`${count}`);
      }
      expect(count).toBe(COUNT);
      expect(pages).toBeGreaterThan(1);
      console.log(`${COUNT} ranges in ${pages} pages: ${Math.round(performance.now() - start)} ms`);
      const unknown = queryChanges(helper, { path, rctId: 'rctX:no', size: SIZE, method: 'virtdisk' });
      await expect(unknown.next()).rejects.toMatchObject({
        code: 'TRACKING_ID_INVALID',
        data: { symbol: expect.stringMatching(/CHANGE_TRACKING/) },
      });
      const resized = queryChanges(helper, { path, rctId: ID, size: SIZE - 4096, method: 'virtdisk' });
      await expect(resized.next()).rejects.toMatchObject({ code: 'TRACKING_INCONSISTENT' });
    } finally {
      await helper.close();
    }
  });
});

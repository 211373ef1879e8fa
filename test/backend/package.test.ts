/** The published folder: everything is in it, it works on its own, and what was changed in it is not loaded. */
import { createHash } from 'node:crypto';
import { appendFileSync, existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createSimulatedHost } from '../../backend/src/hosts/simulated/index.ts';
import { FILE_LIST, makePackage, sealPackage } from '../../build/lib/package.ts';
import { scratchForSuite } from './support/scratch.ts';
import { hasTool, tool } from './support/tools.ts';

const usable = process.platform === 'linux' && process.arch === 'x64' && hasTool('pwsh');

describe.skipIf(!usable)('the package (skipped without pwsh on linux-x64)', () => {
  let scratch: string;
  let folder: string;
  let notes: string[];
  const assembly = () => join(folder, 'module', 'Helper', 'virtdisk', 'VirtDisk.dll');
  const script = (text: string) =>
    tool('pwsh', '-NoProfile', '-NonInteractive', '-Command', `$ErrorActionPreference = 'Stop'; ${text}`).trim();
  beforeAll(async () => {
    scratch = await scratchForSuite('package');
    ({ folder, notes } = await makePackage({ to: scratch, node: 'linux-x64' }));
  });
  afterAll(() => undefined);

  it('lists every file with its hash', () => {
    const { files } = JSON.parse(readFileSync(join(folder, FILE_LIST), 'utf8')) as { files: Record<string, string> };
    expect(Object.keys(files)).toEqual(
      expect.arrayContaining([
        'HyperVBackup.psd1',
        'backend/hvbackup.cjs',
        'bin/node',
        'LICENSE',
        'module/Helper/HyperVHelper.ps1',
      ]),
    );
    expect(Object.keys(files).filter((name) => name.startsWith('licences/')).length).toBeGreaterThan(3);
    const all = readdirSync(folder, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
    expect(all).toHaveLength(Object.keys(files).length + 1);
    for (const [name, hash] of Object.entries(files))
      expect(
        createHash('sha256')
          .update(readFileSync(join(folder, name)))
          .digest('hex'),
        name,
      ).toBe(hash);
    // Read as it lies there, without decoding: a start takes less.
    expect(readFileSync(join(folder, 'backend', 'hvbackup.cjs')).every((byte) => byte < 0x80)).toBe(true);
    // What is missing is said by its name.
    expect(existsSync(assembly()) || notes.join().includes('VirtDisk.dll was left out')).toBe(true);
  });

  it('backs up with nothing but what is in it', async () => {
    const lab = join(scratch, 'lab');
    const host = await createSimulatedHost(lab);
    await host.createVm({ name: 'web01', disks: [{ size: 1 << 21 }] });
    await host.close();
    const said = script(`
      Remove-Item -Path env:HVBACKUP_NODE, env:HVBACKUP_BACKEND -ErrorAction SilentlyContinue
      $env:PATH = ''; $env:HVBACKUP_STATE_DIR = '${scratch}/state'; $env:HVBACKUP_HOST = 'sim:${lab}'
      Import-Module '${folder}/HyperVBackup.psd1'
      $null = New-VMBackupRepository -Path '${scratch}/repository'
      $made = Backup-VMRct web01 -Repository '${scratch}/repository'
      $listed = Get-VMBackup -Repository '${scratch}/repository'
      "$($made.Mode) $($listed.Id -eq $made.RestorePointId) $((Get-Module HyperVBackup).ModuleBase)"`);
    expect(said).toMatch(new RegExp(`Full True ${folder}`));
  });

  it.each(['backend/hvbackup.cjs', 'bin/node'])('is not started where %s is damaged, and says so', (name) => {
    const start = () =>
      script(`
        Remove-Item -Path env:HVBACKUP_NODE, env:HVBACKUP_BACKEND -ErrorAction SilentlyContinue
        $env:HVBACKUP_STATE_DIR = '${scratch}/state'
        Import-Module '${folder}/HyperVBackup.psd1'
        try { $null = New-VMBackupRepository -Path '${scratch}/for ${name.replace('/', ' ')}'; 'started' } catch { "$_ $($_.ErrorDetails.RecommendedAction)" }`);
    const before = readFileSync(join(folder, name));
    appendFileSync(join(folder, name), 'x');
    expect(start()).toMatch(new RegExp(`${name} is not the file that its files.json names.*install it again`, 's'));
    writeFileSync(join(folder, name), before);
    expect(start()).toBe('started');
  });

  it('loads its VirtDisk.dll while it is what files.json says, and compiles the sources otherwise', () => {
    if (!existsSync(assembly())) {
      console.log(`skipped: ${notes.join(' ')}`);
      return;
    }
    const load = () =>
      script(`
        . '${folder}/module/Helper/HyperVHelper.ps1'
        Import-VirtDisk
        "$script:VirtDiskSource|$script:VirtDiskProblem|$([HyperVBackup.VirtDisk].Assembly.Location)|$([HyperVBackup.VirtDisk].Assembly.GetReferencedAssemblies().Name -join ',')"`);
    expect(load()).toContain(`assembly||${assembly()}|mscorlib`);
    appendFileSync(assembly(), 'x');
    expect(load()).toMatch(/compiled: VirtDisk.dll is not the file that files.json names\|\|\|/);
    // As after signing.
    sealPackage(folder);
    expect(load()).toContain('assembly||');
  });
});

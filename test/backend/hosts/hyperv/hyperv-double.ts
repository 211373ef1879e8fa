/** The Hyper-V adapter over its doubles: the real helper script, under pwsh, on a simulated host (test/helper). */
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { rmSync } from 'node:fs';
import { chmod, mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, delimiter, dirname, join, resolve } from 'node:path';
import { build } from 'esbuild';
import { type HyperVHost, type HyperVOptions, openHyperVHost } from '../../../../backend/src/hosts/hyperv/index.ts';
import { madeOnce } from '../../support/made-once.ts';
import { findTool } from '../../support/tools.ts';
import { buildVirtDiskDouble, DOUBLE_SOURCES } from '../../support/virtdisk-double.ts';

const ROOT = resolve(import.meta.dirname, '../../../..');
const HELPER = join(ROOT, 'module', 'Helper');
const DOUBLE = join(ROOT, 'test', 'helper');

export const pwsh = findTool('pwsh');

export interface DoubleFolder {
  /** A PowerShell that sees the doubles. */
  executable: string;
  /** The helper script, with the double's VirtDisk.ps1 in the place of its own. */
  helper: string;
}

/**
 * .NET without what pays off only in long runs, PowerShell without its call home. A helper compiles more than it runs:
 * mapping each piece of code twice, so that it is never writable and executable, and optimising it are more than half
 * of its CPU time.
 */
const QUICK_START = {
  DOTNET_TieredCompilation: '0',
  DOTNET_JITMinOpts: '1',
  DOTNET_EnableWriteXorExecute: '0',
  DOTNET_gcConcurrent: '0',
  POWERSHELL_TELEMETRY_OPTOUT: '1',
};

const quoted = (text: string): string => `'${text.replaceAll("'", "'\\''")}'`;

export interface DoubleOptions {
  /** Further variables of the helper's process. */
  settings?: Record<string, string>;
  /**
   * The shipped VirtDisk.ps1 and VirtDisk.cs, over the double of virtdisk.dll, instead of functions of the WMI double.
   */
  native?: boolean;
}

/** @param directory of the simulated host */
export async function makeDouble(
  folder: string,
  directory: string,
  options: DoubleOptions = {},
): Promise<DoubleFolder> {
  const { native = false } = options;
  const helper = join(folder, 'double', 'Helper');
  for (const name of await helperFiles('.ps1')) {
    const replaced = basename(name) === 'VirtDisk.ps1' && !native;
    await mkdir(dirname(join(helper, name)), { recursive: true });
    await symlink(replaced ? join(DOUBLE, 'VirtDisk.ps1') : join(HELPER, name), join(helper, name));
  }
  await symlink(join(ROOT, 'module', 'Private'), join(folder, 'double', 'Private'));
  let settings = options.settings ?? {};
  if (native) {
    const library = await madeOnce(
      'virtdisk',
      [DOUBLE_SOURCES],
      async (made) => void (await buildVirtDiskDouble(made)),
    );
    settings = { ...settings, LD_LIBRARY_PATH: library, WMI_DOUBLE_NATIVE: '1' };
    const file = join(helper, 'virtdisk', 'VirtDisk.dll');
    await symlink(await assembly(), file);
    const sha256 = createHash('sha256')
      .update(await readFile(file))
      .digest('hex');
    const files = { 'module/Helper/virtdisk/VirtDisk.dll': sha256 };
    await writeFile(join(folder, 'files.json'), JSON.stringify({ files }));
  }
  const server = await madeOnce('wmi-double', [join(ROOT, 'backend', 'src'), join(DOUBLE, 'double')], bundleServer);
  const variables = {
    HVBACKUP_HELPER_MODULES: delimiter + join(DOUBLE, 'modules'),
    WMI_DOUBLE_NODE: process.execPath,
    WMI_DOUBLE_SERVER: join(server, 'server.mjs'),
    WMI_DOUBLE_HOST: directory,
    ...QUICK_START,
    HVBACKUP_HELPER: join(helper, 'HyperVHelper.ps1'),
    ...settings,
  };
  const executable = join(folder, 'double', 'powershell');
  const exports = Object.entries(variables).map(([name, value]) => `export ${name}=${quoted(value)}\n`);
  await writeFile(executable, `#!/bin/sh\n${exports.join('')}exec ${quoted(pwsh ?? 'pwsh')} "$@"\n`);
  await chmod(executable, 0o755);
  return { executable, helper: variables.HVBACKUP_HELPER };
}

const shared = new Map<string, Promise<{ double: DoubleFolder; folder: string }>>();

/**
 * Doubles for one world after the other: their helper stays warm, which makes a backup five to ten times as fast. What
 * a test kills is started again as ever. @param directory of the simulated host that they stand on from now on @returns
 * also how to leave it
 */
export async function shareDouble(
  directory: string,
  options: DoubleOptions = {},
): Promise<{ double: DoubleFolder; leave: () => Promise<void> }> {
  const key = JSON.stringify(options);
  if (!shared.has(key)) shared.set(key, makeShared(options));
  const { double, folder } = await shared.get(key)!;
  const link = join(folder, 'host');
  await symlink(directory, link).catch(() => {
    throw new Error('another world stands on the shared doubles');
  });
  return { double, leave: () => rm(link, { force: true }) };
}

async function makeShared(options: DoubleOptions): Promise<{ double: DoubleFolder; folder: string }> {
  const folder = await mkdtemp(join(tmpdir(), 'hvb-doubles-'));
  process.once('exit', () => rmSync(folder, { recursive: true, force: true }));
  return { double: await makeDouble(folder, join(folder, 'host'), options), folder };
}

/** The double's process starts with every helper: as one file that is a fifth of a second instead of half a one. */
async function bundleServer(folder: string): Promise<void> {
  await build({
    entryPoints: [join(DOUBLE, 'double', 'server.ts')],
    outfile: join(folder, 'server.mjs'),
    bundle: true,
    platform: 'node',
    target: 'node24',
    format: 'esm',
    sourcemap: 'inline',
    logLevel: 'warning',
  });
}

/** Relative to the helper's folder. */
const helperFiles = async (extension: string): Promise<string[]> =>
  (await readdir(HELPER, { recursive: true })).filter((name) => name.endsWith(extension));

/** What the package ships beside the sources. */
async function assembly(): Promise<string> {
  const sources = (await helperFiles('.cs')).map((name) => join(HELPER, name));
  const made = await madeOnce('assembly', [...sources, pwsh!], (folder) =>
    compileAssembly(sources, join(folder, 'VirtDisk.dll')),
  );
  return join(made, 'VirtDisk.dll');
}

function compileAssembly(sources: string[], target: string): void {
  const script = `Add-Type -Path $env:HVB_SOURCES.Split("\`n") -OutputAssembly $env:HVB_TARGET`;
  const env = { ...process.env, HVB_SOURCES: sources.join('\n'), HVB_TARGET: target };
  const { status, stderr } = spawnSync(pwsh!, ['-NoProfile', '-Command', script], { env, encoding: 'utf8' });
  if (status !== 0) throw new Error(stderr);
}

export const openDouble = (double: DoubleFolder, server?: string, options: HyperVOptions = {}): HyperVHost =>
  openHyperVHost(server, { ...double, ...options });

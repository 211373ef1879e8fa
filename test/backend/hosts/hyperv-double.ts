/** The Hyper-V adapter over its doubles: the real helper script, under pwsh, on a simulated host (test/helper). */
import { spawnSync } from 'node:child_process';
import { chmod, mkdir, readdir, symlink, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { type HyperVHost, type HyperVOptions, openHyperVHost } from '../../../backend/src/hosts/hyperv/index.ts';
import { findTool } from '../support/tools.ts';
import { buildVirtDiskDouble } from '../support/virtdisk-double.ts';

const ROOT = resolve(import.meta.dirname, '../../..');
const HELPER = join(ROOT, 'module', 'Helper');
const DOUBLE = join(ROOT, 'test', 'helper');

export const pwsh = findTool('pwsh');

export interface DoubleFolder {
  /** A PowerShell that sees the doubles. */
  executable: string;
  /** The helper script, with the double's VirtDisk.ps1 beside it. */
  helper: string;
}

const quoted = (text: string): string => `'${text.replaceAll("'", "'\\''")}'`;

export interface DoubleOptions {
  /** Further variables of the helper's process. */
  settings?: Record<string, string>;
  /** The shipped VirtDisk.ps1 and VirtDisk.cs, over the double of virtdisk.dll, instead of functions of the WMI double. */
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
  await mkdir(helper, { recursive: true });
  for (const name of await readdir(HELPER)) {
    if (!name.endsWith('.ps1')) continue;
    await symlink(name === 'VirtDisk.ps1' && !native ? join(DOUBLE, name) : join(HELPER, name), join(helper, name));
  }
  await symlink(join(ROOT, 'module', 'Private'), join(folder, 'double', 'Private'));
  let settings = options.settings ?? {};
  if (native) {
    settings = {
      ...settings,
      ...(await buildVirtDiskDouble(join(folder, 'double', 'native'))),
      WMI_DOUBLE_NATIVE: '1',
    };
    compileAssembly(join(helper, 'VirtDisk.dll'));
  }
  const variables = {
    PSModulePath: join(DOUBLE, 'modules'),
    WMI_DOUBLE_NODE: process.execPath,
    WMI_DOUBLE_SERVER: join(DOUBLE, 'double', 'server.ts'),
    WMI_DOUBLE_HOST: directory,
    NODE_COMPILE_CACHE: join(folder, 'double', 'cache'),
    HVBACKUP_HELPER: join(helper, 'HyperVHelper.ps1'),
    ...settings,
  };
  const executable = join(folder, 'double', 'powershell');
  const exports = Object.entries(variables).map(([name, value]) => `export ${name}=${quoted(value)}\n`);
  await writeFile(executable, `#!/bin/sh\n${exports.join('')}exec ${quoted(pwsh ?? 'pwsh')} "$@"\n`);
  await chmod(executable, 0o755);
  return { executable, helper: variables.HVBACKUP_HELPER };
}

/** What the package ships beside the sources. */
function compileAssembly(target: string): void {
  const script = `Add-Type -Path (Get-ChildItem -LiteralPath $env:HVB_SOURCES -Filter *.cs).FullName -OutputAssembly $env:HVB_TARGET`;
  const env = { ...process.env, HVB_SOURCES: HELPER, HVB_TARGET: target };
  const { status, stderr } = spawnSync(pwsh!, ['-NoProfile', '-Command', script], { env, encoding: 'utf8' });
  if (status !== 0) throw new Error(stderr);
}

export const openDouble = (double: DoubleFolder, server?: string, options: HyperVOptions = {}): HyperVHost =>
  openHyperVHost(server, { ...double, ...options });

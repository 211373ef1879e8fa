/** The Hyper-V adapter over its doubles: the real helper script, under pwsh, on a simulated host (test/helper). */
import { chmod, mkdir, readdir, symlink, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { type HyperVHost, type HyperVOptions, openHyperVHost } from '../../../backend/src/hosts/hyperv/index.ts';
import { findTool } from '../support/tools.ts';

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

/** @param directory of the simulated host @param settings further variables of the helper's process */
export async function makeDouble(
  folder: string,
  directory: string,
  settings: Record<string, string> = {},
): Promise<DoubleFolder> {
  const helper = join(folder, 'double', 'Helper');
  await mkdir(helper, { recursive: true });
  for (const name of await readdir(HELPER)) {
    if (!name.endsWith('.ps1')) continue;
    await symlink(name === 'VirtDisk.ps1' ? join(DOUBLE, name) : join(HELPER, name), join(helper, name));
  }
  await symlink(join(ROOT, 'module', 'Private'), join(folder, 'double', 'Private'));
  const variables = {
    PSModulePath: join(DOUBLE, 'modules'),
    WMI_DOUBLE_NODE: process.execPath,
    WMI_DOUBLE_SERVER: join(DOUBLE, 'double', 'server.ts'),
    WMI_DOUBLE_HOST: directory,
    HVBACKUP_HELPER: join(helper, 'HyperVHelper.ps1'),
    ...settings,
  };
  const executable = join(folder, 'double', 'powershell');
  const exports = Object.entries(variables).map(([name, value]) => `export ${name}=${quoted(value)}\n`);
  await writeFile(executable, `#!/bin/sh\n${exports.join('')}exec ${quoted(pwsh ?? 'pwsh')} "$@"\n`);
  await chmod(executable, 0o755);
  return { executable, helper: variables.HVBACKUP_HELPER };
}

export const openDouble = (double: DoubleFolder, server?: string, options: HyperVOptions = {}): HyperVHost =>
  openHyperVHost(server, { ...double, ...options });

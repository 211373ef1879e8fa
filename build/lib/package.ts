/**
 * The module as it is published: a folder that needs nothing else on the machine. It has the manifest and loader,
 * module/, help, the backend's bundle, Node as a third party packages it for npm, VirtDisk.dll where it could be
 * compiled, licences and a bill of materials, and files.json with the hash of each file.
 */
import { createHash } from 'node:crypto';
import { copyFileSync, cpSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { basename, dirname, join, relative, sep } from 'node:path';
import { root } from '../runtime.mjs';
import { bundleBackend, bundledPackages } from './bundle.ts';
import { billOfMaterials, noticesText, thirdParty } from './third-party.ts';
import { compileVirtDisk } from './virtdisk.ts';

export const FILE_LIST = 'files.json';
const NAME = 'HyperVBackup';

export interface PackageOptions {
  /** Folder that gets the module's folder. */
  to: string;
  /** Platform of the Node that goes with it; `none`: the machine's own is used. */
  node: 'win-x64' | 'linux-x64' | 'linux-arm64' | 'none';
}

export interface Package {
  folder: string;
  /** What is missing and why; sentences. */
  notes: string[];
}

/** Makes the folder anew. @throws where a part is missing that nothing stands in for */
export async function makePackage({ to, node }: PackageOptions): Promise<Package> {
  const folder = join(to, NAME);
  const notes: string[] = [];
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  for (const part of [`${NAME}.psd1`, `${NAME}.psm1`, 'module', 'en-US', 'LICENSE']) {
    cpSync(join(root, part), join(folder, part), {
      recursive: true,
      filter: (file) => basename(file) !== 'VirtDisk.dll',
    });
  }
  place(await bundleBackend(), join(folder, 'backend', 'hvbackup.cjs'));
  const { compiler, problems } = compileVirtDisk(join(folder, 'module', 'Helper', 'virtdisk', 'VirtDisk.dll'));
  if (compiler === null) {
    const tried = problems.join('; ');
    notes.push(`VirtDisk.dll was left out, Add-Type compiles it on the machine (${tried}).`);
  } else if (compiler !== 'dotnet')
    notes.push(`VirtDisk.dll was compiled by ${compiler}: its bytes differ from build to build.`);
  const licences = await bundledPackages();
  if (node !== 'none') {
    const file = node.startsWith('win') ? 'node.exe' : 'node';
    const from = join(root, 'node_modules', `node-${node}`, 'bin', file);
    // npm installs that of its own platform only.
    if (!existsSync(from))
      throw new Error(
        `node-${node} is not installed: run "npm install --no-save --force node-${node}", or package with --node none.`,
      );
    place(from, join(folder, 'bin', file));
    licences.push(`node-${node}`);
  } else notes.push('Node was left out: it must be on the machine, or HVBACKUP_NODE name it.');
  const parts = thirdParty(licences);
  for (const { name, text } of parts) write(join(folder, 'licences', `${name.replace('/', '-')}.txt`), text);
  write(join(folder, 'THIRD-PARTY-NOTICES.txt'), noticesText(parts));
  const nodeFile = node === 'none' ? undefined : join(folder, 'bin', node.startsWith('win') ? 'node.exe' : 'node');
  const bill = billOfMaterials(projectVersion(), parts, nodeFile);
  write(join(folder, 'sbom.cdx.json'), `${JSON.stringify(bill, null, 1)}\n`);
  sealPackage(folder);
  return { folder, notes };
}

/** Writes the list of files anew: also after files were signed, which changes them. @returns how many */
export function sealPackage(folder: string): number {
  const version = projectVersion();
  const files: Record<string, string> = {};
  const all = readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => relative(folder, join(entry.parentPath, entry.name)).split(sep).join('/'))
    .filter((name) => name !== FILE_LIST)
    .sort();
  for (const name of all)
    files[name] = createHash('sha256')
      .update(readFileSync(join(folder, name)))
      .digest('hex');
  writeFileSync(join(folder, FILE_LIST), `${JSON.stringify({ name: NAME, version, files }, null, 1)}\n`);
  return all.length;
}

function place(from: string, to: string): void {
  mkdirSync(dirname(to), { recursive: true });
  copyFileSync(from, to);
}

function write(file: string, text: string): void {
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, text);
}

const projectVersion = (): string =>
  (JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { version: string }).version;

/**
 * `npm run package [-- --node win-x64|linux-x64|linux-arm64|none] [--to DIR]`: the folder that is published,
 * build/out/package/HyperVBackup. `npm run package -- --seal DIR` writes its files.json anew, after files in it were
 * signed.
 */
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { makePackage, type PackageOptions, sealPackage } from '../lib/package.ts';
import { root } from '../runtime.mjs';

const NODES = ['win-x64', 'linux-x64', 'linux-arm64', 'none'];
const { values } = parseArgs({
  options: { node: { type: 'string', default: 'win-x64' }, to: { type: 'string' }, seal: { type: 'string' } },
});
if (values.seal !== undefined) console.log(`sealed ${sealPackage(resolve(values.seal))} files`);
else {
  if (!NODES.includes(values.node)) throw new Error(`--node is one of ${NODES.join(', ')}`);
  const to = resolve(values.to ?? join(root, 'build', 'out', 'package'));
  const { folder, notes } = await makePackage({ to, node: values.node as PackageOptions['node'] });
  for (const note of notes) console.log(note);
  console.log(`packaged ${folder}`);
}

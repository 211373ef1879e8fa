/**
 * For tests that are not in TypeScript: a Hyper-V host made of the doubles, over the simulated host in DIRECTORY (which
 * need not exist yet). `node make-double.ts FOLDER DIRECTORY` prints the path of a PowerShell that sees them, for
 * HVBACKUP_POWERSHELL.
 */
import { mkdir } from 'node:fs/promises';
import { createSimulatedHost } from '../../backend/src/hosts/simulated/index.ts';
import { makeDouble } from '../backend/hosts/hyperv/hyperv-double.ts';

const [folder, directory] = process.argv.slice(2) as [string, string];
await (await createSimulatedHost(directory)).close();
await mkdir(`${directory}.disks`);
// The helper finds its script by HVBACKUP_HELPER, which the backend sets: the double's must win.
const { executable } = await makeDouble(folder, directory, { native: true });
console.log(executable);

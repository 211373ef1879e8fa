/**
 * `npm run scale [-- --vms N] [--points N] [--blocks N] [--dir FOLDER] [--keep] [--only JOBS]`: a repository of many
 * VMs and restore points, simulated down to the last index entry (test/scale/simulate.ts), and what the product needs
 * for its work in it. `--blocks` are unique blocks; a hundred million take 17 GB of room, and 4 GB for the catalog.
 * Figures are whole processes unless it says so.
 */
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { createVhdx } from '../../backend/src/disk/index.ts';
import { vmName } from '../../test/scale/manifest-body.ts';
import { simulate } from '../../test/scale/simulate.ts';
import { type Measurement, measure } from '../bench/measure.ts';
import { BUNDLE, bundleBackend } from '../lib/bundle.ts';
import { bytesText, hvbackup } from '../lib/hvbackup.ts';
import { root } from '../runtime.mjs';

const { values } = parseArgs({
  options: {
    vms: { type: 'string', default: '20' },
    points: { type: 'string', default: '500' },
    blocks: { type: 'string', default: '100000' },
    dir: { type: 'string' },
    keep: { type: 'boolean', default: false },
    rounds: { type: 'string', default: '5' },
    only: { type: 'string' },
  },
});
const GIB = 1024 ** 3;
const DISK_SIZE = 48 * GIB;
const BLOCK_SIZE = 256 * 1024;

await bundleBackend();
const probe = join(root, 'test', 'scale', 'probe.ts');
if (values.dir) mkdirSync(values.dir, { recursive: true });
const folder = values.dir ?? mkdtempSync(join(tmpdir(), 'hvbackup-scale-'));
const big = join(folder, 'big');
const small = join(folder, 'small');
const env = { HVBACKUP_STATE_DIR: join(folder, 'state') };
const catalogs = join(folder, 'state', 'catalogs');
try {
  prepare();
  const jobs: Record<string, () => Promise<void>> = { build, open, list, lookup, incremental, check, prune, verify };
  for (const [name, job] of Object.entries(jobs))
    if (!values.only || values.only.split(',').includes(name)) await job();
} finally {
  if (!values.keep) rmSync(folder, { recursive: true, force: true });
}

function report(job: string, text: string): void {
  console.log(`${job.padEnd(44)} ${text}`);
}

function figures({ seconds, cpuSeconds, peakBytes }: Measurement): string {
  return `${seconds.toFixed(2)} s, CPU ${cpuSeconds?.toFixed(1) ?? '?'} s, peak ${peakBytes ? Math.round(peakBytes / 1e6) : '?'} MB`;
}

function cli(...args: string[]): Promise<Measurement> {
  return measure(process.execPath, [BUNDLE, ...args, '--json'], env);
}
function inside(...args: string[]): Promise<Measurement> {
  return measure(process.execPath, [probe, ...args], env);
}

/** Simulates the big repository, unless an earlier run has kept it. */
function prepare(): void {
  const note = join(folder, 'simulated.json');
  if (!existsSync(note)) {
    for (const location of [big, small]) hvbackup(['repository', 'create', location], env);
    const config = JSON.parse(readFileSync(join(big, 'hvbackup-repository.json'), 'utf8')) as { id: string };
    const [vms, points, blocks] = [Number(values.vms), Number(values.points), Number(values.blocks)];
    const options = {
      folder: big,
      repositoryId: config.id,
      blockSize: BLOCK_SIZE,
      vms,
      points,
      blocks,
      diskSize: DISK_SIZE,
    };
    const start = performance.now();
    const result = simulate(options, (done) => process.stderr.write(`\rsimulating: ${Math.round(done * 100)} %`));
    process.stderr.write('\n');
    const logical = bytesText(vms * DISK_SIZE);
    writeFileSync(
      note,
      JSON.stringify({ vms, points, logical, ...result, seconds: (performance.now() - start) / 1000 }),
    );
  }
  console.log(readFileSync(note, 'utf8'));
}

/** From nothing: all indexes, then all manifests. */
async function build(): Promise<void> {
  rmSync(catalogs, { recursive: true, force: true });
  report('catalog from nothing (open)', figures(await inside('open', big)));
  report('catalog on disk', bytesText(folderBytes(catalogs)));
  report('manifests from nothing (list)', figures(await cli('list', '--repository', big)));
  report('catalog on disk, with manifests', bytesText(folderBytes(catalogs)));
}

async function open(): Promise<void> {
  await repeat('open, warm catalog', () => inside('open', big));
  report('  within the process', (await inside('open', big)).stdout.trim());
}

async function list(): Promise<void> {
  const { points } = hvbackup<{ points: { vmId: string; id: string }[] }>(
    ['list', '--repository', big, '--vm', vmName(1)],
    env,
  );
  const [{ vmId, id }] = points as [{ vmId: string; id: string }];
  await repeat('hvbackup list --vm <name>', () => cli('list', '--repository', big, '--vm', vmName(1)));
  await repeat('hvbackup list --vm <id>', () => cli('list', '--repository', big, '--vm', vmId));
  await repeat('hvbackup list', () => cli('list', '--repository', big));
  await repeat('hvbackup show', () => cli('show', '--repository', big, '--point', id));
  await repeat('hvbackup help (what starting costs)', () => cli('help'));
}

async function lookup(): Promise<void> {
  const measured = await inside('lookup', big, '200000');
  report(
    'look-ups in one process',
    `${measured.stdout.trim()}; peak ${Math.round((measured.peakBytes ?? 0) / 1e6)} MB`,
  );
}

/** One real VM, backed up to both in turn. */
async function incremental(): Promise<void> {
  const host = `sim:${join(folder, 'host')}`;
  if (!existsSync(join(folder, 'host'))) {
    hvbackup(['host', 'create', join(folder, 'host')]);
    const disk = join(folder, 'disk.vhdx');
    await createVhdx(disk, { size: 2 * GIB, blockSize: 1024 * 1024 });
    hvbackup(['vm', 'create', '--host', host, '--name', 'real', '--disk', disk]);
    write(host, 2000, 1);
    for (const repository of [small, big]) {
      const full = await cli('backup', '--host', host, '--vm', 'real', '--repository', repository);
      report(`first full of a VM, ${repository === small ? 'small' : 'big'} repository`, figures(full));
    }
  }
  const times: Record<string, Measurement[]> = { [small]: [], [big]: [] };
  for (let round = 0; round < Number(values.rounds); round++) {
    write(host, 500, 100 + round);
    for (const repository of round % 2 ? [small, big] : [big, small])
      times[repository]!.push(await cli('backup', '--host', host, '--vm', 'real', '--repository', repository));
  }
  const [inSmall, inBig] = [median(times[small]!), median(times[big]!)];
  report('incremental, small repository, median', figures(inSmall));
  report('incremental, big repository, median', figures(inBig));
  report('  big over small, of the medians', (inBig.seconds / inSmall.seconds).toFixed(2));
}

function write(host: string, count: number, seed: number): void {
  const random = ['--random', String(count), '--length', '4096', '--seed', String(seed)];
  hvbackup(['vm', 'write', '--host', host, '--vm', 'real', ...random]);
}

async function check(): Promise<void> {
  report('hvbackup check', figures(await cli('check', '--repository', big)));
}

async function prune(): Promise<void> {
  report('hvbackup prune --dry-run', figures(await cli('prune', '--repository', big, '--dry-run')));
  report('hvbackup stats', figures(await cli('stats', '--repository', big)));
}

async function verify(): Promise<void> {
  const measured = await inside('verify', big);
  report('verify of all, block maps only', `${figures(measured)} ${measured.stdout.trim()}`);
}

async function repeat(job: string, action: () => Promise<Measurement>): Promise<void> {
  const measured: Measurement[] = [];
  for (let round = 0; round < Number(values.rounds); round++) measured.push(await action());
  report(`${job}, median`, figures(median(measured)));
}

function median(list: Measurement[]): Measurement {
  return list.toSorted((a, b) => a.seconds - b.seconds)[Math.floor(list.length / 2)]!;
}

function folderBytes(path: string): number {
  let bytes = 0;
  for (const entry of readdirSync(path, { recursive: true, withFileTypes: true }))
    if (entry.isFile()) bytes += statSync(join(entry.parentPath, entry.name)).size;
  return bytes;
}

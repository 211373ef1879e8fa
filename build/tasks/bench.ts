/**
 * `npm run bench [-- --size GIB] [--changes N] [--block-size N] [--rounds N] [--plain]`: full, incremental, restore and
 * verify of a disk with real files, next to restic, borg and qemu-img where they are installed, in one run. Ours is
 * encrypted as restic is, but for --plain; borg is not. Figures are whole processes; on a shared machine only the
 * ratios mean something. What only reads or writes images runs N times (3) in turns with the other tools; the median
 * counts.
 */
import { spawnSync } from 'node:child_process';
import { closeSync, fsyncSync, mkdtempSync, openSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { createVhdx } from '../../backend/src/disk/index.ts';
import { type Measurement, measure } from '../bench/measure.ts';
import { medianOfRounds, settle, type TimedJob } from '../bench/rounds.ts';
import { makeSourceDisk } from '../bench/source-disk.ts';
import { BUNDLE, bundleBackend, bundleScript } from '../lib/bundle.ts';
import { bytesText, hvbackup } from '../lib/hvbackup.ts';
import { findProgram } from '../lib/run.ts';

const { values } = parseArgs({
  options: {
    size: { type: 'string', default: '8' },
    'block-size': { type: 'string' },
    compression: { type: 'string', default: 'default' },
    changes: { type: 'string', default: '20000' },
    plain: { type: 'boolean', default: false },
    folder: { type: 'string' },
    only: { type: 'string' },
    rounds: { type: 'string', default: '3' },
  },
});
const GIB = 1024 ** 3;
const CHANGE = 4096;

interface Row extends Measurement {
  tool: string;
  job: string;
  /** Bytes the rate refers to. */
  bytes: number;
  /** Growth of the repository, bytes. */
  stored?: number;
}
const rows: Row[] = [];
const JOBS = ['full', 'incremental', 'restore', 'verify', 'convert to raw', 'convert to vhdx', 'disk'];
const jobOrder = (job: string): number => JOBS.findIndex((name) => job.startsWith(name));

await bundleBackend();
const folder = mkdtempSync(join(values.folder ?? tmpdir(), 'hvbackup-bench-'));
const passphrase = join(folder, 'passphrase');
writeFileSync(passphrase, 'bench\n');
const STATE = {
  HVBACKUP_STATE_DIR: join(folder, 'state'),
  ...(values.plain ? {} : { HVBACKUP_PASSPHRASE_FILE: passphrase }),
};
try {
  await main();
} finally {
  rmSync(folder, { recursive: true, force: true });
}

async function main(): Promise<void> {
  const raw = join(folder, 'disk.raw');
  const disk = await makeSourceDisk(raw, Number(values.size) * GIB);
  console.log(`source: a disk of ${values.size} GiB, ${disk.description}, ${bytesText(disk.bytes)} of file content`);
  const host = `sim:${join(folder, 'host')}`;
  hvbackup(['host', 'create', join(folder, 'host')]);
  const { vm } = hvbackup<{ vm: { disks: { path: string }[] } }>([
    'vm',
    'create',
    '--host',
    host,
    '--name',
    'bench',
    '--disk',
    raw,
  ]);
  const image = vm.disks[0]!.path;
  const data = statSync(image).size;
  console.log(
    `as a dynamic VHDX: ${bytesText(data)}; ${values.changes} random writes of ${CHANGE} bytes between the two backups\n`,
  );
  const change = (seed: number) =>
    hvbackup([
      'vm',
      'write',
      '--host',
      host,
      '--vm',
      'bench',
      '--random',
      values.changes,
      '--length',
      String(CHANGE),
      '--seed',
      String(seed),
    ]);

  const tools = [ours(host, image, data), restic(image, data), borg(image, data)].filter((tool) => tool !== null);
  for (const tool of tools) await tool.full();
  await strong(host, data);
  change(1);
  for (const tool of tools) await tool.incremental();
  const reading = [...tools.map((tool) => tool.restore()), ...tools.map((tool) => tool.verify())];
  for (const [{ tool, job }, measured] of await medianOfRounds(reading, Number(values.rounds)))
    await row(tool, job, data, async () => measured);
  await disks(image, data);
  print();
}

/**
 * The disk layer alone, next to qemu-img, and an export from the repository. All of it ends with the image flushed:
 * ours flush themselves, after qemu-img its file is flushed for it, and that is in its time.
 */
async function disks(image: string, data: number): Promise<void> {
  const convert = await bundleScript('build', 'bench', 'convert.ts');
  const qemu = findProgram('qemu-img');
  const jobs: TimedJob[] = [];
  for (const format of ['raw', 'vhdx']) {
    const job = `convert to ${format}`;
    const target = join(folder, `converted.${format}`);
    const clean = () => {
      if (qemu !== null && spawnSync(qemu, ['compare', image, target]).status !== 0) throw new Error(`${job}: differs`);
      rmSync(target);
    };
    jobs.push({
      tool: 'hvbackup',
      job,
      run: () => measure(process.execPath, [convert, image, target, format]),
      clean,
    });
    if (qemu === null) continue;
    const run = async () => {
      const measured = await measure(qemu, ['convert', '-f', 'vhdx', '-O', format, image, target]);
      const clock = performance.now();
      const file = openSync(target, 'r+');
      fsyncSync(file);
      closeSync(file);
      return { ...measured, seconds: measured.seconds + (performance.now() - clock) / 1000 };
    };
    jobs.push({ tool: 'qemu-img', job, run, clean });
  }
  const to = join(folder, 'out');
  const { points } = hvbackup<{ points: { id: string }[] }>(['list', '--repository', join(folder, 'ours')], STATE);
  const args = ['export', '--repository', join(folder, 'ours'), '--point', points.at(-1)!.id, '--to', to];
  jobs.push({
    tool: 'hvbackup',
    job: 'restore (vhdx file)',
    run: () => measure(process.execPath, [BUNDLE, ...args, '--format', 'vhdx', '--json'], STATE),
    clean: () => rmSync(to, { recursive: true }),
  });
  const host = join(folder, 'restored');
  jobs.push({
    tool: 'hvbackup',
    job: 'restore (VM on a simulated host)',
    run: async () => {
      hvbackup(['host', 'create', host]);
      const where = ['--repository', join(folder, 'ours'), '--host', `sim:${host}`, '--point', points.at(-1)!.id];
      return measure(process.execPath, [BUNDLE, 'restore', ...where, '--json'], STATE);
    },
    clean: () => rmSync(host, { recursive: true }),
  });
  for (const [{ tool, job }, measured] of await medianOfRounds(jobs, Number(values.rounds))) {
    await row(tool, job, data, async () => measured);
  }
  const huge = join(folder, 'huge.vhdx');
  for (const block of [32, 1]) {
    await createVhdx(huge, { size: 64 * 1024 * GIB, blockSize: block * 1024 * 1024 });
    const info = () => measure(process.execPath, [BUNDLE, 'disk', 'info', huge, '--json']);
    const job = { tool: 'hvbackup', job: `disk info of 64 TiB, ${block} MiB blocks`, run: info, clean: () => {} };
    await row(job.tool, job.job, 0, async () => (await medianOfRounds([job], Number(values.rounds))).get(job)!);
    rmSync(huge);
  }
}

/** A figure for a restore that gives something else would be worth nothing. */
function requireSame(image: string, restored: string): void {
  const qemu = findProgram('qemu-img');
  if (qemu !== null && spawnSync(qemu, ['compare', image, restored]).status !== 0)
    throw new Error(`${restored} is not what ${image} holds`);
}

/** The settings for size, in a repository of its own that is not kept. */
async function strong(host: string, data: number): Promise<void> {
  const repository = join(folder, 'strong');
  const cli = (...args: string[]) =>
    measure(process.execPath, [BUNDLE, ...args, '--repository', repository, '--json'], STATE);
  await measure(process.execPath, [BUNDLE, 'repository', 'create', repository, '--block-size', '4M', '--json'], STATE);
  const backup = () => cli('backup', '--host', host, '--mode', 'full', '--compression', 'strong');
  await row('hvbackup', 'full, 4 MiB blocks, --compression strong', data, backup, repository);
  rmSync(repository, { recursive: true });
}

interface Tool {
  full(): Promise<void>;
  incremental(): Promise<void>;
  /** Once there is something to restore. */
  restore(): TimedJob;
  verify(): TimedJob;
}

function ours(host: string, image: string, data: number): Tool {
  const repository = join(folder, 'ours');
  const cli = (...args: string[]) => measure(process.execPath, [BUNDLE, ...args, '--json'], STATE);
  const backup = (job: string) =>
    row(
      'hvbackup',
      job,
      data,
      () => cli('backup', '--host', host, '--repository', repository, '--compression', values.compression),
      repository,
    );
  let point = '';
  return {
    async full() {
      const size = values['block-size'] ? ['--block-size', values['block-size']] : [];
      await cli('repository', 'create', repository, ...size);
      await backup('full');
    },
    async incremental() {
      const result = JSON.parse((await backup('incremental')).stdout) as { results: { restorePointId: string }[] };
      point = result.results[0]!.restorePointId;
    },
    restore: () => ({
      tool: 'hvbackup',
      job: 'restore (raw file)',
      run: () =>
        cli('export', '--repository', repository, '--point', point, '--to', join(folder, 'out'), '--format', 'raw'),
      clean: () => {
        requireSame(image, join(folder, 'out', 'bench-disk0.raw'));
        rmSync(join(folder, 'out'), { recursive: true });
      },
    }),
    verify: () => ({
      tool: 'hvbackup',
      job: 'verify every byte',
      run: () => cli('verify', '--repository', repository, '--point', point),
      clean: () => {},
    }),
  };
}

function restic(image: string, data: number): Tool | null {
  const program = values.only === 'hvbackup' ? null : findProgram('restic');
  if (program === null) return null;
  const repository = join(folder, 'restic');
  const env = {
    RESTIC_REPOSITORY: repository,
    RESTIC_PASSWORD: 'bench',
    RESTIC_CACHE_DIR: join(folder, 'restic-cache'),
  };
  const backup = (job: string) =>
    row('restic', job, data, () => measure(program, ['backup', '-q', image], env), repository);
  return {
    async full() {
      await measure(program, ['init', '-q'], env);
      await backup('full');
    },
    async incremental() {
      await backup('incremental');
    },
    restore: () => ({
      tool: 'restic',
      job: 'restore (vhdx file)',
      run: () => measure(program, ['restore', '-q', 'latest', '--target', join(folder, 'out')], env),
      clean: () => rmSync(join(folder, 'out'), { recursive: true }),
    }),
    verify: () => ({
      tool: 'restic',
      job: 'verify every byte',
      run: () => measure(program, ['check', '-q', '--read-data'], env),
      clean: () => {},
    }),
  };
}

function borg(image: string, data: number): Tool | null {
  const program = values.only === 'hvbackup' ? null : findProgram('borg');
  if (program === null) return null;
  const repository = join(folder, 'borg');
  const env = {
    BORG_REPO: repository,
    BORG_BASE_DIR: join(folder, 'borg-base'),
    BORG_UNKNOWN_UNENCRYPTED_REPO_ACCESS_IS_OK: 'yes',
  };
  const backup = (job: string) =>
    row(
      'borg lz4',
      job,
      data,
      () => measure(program, ['create', '--compression', 'lz4', `::${job}`, image], env),
      repository,
    );
  return {
    async full() {
      await measure(program, ['init', '-e', 'none'], env);
      await backup('full');
    },
    async incremental() {
      await backup('incremental');
    },
    restore: () => ({
      tool: 'borg lz4',
      job: 'restore (vhdx file)',
      run: () => {
        const args = ['extract', '--stdout', '::incremental'];
        return measure('sh', ['-c', `exec "$0" "$@" > '${join(folder, 'borg.out')}'`, program, ...args], env);
      },
      clean: () => rmSync(join(folder, 'borg.out')),
    }),
    verify: () => ({
      tool: 'borg lz4',
      job: 'verify every byte',
      run: () => measure(program, ['check', '--verify-data'], env),
      clean: () => {},
    }),
  };
}

async function row(
  tool: string,
  job: string,
  bytes: number,
  work: () => Promise<Measurement>,
  repository?: string,
): Promise<Measurement> {
  const before = repository ? folderBytes(repository) : 0;
  settle();
  const measured = await work();
  rows.push({ ...measured, tool, job, bytes, stored: repository ? folderBytes(repository) - before : undefined });
  console.error(`${tool} ${job}: ${measured.seconds.toFixed(1)} s`);
  return measured;
}

function print(): void {
  const header = ['job', 'tool', 'wall s', 'MB/s', 'CPU s', 'peak MB', 'stored MB', 'our time / theirs'];
  const table = rows
    .toSorted((a, b) => jobOrder(a.job) - jobOrder(b.job))
    .map((entry) => [
      entry.job,
      entry.tool,
      entry.seconds < 2 ? entry.seconds.toFixed(2) : entry.seconds.toFixed(1),
      entry.bytes > 0 ? (entry.bytes / 1e6 / entry.seconds).toFixed(0) : '',
      entry.cpuSeconds?.toFixed(1) ?? '?',
      entry.peakBytes ? (entry.peakBytes / 1e6).toFixed(0) : '?',
      entry.stored === undefined ? '' : (entry.stored / 1e6).toFixed(1),
      ratio(entry),
    ]);
  const widths = header.map((text, i) => Math.max(text.length, ...table.map((cells) => cells[i]!.length)));
  for (const cells of [header, ...table])
    console.log(cells.map((cell, i) => (i < 2 ? cell.padEnd(widths[i]!) : cell.padStart(widths[i]!))).join('  '));
}

/** Our time over theirs for the same kind of job. */
function ratio(entry: Row): string {
  if (entry.tool === 'hvbackup') return '';
  const kind = entry.job.startsWith('convert') ? entry.job : entry.job.split(' ')[0]!;
  const own = rows.find((other) => other.tool === 'hvbackup' && other.job.startsWith(kind));
  return own ? (own.seconds / entry.seconds).toFixed(2) : '';
}

function folderBytes(path: string): number {
  let bytes = 0;
  for (const entry of readdirSync(path, { recursive: true, withFileTypes: true })) {
    if (entry.isFile()) bytes += statSync(join(entry.parentPath, entry.name)).size;
  }
  return bytes;
}

/**
 * `npm run demo`: the main job on a simulated host, told as a story. Every step runs the command line that a person
 * would run; every claim about content is checked against raw copies that the product never touches.
 */
import { existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { openDisk } from '../../backend/src/disk/index.ts';
import { type Guest, makeGuests } from '../demo/guests.ts';
import { hashDevice, hashFile } from '../demo/hash.ts';
import { pointLine, type StoryPoint } from '../demo/picture.ts';
import { bundleBackend } from '../lib/bundle.ts';
import { bytesText, hvbackup } from '../lib/hvbackup.ts';
import { root } from '../runtime.mjs';

const MARKER = '.hypervbackup-demo';
const folder = join(root, 'demo');
const host = `sim:${join(folder, 'host')}`;
const repository = join(folder, 'repository');

interface BackupAnswer {
  results: (StoryPoint & { restorePointId: string; vmId: string; warnings: string[] })[];
}

await bundleBackend();
startAfresh();
console.log('\nHyperVBackup demo: two virtual machines on a simulated Hyper-V host, backed up, restored, compared.\n');

step('1', 'A host with two VMs. One has a FAT file system with real files on its disk.');
const guests = await makeGuests(join(folder, 'images'));
hvbackup(['host', 'create', join(folder, 'host')]);
for (const guest of guests) {
  const disks = guest.disks.flatMap((disk) => ['--disk', disk.image]);
  hvbackup(['vm', 'create', '--host', host, '--name', guest.name, ...disks]);
  const sizes = guest.disks.map((disk) => bytesText(disk.size)).join(' + ');
  console.log(`   ${guest.name.padEnd(16)} ${guest.disks.length} disk${guest.disks.length > 1 ? 's' : ''}, ${sizes}`);
}

step('2', 'A repository, and the first backup: everything is read.');
hvbackup(['repository', 'create', repository]);
const full = backup();
const before = await snapshot(guests);

step('3', 'The guests go on working; the host tracks what they change.');
for (const guest of guests) {
  for (const write of guest.work) {
    const disk = guest.disks[write.disk]!;
    const file = join(folder, 'images', 'write.bin');
    writeFileSync(file, write.data);
    hvbackup([
      'vm',
      'write',
      '--host',
      host,
      '--vm',
      guest.name,
      '--disk',
      String(write.disk),
      '--offset',
      String(write.offset),
      '--file',
      file,
    ]);
    disk.apply(write.offset, write.data);
    console.log(`   ${guest.name.padEnd(16)} ${write.about}, ${bytesText(write.data.length)}`);
  }
}

step('4', 'The second backup reads only what changed.');
const incremental = backup();
const after = await snapshot(guests);

step('5', 'Every byte of the repository is read and compared with its hash.');
const verified = hvbackup<{ ok: boolean; verifiedBytes: number; durationMs: number }>([
  'verify',
  '--repository',
  repository,
]);
prove(verified.ok, `${bytesText(verified.verifiedBytes)} verified in ${seconds(verified.durationMs)}`);

step('6', 'Both restore points of both VMs, exported as raw images, against our own copies.');
for (const [answer, expected] of [
  [full, before],
  [incremental, after],
] as const) {
  for (const result of answer.results) {
    const to = join(folder, 'exports', result.restorePointId);
    const exported = hvbackup<{ files: { disk: number; path: string }[] }>([
      'export',
      '--repository',
      repository,
      '--point',
      result.restorePointId,
      '--to',
      to,
      '--format',
      'raw',
    ]);
    for (const file of exported.files) {
      const same = (await hashFile(file.path)) === expected.get(`${result.vmName}/${file.disk}`);
      prove(same, `${result.vmName}, disk ${file.disk}, ${result.mode}: ${relative(root, file.path)}`);
    }
  }
}

step('7', 'The first VM goes back to yesterday, beside the original.');
const first = full.results[0]!;
const restoredName = `${first.vmName} (restored)`;
const restored = hvbackup<{ vmId: string; disks: { index: number; path: string }[]; durationMs: number }>([
  'restore',
  '--repository',
  repository,
  '--point',
  first.restorePointId,
  '--host',
  host,
  '--new-id',
  '--name',
  restoredName,
]);
for (const disk of restored.disks) {
  const device = await openDisk(disk.path);
  const same = (await hashDevice(device)) === before.get(`${first.vmName}/${disk.index}`);
  await device.close();
  prove(
    same,
    `'${restoredName}', disk ${disk.index}, in ${seconds(restored.durationMs)}: ${relative(root, disk.path)}`,
  );
}

step('8', 'The repository now.');
const points = [...full.results, ...incremental.results].sort((a, b) => a.vmName.localeCompare(b.vmName));
console.log(
  '\n   restore point               VM               mode         read from the host            stored              time',
);
for (const point of points)
  console.log(`   ${pointLine(point, Math.max(...points.map((p) => p.disks.reduce((s, d) => s + d.readBytes, 0))))}`);
const stats = hvbackup<{ packBytes: number; points: number }>(['stats', '--repository', repository]);
const logical = guests.flatMap((guest) => guest.disks).reduce((sum, disk) => sum + disk.size, 0) * 2;
console.log(`\n   ${stats.points} restore points of ${bytesText(logical)} in all take ${bytesText(stats.packBytes)}.`);

const shown = relative(process.cwd(), repository) || repository;
console.log(`
Yours to look at now (the folder demo/ stays until the next demo):

   npx hvbackup list    --repository ${shown}
   npx hvbackup show    --repository ${shown} --point ${incremental.results[0]!.restorePointId}
   npx hvbackup vm list --host sim:${relative(process.cwd(), join(folder, 'host'))}
   npx hvbackup vm write --host sim:demo/host --vm "${guests[0]!.name}" --random 100 --length 4096
   npx hvbackup backup  --host sim:demo/host --repository ${shown}
   npx hvbackup export  --repository ${shown} --point ${incremental.results[0]!.restorePointId} --to demo/out --format vhdx
`);

function startAfresh(): void {
  if (existsSync(folder) && !existsSync(join(folder, MARKER))) {
    throw new Error(`${folder} exists and was not made by the demo: move it away first.`);
  }
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(join(folder, 'images'), { recursive: true });
  writeFileSync(join(folder, MARKER), 'Made by "npm run demo"; removed by the next one.\n');
}

function backup(): BackupAnswer {
  const answer = hvbackup<BackupAnswer>(['backup', '--host', host, '--repository', repository]);
  for (const result of answer.results) {
    const read = result.disks.reduce((sum, disk) => sum + disk.readBytes, 0);
    const stored = result.disks.reduce((sum, disk) => sum + disk.newBytes, 0);
    console.log(
      `   ${result.vmName.padEnd(16)} ${result.mode}, ${result.consistency}-consistent: ${bytesText(read)} read, ${bytesText(stored)} stored, ${seconds(result.durationMs)}`,
    );
    for (const warning of result.warnings) console.log(`   ${' '.repeat(16)} ! ${warning}`);
  }
  return answer;
}

/** Hashes of our own raw copies, by `<vm>/<disk>`. */
async function snapshot(all: readonly Guest[]): Promise<Map<string, string>> {
  const hashes = new Map<string, string>();
  for (const guest of all)
    for (const [i, disk] of guest.disks.entries()) hashes.set(`${guest.name}/${i}`, await hashFile(disk.image));
  return hashes;
}

function step(number: string, text: string): void {
  console.log(`\n${number}. ${text}`);
}

function prove(holds: boolean, text: string): void {
  if (!holds) throw new Error(`NOT as it should be: ${text}`);
  console.log(`   ✓ ${text}`);
}

function seconds(ms: number): string {
  return `${(ms / 1000).toFixed(1)} s`;
}

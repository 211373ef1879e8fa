/**
 * A process that uses a simulated host and may be killed at any moment. What it begins and what it has done, it says
 * line by line on stdout; the writes it makes follow from a seed, so that whoever watches can repeat them.
 *
 *   worker.ts DIRECTORY '{"ops":["write",…],"seed":1,"count":10,"kill":"merge:copied","occasion":1}'
 */
import { writeSync } from 'node:fs';
import { createVhdxWriter } from '../../../../backend/src/disk/index.ts';
import { onReach } from '../../../../backend/src/hosts/simulated/context.ts';
import { type GuestWrite, openSimulatedHost } from '../../../../backend/src/hosts/simulated/index.ts';
import { randomSource } from '../../../fixtures/content.ts';

export type WorkerOp = 'write' | 'checkpoint' | 'convert' | 'remove' | 'replace' | 'create' | 'add-disk';

export interface WorkerTask {
  /** One is picked at random each time. */
  ops: WorkerOp[];
  seed: number;
  count: number;
  /** Crash point at which the process kills itself, the n-th time it gets there. */
  kill?: string;
  occasion?: number;
  /** Label of the checkpoints it makes; it ends only those. */
  label?: string;
  vmId: string;
}

export type WorkerLine =
  | { begin: WorkerOp; n: number; disk: number; seed: number }
  | { done: WorkerOp; n: number; checkpoint?: string; rctIds?: string[]; ended?: string };

/** The guest writes that a seed stands for, on a disk of `size` bytes. */
export function writesOf(seed: number, size: number): GuestWrite[] {
  const random = randomSource(seed);
  return Array.from({ length: 1 + (random() % 30) }, () => {
    const length = 1 + (random() % [512, 4096, 40_000][random() % 3]!);
    return { offset: random() % (size - length), fill: random() % 256, length };
  });
}

async function main(directory: string, task: WorkerTask): Promise<void> {
  let occasions = task.occasion ?? 1;
  onReach((point) => {
    if (point === task.kill && --occasions === 0) process.kill(process.pid, 'SIGKILL');
  });
  const say = (line: WorkerLine): void => void writeSync(1, `${JSON.stringify(line)}\n`);
  const random = randomSource(task.seed);
  const host = await openSimulatedHost(directory);
  const { vmId } = task;
  for (let n = 0; n < task.count; n++) {
    const op = task.ops[random() % task.ops.length]!;
    const vm = await host.getVm(vmId);
    const disk = random() % vm.disks.length;
    const seed = random();
    say({ begin: op, n, disk, seed });
    const label = task.label ?? 'worker';
    const mine = (await host.listRecoveryCheckpoints(vmId)).filter((checkpoint) => checkpoint.label === label);
    const ended = mine[seed % (mine.length || 1)]?.id;
    if (op === 'write') {
      await host.guestWrites(vmId, disk, writesOf(seed, vm.disks[disk]!.size));
      say({ done: op, n });
    } else if (op === 'checkpoint' && mine.length < 3) {
      const made = await host.createRecoveryCheckpoint(vmId, {
        consistency: 'crash',
        allowCrashConsistent: true,
        label,
      });
      say({ done: op, n, checkpoint: made.id, rctIds: made.disks.map((entry) => entry.rctId!) });
    } else if (op === 'convert' && ended) {
      await host.convertToReferencePoint(ended);
      say({ done: op, n, ended });
    } else if (op === 'remove' && ended) {
      await host.removeCheckpoint(ended);
      say({ done: op, n, ended });
    } else if (op === 'replace') {
      const plan = await host.planVm({ vm, newId: false, replace: true, kind: 'data' });
      for (const entry of vm.disks) {
        const writer = await createVhdxWriter(plan.diskPath(entry.index), { size: entry.size });
        await writer.write(0, Buffer.alloc(entry.size, seed % 251));
        await writer.finish();
      }
      await plan.realise();
      say({ done: op, n });
    } else if (op === 'create') {
      await host.createVm({ name: `made ${n}`, disks: [{ size: 1 << 20 }, { size: 1 << 20 }] });
      say({ done: op, n });
    } else if (op === 'add-disk') {
      await host.addDisk(vmId, { size: 1 << 20 });
      say({ done: op, n });
    }
  }
  await host.close();
}

if (process.argv[1]?.endsWith('worker.ts')) await main(process.argv[2]!, JSON.parse(process.argv[3]!));

/** Several processes on one host, and processes that are killed: at named points, and at any moment. */
import { type ChildProcess, spawn } from 'node:child_process';
import { readdir } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createVhdx } from '../../../../backend/src/disk/index.ts';
import { openSimulatedHost } from '../../../../backend/src/hosts/simulated/index.ts';
import { HostLock } from '../../../../backend/src/hosts/simulated/lock.ts';
import { randomSource } from '../../../fixtures/content.ts';
import { scratchForEach } from '../../support/scratch.ts';
import { apply, codeOf, MIB, SimWorld } from '../support.ts';
import { type WorkerLine, type WorkerTask, writesOf } from './worker.ts';

const WORKER = join(dirname(fileURLToPath(import.meta.url)), 'worker.ts');
const SIZES = [2 * MIB, 3 * MIB];

interface Run {
  child: ChildProcess;
  done: Promise<{ lines: WorkerLine[]; killed: boolean }>;
}

function run(directory: string, task: WorkerTask): Run {
  const child = spawn(process.execPath, [WORKER, directory, JSON.stringify(task)], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let out = '';
  let errors = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    out += text;
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    errors += text;
  });
  const done = new Promise<{ lines: WorkerLine[]; killed: boolean }>((resolve, reject) => {
    child.on('close', (code, signal) => {
      if (code !== 0 && signal !== 'SIGKILL') reject(new Error(`worker: ${code} ${signal}\n${errors}`));
      else
        resolve({
          lines: out
            .split('\n')
            .filter((line) => line.endsWith('}'))
            .map((line) => JSON.parse(line)),
          killed: signal !== null,
        });
    });
  });
  return { child, done };
}

describe('simulated host, processes', () => {
  const scratch = scratchForEach('sim-processes');
  let world: SimWorld;
  beforeEach(async () => {
    world = await SimWorld.create(await scratch(), SIZES);
  });
  afterEach(() => world.host.close());

  it("a guest writes while another takes checkpoints: each is a moment of the guest's history", async () => {
    const guest = run(world.directory, { vmId: world.vmId, ops: ['write'], seed: 7, count: 60 });
    const frozen: Buffer[][] = [];
    const queries: { from: number; to: number; ranges: { offset: number; length: number }[] }[] = [];
    let last: string | undefined;
    for (let running = true; running || frozen.length < 2; ) {
      if (guest.child.exitCode !== null) running = false;
      const checkpoint = await world.checkpoint();
      frozen.push([await world.frozen(checkpoint, 0), await world.frozen(checkpoint, 1)]);
      if (last)
        queries.push({
          from: frozen.length - 2,
          to: frozen.length - 1,
          ranges: await world.changes(checkpoint, last, 0),
        });
      last = checkpoint.disks[0]!.rctId!;
      if (frozen.length % 2) await world.host.convertToReferencePoint(checkpoint.id);
      else await world.host.removeCheckpoint(checkpoint.id);
    }
    const { lines } = await guest.done;
    // The state after each write, in order; every checkpoint must be one of them, never going back.
    const states = [world.snapshot()];
    for (const line of lines) {
      if (!('begin' in line)) continue;
      const next = states.at(-1)!.map((disk) => Buffer.from(disk));
      for (const write of writesOf(line.seed, SIZES[line.disk]!)) apply(next[line.disk]!, write);
      states.push(next);
    }
    let at = 0;
    for (const disks of frozen) {
      while (at < states.length && !states[at]!.every((disk, i) => disk.equals(disks[i]!))) at++;
      expect(at).toBeLessThan(states.length);
    }
    for (const { from, to, ranges } of queries) {
      const patched = Buffer.from(frozen[from]![0]!);
      for (const { offset, length } of ranges) frozen[to]![0]!.copy(patched, offset, offset, offset + length);
      expect(patched.equals(frozen[to]![0]!)).toBe(true);
    }
    expect(frozen.length).toBeGreaterThan(3);
  });

  it('two products at once end only their own checkpoints', async () => {
    const ops: WorkerTask['ops'] = ['write', 'checkpoint', 'convert', 'remove'];
    const runs = ['one', 'two'].map((label, i) =>
      run(world.directory, { vmId: world.vmId, ops, seed: i + 1, count: 40, label }),
    );
    const results = await Promise.all(runs.map((entry) => entry.done));
    const made = results.flatMap(({ lines }) =>
      lines.flatMap((line) => ('done' in line && line.checkpoint ? [line.checkpoint] : [])),
    );
    const ended = results.flatMap(({ lines }) =>
      lines.flatMap((line) => ('done' in line && line.ended ? [line.ended] : [])),
    );
    const listed = await world.host.listRecoveryCheckpoints(world.vmId);
    expect(listed.map((checkpoint) => checkpoint.id).sort()).toEqual(made.filter((id) => !ended.includes(id)).sort());
  });

  it('who cannot get the host in time is told so, and gets it when the holder dies', async () => {
    const lock = new HostLock(join(world.directory, 'lock.sqlite'));
    expect(lock.tryHold()).toBe(true);
    const other = await openSimulatedHost(world.directory, { lockTimeout: 200 });
    expect(await codeOf(other.setVmState(world.vmId, 'Off'))).toBe('HOST_BUSY');
    expect((await other.listVms()).length).toBe(1);
    lock.close();
    expect(await codeOf(other.setVmState(world.vmId, 'Off'))).toBeUndefined();
    await other.close();
  });

  it('a VM that is being built by a living process is left alone by others, even when they settle the host', async () => {
    const vm = await world.host.getVm('guest');
    const plan = await world.host.planVm({ vm, name: 'slow', newId: true, replace: false, kind: 'data' });
    const [first, second] = [plan.diskPath(0), plan.diskPath(1)];
    await createVhdx(first, { size: MIB });
    await run(world.directory, { vmId: world.vmId, ops: ['write'], seed: 3, count: 1 }).done;
    await (await openSimulatedHost(world.directory)).close();
    await createVhdx(second, { size: MIB });
    expect((await plan.realise()).disks.map((disk) => disk.size)).toEqual([MIB, MIB]);
  });

  /** Every file of the host belongs to something. */
  async function expectNoLeftovers(): Promise<void> {
    const expected = new Set<string>();
    for (const { id } of await world.host.listVms()) {
      const vm = await world.host.getVm(id);
      for (const disk of vm.disks) {
        expected.add(basename(disk.path));
        expected.add(`${basename(disk.path)}.rct`);
      }
    }
    const names = await readdir(join(world.directory, 'Virtual Hard Disks'));
    expect(names.filter((name) => !expected.has(name))).toEqual([]);
    expect(await readdir(join(world.directory, 'Snapshots'))).toEqual([]);
    expect(await readdir(join(world.directory, 'Planned Virtual Machines'))).toEqual([]);
    const configurations = await readdir(join(world.directory, 'Virtual Machines'));
    expect(configurations.length).toBe(3 * (await world.host.listVms()).length);
  }

  /** What the guest reads now; all checkpoints are gone afterwards. */
  async function settleAndRead(): Promise<Buffer[]> {
    for (const { id } of await world.host.listRecoveryCheckpoints(world.vmId)) await world.host.removeCheckpoint(id);
    expect(await world.host.mergeState(world.vmId)).toEqual([]);
    return [await world.current(0), await world.current(1)];
  }

  it.each([
    ['guest-write:recorded', ['write']],
    ['guest-write:partly', ['write']],
    ['guest-write:written', ['write']],
    ['create-checkpoint:intended', ['checkpoint']],
    ['create-checkpoint:file-created', ['checkpoint']],
    ['create-checkpoint:sealed', ['checkpoint']],
    ['create-checkpoint:done', ['checkpoint']],
    ['end-checkpoint:recorded', ['remove']],
    ['end-checkpoint:recorded', ['convert']],
    ['merge:begun', ['convert']],
    ['merge:copied', ['convert']],
    ['merge:reparented', ['remove']],
    ['merge:recorded', ['remove']],
    ['realise:intended', ['replace']],
    ['realise:moved', ['replace']],
    ['realise:recorded', ['replace']],
    ['realise:intended', ['create']],
    ['realise:moved', ['create']],
    ['realise:recorded', ['create']],
  ] as [string, WorkerTask['ops']][])('killed at %s (%s)', async (kill, ops) => {
    const op = ops[0]!;
    // Everything is allocated, so that every later write shows at once.
    for (const disk of [0, 1]) await world.write(disk, { offset: 0, fill: 1, length: SIZES[disk]! });
    const rctIds = await world.backup();
    const sealed = world.snapshot();
    await world.write(0, ...writesOf(2, SIZES[0]!));
    const standing = op === 'convert' || op === 'remove' ? await world.checkpoint('worker') : undefined;
    await world.write(1, ...writesOf(3, SIZES[1]!));
    const { lines, killed } = await run(world.directory, { vmId: world.vmId, ops, seed: 5, count: 1, kill }).done;
    expect(killed).toBe(true);
    const begun = lines.find((line) => 'begin' in line)! as Extract<WorkerLine, { begin: string }>;
    await world.reopen();

    const vms = (await world.host.listVms()).map((vm) => vm.name);
    expect(vms).toEqual(op === 'create' && kill === 'realise:recorded' ? ['guest', 'made 0'] : ['guest']);
    if (op === 'checkpoint') {
      expect((await world.host.listRecoveryCheckpoints(world.vmId)).length).toBe(kill.endsWith('done') ? 1 : 0);
    }
    if (standing) {
      expect(await codeOf(world.host.openDisk(standing, 0))).toBe('CHECKPOINT_NOT_FOUND');
      expect((await world.host.listReferencePoints(world.vmId)).length).toBe(op === 'convert' ? 2 : 1);
    }
    const now = await settleAndRead();
    if (op === 'replace' && kill === 'realise:recorded') {
      expect(now.every((disk) => disk.equals(Buffer.alloc(disk.length, begun.seed % 251)))).toBe(true);
    } else {
      if (op === 'write') expectPartly(world.models[begun.disk]!, now[begun.disk]!, begun.seed);
      else expect(now.every((disk, i) => disk.equals(world.models[i]!))).toBe(true);
      const checkpoint = await world.checkpoint();
      for (const disk of [0, 1]) {
        const patched = Buffer.from(sealed[disk]!);
        for (const { offset, length } of await world.changes(checkpoint, rctIds[disk]!, disk)) {
          now[disk]!.copy(patched, offset, offset, offset + length);
        }
        expect(patched.equals(now[disk]!)).toBe(true);
      }
      await world.host.removeCheckpoint(checkpoint.id);
    }
    await expectNoLeftovers();
  });

  /** Every byte is what it was, or what the interrupted write would have made of it. */
  function expectPartly(before: Buffer, now: Buffer, seed: number): void {
    const possible = [before, Buffer.from(before)];
    for (const write of writesOf(seed, before.length)) {
      apply(possible[1]!, write);
      possible.push(Buffer.from(possible[1]!));
    }
    for (let at = 0; at < now.length; at++) {
      const byte = now[at]!;
      if (byte !== before[at] && !possible.some((state) => state[at] === byte))
        throw new Error(`byte ${at} is neither`);
    }
  }

  it('killed at any moment, again and again', async () => {
    const random = randomSource(11);
    /** State that the checkpoints still standing have frozen, by id. */
    const standing = new Map<string, { content: Buffer[]; rctIds: string[] }>();
    const seals: { rctIds: string[]; content: Buffer[] }[] = [];
    let kills = 0;
    for (let round = 0; round < 10; round++) {
      const ops: WorkerTask['ops'] = ['write', 'write', 'checkpoint', 'convert', 'remove'];
      const worker = run(world.directory, { vmId: world.vmId, ops, seed: random(), count: 1000 });
      await new Promise((resolve) => setTimeout(resolve, 250 + (random() % 500)));
      worker.child.kill('SIGKILL');
      const { lines } = await worker.done;
      kills++;
      await world.reopen();
      let open: Extract<WorkerLine, { begin: string }> | undefined;
      for (const line of lines) {
        if ('begin' in line) {
          open = line;
          continue;
        }
        if (open && line.done === 'write') {
          for (const write of writesOf(open.seed, SIZES[open.disk]!)) apply(world.models[open.disk]!, write);
        }
        if (line.checkpoint) standing.set(line.checkpoint, { content: world.snapshot(), rctIds: line.rctIds! });
        if (line.ended) standing.delete(line.ended);
        open = undefined;
      }
      const listed = await world.host.listRecoveryCheckpoints(world.vmId);
      for (const checkpoint of listed) {
        // One that was being made when the end came may be there; it holds what the disks held.
        const known = standing.get(checkpoint.id)?.content ?? world.models;
        for (const disk of [0, 1]) expect((await world.frozen(checkpoint, disk)).equals(known[disk]!)).toBe(true);
      }
      const gone = [...standing.keys()].filter((id) => !listed.some((checkpoint) => checkpoint.id === id));
      expect(gone.length).toBeLessThanOrEqual(open?.begin === 'convert' || open?.begin === 'remove' ? 1 : 0);
      for (const id of gone) standing.delete(id);

      const checkpoint = await world.checkpoint('watcher');
      const now = [await world.frozen(checkpoint, 0), await world.frozen(checkpoint, 1)];
      for (const disk of [0, 1]) {
        if (open?.begin === 'write' && open.disk === disk) expectPartly(world.models[disk]!, now[disk]!, open.seed);
        else expect(now[disk]!.equals(world.models[disk]!)).toBe(true);
        for (const seal of seals) {
          const patched = Buffer.from(seal.content[disk]!);
          for (const { offset, length } of await world.changes(checkpoint, seal.rctIds[disk]!, disk)) {
            now[disk]!.copy(patched, offset, offset, offset + length);
          }
          expect(patched.equals(now[disk]!)).toBe(true);
        }
      }
      world.models = now;
      await world.host.convertToReferencePoint(checkpoint.id);
      seals.push({ content: world.snapshot(), rctIds: checkpoint.disks.map((disk) => disk.rctId!) });
    }
    const final = await settleAndRead();
    expect(final.every((disk, i) => disk.equals(world.models[i]!))).toBe(true);
    await expectNoLeftovers();
    expect(kills).toBe(10);
  });
});

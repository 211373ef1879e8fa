/** Cancelling while the host is at work on a job: ended where it lets itself be ended, waited for otherwise, and undone. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { CancelFiles } from '../../../backend/src/hosts/hyperv/cancel-files.ts';
import * as operations from '../../../backend/src/operations/index.ts';
import { BackupVmParams } from '../../../backend/src/schema/backup.ts';
import { type Behaviour, readState } from '../../helper/double/state.ts';
import { makeScratch } from '../support/scratch.ts';
import { pwsh } from './hyperv-double.ts';
import { HyperVWorld, MIB } from './hyperv-world.ts';

type Way = NonNullable<Behaviour['cancel']>['way'];

describe('cancellation files', () => {
  it('are there only from the cancellation to the answer', () => {
    const files = new CancelFiles();
    const controller = new AbortController();
    const unwatch = files.watch(7, controller.signal);
    expect(existsSync(files.folder)).toBe(false);
    controller.abort();
    expect(existsSync(join(files.folder, '7'))).toBe(true);
    unwatch();
    expect(existsSync(files.folder)).toBe(false);
    files.watch(8, undefined)();
    files.watch(9, new AbortController().signal)();
    expect(existsSync(files.folder)).toBe(false);
  });
});

describe.skipIf(!pwsh)('Hyper-V: cancelling a job (skipped without pwsh)', () => {
  let world: HyperVWorld;
  beforeEach(async () => {
    world = await HyperVWorld.create(await makeScratch('hyperv-cancel'), [4 * MIB]);
    await world.write(0, 0, Buffer.alloc(MIB, 1));
  });
  afterEach(async () => {
    world.behave({});
    await world.close();
  });

  /** A backup that is cancelled when the job of `method` has been seen to run. */
  async function cancelled(method: string, way: Way) {
    world.behave({ cancel: { method, way } });
    const seen = readState(world.directory).jobs.length;
    const controller = new AbortController();
    const warnings: string[] = [];
    const running = operations.backupVm(
      BackupVmParams.parse({ host: 'hyperv:', vm: 'guest', repository: world.repository }),
      { signal: controller.signal, warn: (text) => warnings.push(text) },
    );
    const outcome = running.then(
      (result) => ({ result, error: undefined }),
      (error) => ({ result: undefined, error }),
    );
    const runs = () =>
      readState(world.directory)
        .jobs.slice(seen)
        .some((job) => job.method === method && job.states[0] === 4);
    for (let wait = 0; wait < 1200 && !runs(); wait++) await pause(25);
    controller.abort();
    return { ...(await outcome), warnings };
  }

  async function next() {
    world.behave({});
    await world.write(0, 4096, Buffer.from(`${Math.random()}`));
    const result = await world.backup();
    expect(await world.holds(result.restorePointId)).toBe(true);
    return result;
  }

  it.each<Way>(['ends', 'leaves', 'refuses', 'finishes', 'never'])(
    'making a checkpoint, whose job %s: cancelled, and nothing is left',
    async (way) => {
      const { error, warnings } = await cancelled('CreateSnapshot', way);
      expect(error).toMatchObject({ code: 'CANCELLED' });
      expect(warnings).toEqual([]);
      expect(world.calls.filter((call) => call === 'RequestStateChange')).toHaveLength(way === 'never' ? 0 : 1);
      expect(await world.checkpoints()).toEqual([]);
      const result = await next();
      expect(result.warnings).toEqual([]);
    },
  );

  it('making a checkpoint that stays and that nothing says is ours: it is left, and the next run names it', async () => {
    const { error } = await cancelled('CreateSnapshot', 'hides');
    expect(error).toMatchObject({ code: 'CANCELLED' });
    const left = await world.checkpoints();
    expect(left).toHaveLength(1);
    expect((await next()).warnings.join()).toContain(left[0]);
  });

  it.each<Way>(['ends', 'never'])(
    'after the seal (a job that %s if asked): finished, and reported as done',
    async (way) => {
      const { result } = await cancelled('ConvertToReferencePoint', way);
      expect(result!.warnings).toEqual([]);
      expect(world.calls).not.toContain('RequestStateChange');
      expect(await world.sim.listReferencePoints(world.vmId)).toHaveLength(1);
      expect(await world.checkpoints()).toEqual([]);
      expect((await next()).mode).toBe('incremental');
    },
  );
});

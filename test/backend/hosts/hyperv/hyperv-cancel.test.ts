/**
 * Cancelling while the host is at work on a job: ended where it lets itself be ended, waited for otherwise, and undone.
 */
import { existsSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { CancelFiles } from '../../../../backend/src/hosts/hyperv/helper/cancel-files.ts';
import * as operations from '../../../../backend/src/operations/index.ts';
import { BackupVmParams } from '../../../../backend/src/schema/backup.ts';
import { type Behaviour, readBehaviour, readState } from '../../../helper/double/state.ts';
import { makeScratch } from '../../support/scratch.ts';
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

  interface Asked {
    params?: object;
    behaviour?: Behaviour;
    /** When to cancel; as soon as the job runs when absent. */
    when?: () => boolean;
  }

  /** A backup that is cancelled when the job of `method` has been seen to run. */
  async function cancelled(method: string, way: Way, { params, behaviour, when }: Asked = {}) {
    world.behave({ cancel: { method, way }, ...behaviour });
    const seen = readState(world.directory).jobs.length;
    const controller = new AbortController();
    const warnings: string[] = [];
    const running = operations.backupVm(
      BackupVmParams.parse({ host: 'hyperv:', vm: 'guest', repository: world.repository, ...params }),
      { signal: controller.signal, warn: (text) => warnings.push(text) },
    );
    const outcome = running.then(
      (result) => ({ result, error: undefined }),
      (error) => ({ result: undefined, error }),
    );
    const isRunning = () =>
      readState(world.directory)
        .jobs.slice(seen)
        .some((job) => job.method === method && job.states[0] === 4);
    const ready = when ?? isRunning;
    for (let wait = 0; wait < 1200 && !ready(); wait++) await pause(25);
    controller.abort();
    return { ...(await outcome), warnings };
  }

  async function next(params: object = {}) {
    world.behave({});
    await world.write(0, 4096, Buffer.from(`${Math.random()}`));
    const result = await world.backup(params);
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

  describe('that exports', () => {
    const byExport = () => ({ readMethod: 'export', exportFolder: join(world.folder, 'staging') });

    /**
     * Cancelled, nothing left in the folder or on the host, the folder let be until the host was done with it, the
     * chain whole.
     */
    async function expectClean({ error, warnings }: Awaited<ReturnType<typeof cancelled>>, mode: string) {
      expect(error).toMatchObject({ code: 'CANCELLED' });
      expect(warnings).toEqual([]);
      expect(await readdir(join(world.folder, 'staging'))).toEqual([]);
      expect(await world.checkpoints()).toEqual([]);
      expect(world.calls).not.toContain('ExportSystemDefinition: its folder went while it ran');
      const result = await next(byExport());
      expect(result).toMatchObject({ mode, warnings: [] });
    }
    const ends = () => world.calls.filter((call) => call === 'RequestStateChange').length;

    it.each<Way>(['ends', 'leaves', 'refuses', 'finishes', 'never'])('in full, and %s', async (way) => {
      const outcome = await cancelled('ExportSystemDefinition', way, { params: byExport() });
      expect(ends()).toBe(way === 'never' ? 0 : 1);
      await expectClean(outcome, 'full');
    });

    it.each<Way>(['ends', 'leaves', 'refuses'])('a difference, and %s: the base stays good', async (way) => {
      await next(byExport());
      await world.write(0, MIB, Buffer.alloc(4096, 3));
      const outcome = await cancelled('ExportSystemDefinition', way, { params: byExport() });
      expect(ends()).toBe(1);
      expect(world.exports.at(-1)!.base).not.toBe('');
      await expectClean(outcome, 'incremental');
    });

    it('while nobody watches, because the helper died: the next helper ends it', async () => {
      const outcome = await cancelled('ExportSystemDefinition', 'leaves', {
        params: byExport(),
        behaviour: { kill: 'ExportSystemDefinition:look' },
        when: () => readBehaviour(world.directory).kill === undefined,
      });
      expect(ends()).toBe(1);
      await expectClean(outcome, 'full');
    });
  });
});

/**
 * Backup, verify and prune over a folder whose calls to the system fail as those of a stumbling share do: real
 * processes, the faults injected below Node (test/helper/fault-layer).
 */
import { existsSync, readdirSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { noise } from '../../fixtures/content.ts';
import { BUNDLE, cli } from '../support/cli.ts';
import { CALLS, type Call, type Fault, FaultLayer, faultLayerMissing } from '../support/fault-layer.ts';
import { scratchForSuite } from '../support/scratch.ts';
import { World } from './world.ts';

const MIB = 1 << 20;
const missing = existsSync(BUNDLE) ? faultLayerMissing() : 'needs npm run build';

describe.skipIf(missing !== null)(`a stumbling share (${missing ?? 'it runs'})`, () => {
  let folder: string;
  let counter = 0;
  let world: World;
  let faults: FaultLayer;
  let disk: Buffer;
  let wait: string;

  beforeAll(async () => {
    folder = await scratchForSuite('stumbling');
  });
  afterEach(() => faults?.set({ mode: 'off' }));
  beforeEach(() => {
    wait = '20';
  });

  /** A repository with a full of 6 MiB, and a guest that has written since. */
  async function prepared(): Promise<void> {
    world = await World.create(join(folder, `w${++counter}`), { blockSize: 65536 });
    disk = noise(6 * MIB, counter);
    world.vm('vm', await world.rawImage(disk));
    world.backup('vm');
    await write(2 * MIB, 3 * MIB);
    faults = await FaultLayer.over(world.repository, join(world.folder, 'control'));
  }

  async function write(offset: number, length: number): Promise<void> {
    const data = noise(length, 1000 + counter);
    await world.write('vm', 0, offset, data);
    data.copy(disk, offset);
  }

  const run = (...args: string[]) =>
    cli([...args, '--repository', world.repository], {
      state: world.state,
      environment: { ...faults.environment, HVBACKUP_STORAGE_WAIT_SECONDS: wait },
    });

  const backup = (...more: string[]) => run('backup', '--host', world.host, '--vm', 'vm', ...more);

  /** Without faults: nothing is damaged, and the newest restore point is what the disk was. */
  async function sound(): Promise<void> {
    faults.set({ mode: 'off' });
    for (const command of ['check', 'verify']) {
      const answer = run(command);
      expect([command, answer.status, answer.json.damages ?? []]).toEqual([command, 0, []]);
    }
    const newest = world.points().at(-1)!.id;
    const to = join(world.folder, `out-${++counter}`);
    expect(run('export', '--point', newest, '--to', to, '--format', 'raw').status).toBe(0);
    expect((await readFile(join(to, readdirSync(to)[0]!))).equals(disk)).toBe(true);
  }

  /** What each errno of a share is met by; a loop of libuv's own hides EINTR from all others. */
  const TRANSIENT: [string, Call[]][] = [
    ['EINTR', ['read', 'open', 'write']],
    ['ESTALE', ['open', 'create', 'read', 'fsync', 'mkdir', 'readdir', 'write', 'link', 'unlink']],
    ['EIO', [...CALLS]],
    ['EBUSY', ['write', 'open', 'create', 'unlink']],
    ['EXDEV', ['link']],
    ['ETIMEDOUT', [...CALLS]],
    ['EHOSTDOWN', [...CALLS]],
    ['EAGAIN', [...CALLS]],
  ];

  describe.each(TRANSIENT)('%s at every tenth call', (errno, calls) => {
    it.each([false, true])(
      'backup, verify and prune succeed, and it is reported (done all the same: %s)',
      async (after) => {
        await prepared();
        const fault: Fault = { mode: 'every', every: 10, errno, calls, after };
        const commands: [string, () => ReturnType<typeof cli>][] = [
          ['incremental', () => backup()],
          ['full', () => backup('--mode', 'full')],
          ['verify', () => run('verify')],
          ['check', () => run('check')],
          ['prune', () => run('prune', '--keep-last', '1')],
        ];
        for (const [name, command] of commands) {
          faults.set(fault);
          const answer = command();
          const failure = answer.json?.error ?? answer.json?.results?.[0]?.error ?? answer.json?.damages ?? [];
          expect([name, answer.status, failure]).toEqual([name, 0, []]);
          // libuv repeats a read that a signal interrupted by itself.
          if (faults.injected().all > 0 && errno !== 'EINTR')
            expect(answer.stderr, name).toMatch(/calls? of the storage .* failed and (were|was) repeated/);
          const sentence = /(\d+) calls? of the storage/.exec(answer.stderr);
          expect(answer.json.storageRetries?.calls, name).toBe(sentence ? Number(sentence[1]) : undefined);
          if (sentence) expect(Object.keys(answer.json.storageRetries.errors)).toEqual([errno]);
          if (calls.length > 2) expect(faults.injected().all, name).toBeGreaterThan(0);
        }
        expect(world.points()).toHaveLength(1);
        await sound();
      },
    );
  });

  it('a share that is gone for some seconds costs a wait, and two warnings', async () => {
    await prepared();
    faults.set({ mode: 'always', errno: 'EHOSTDOWN', forMs: 12_000 });
    const answer = backup();
    expect([answer.status, answer.json.results[0].error]).toEqual([0, undefined]);
    expect(answer.stderr).toMatch(/does not answer \(EHOSTDOWN\); waiting, up to 20 seconds/);
    expect(answer.stderr).toMatch(/answers again after \d+ seconds/);
    await sound();
  });

  it('errors that last end with a plain error, and nothing is damaged by them', async () => {
    await prepared();
    wait = '2';
    const lasting: [string, Call][] = [
      ['ESTALE', 'open'],
      ['EIO', 'fsync'],
      ['EHOSTDOWN', 'write'],
      ['EXDEV', 'link'],
      ['ESTALE', 'mkdir'],
      ['ETIMEDOUT', 'readdir'],
      ['EIO', 'create'],
      ['EDQUOT', 'write'],
    ];
    for (const [errno, call] of lasting)
      for (const command of [() => backup('--mode', 'full'), () => run('prune')]) {
        faults.set({ mode: 'always', errno, calls: [call] });
        const answer = command();
        const error = answer.json.error ?? answer.json.results?.[0]?.error;
        if (answer.status === 0) continue;
        expect(['IO_ERROR', 'DISK_FULL'], `${errno} ${call}: ${JSON.stringify(error)}`).toContain(error.code);
        expect(error.message).toContain(errno);
      }
    faults.set({ mode: 'off' });
    expect(backup().status).toBe(0);
    await sound();
  });

  it('a pack that cannot be read is damage of that pack, within seconds', async () => {
    await prepared();
    const packs = readdirSync(join(world.repository, 'packs'), { recursive: true, withFileTypes: true });
    const pack = packs.find((entry) => entry.isFile())!.name;
    faults.set({ mode: 'always', errno: 'EIO', calls: ['read'], part: pack });
    const verified = run('verify');
    expect(verified.status).toBe(4);
    expect(JSON.stringify(verified.json)).toContain(pack);
  });
});

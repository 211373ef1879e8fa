/** `hvbackup` as a process: signals, closed pipes, the server on stdio. On the bundle and a simulated host. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { createReadStream, existsSync } from 'node:fs';
import { mkdir, readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as delay } from 'node:timers/promises';
import { beforeAll, describe, expect, it } from 'vitest';
import { noise } from '../../fixtures/content.ts';
import { BUNDLE, cli, ok, start } from '../support/cli.ts';
import { FaultLayer, faultLayerMissing } from '../support/fault-layer.ts';
import { scratchForSuite } from '../support/scratch.ts';

const MIB = 1024 * 1024;

describe.skipIf(!existsSync(BUNDLE))('the process (needs npm run build)', () => {
  let folder: string;
  let host: string;
  let repository: string;
  let options: { state: string };

  beforeAll(async () => {
    folder = await scratchForSuite('process');
    host = `sim:${join(folder, 'host')}`;
    options = { state: join(folder, 'state') };
    ok(['host', 'create', join(folder, 'host')]);
    const image = join(folder, 'big.raw');
    await writeFile(image, noise(192 * MIB, 1));
    ok(['vm', 'create', '--host', host, '--name', 'big', '--disk', image]);
  });

  /** A repository of its own for each test. */
  async function newRepository(name: string): Promise<string> {
    repository = join(folder, name);
    ok(['repository', 'create', repository], options);
    return repository;
  }

  const backupArgs = () => ['backup', '--host', host, '--vm', 'big', '--repository', repository];

  /** Waits until the backup has stored its first pack, or has ended. */
  async function reading(child: ChildProcess): Promise<void> {
    const packs = join(repository, 'packs');
    while (child.exitCode === null) {
      if (existsSync(packs) && (await readdir(packs, { recursive: true })).length > 0) return;
      await delay(20);
    }
  }

  const checkpoints = async () =>
    (await readdir(join(folder, 'host'), { recursive: true })).filter((name) => name.endsWith('.avhdx'));

  it.skipIf(process.platform === 'win32')(
    'Ctrl-C cancels: exit code 5, one document, nothing left behind',
    async () => {
      await newRepository('cancelled');
      const child = start(backupArgs(), options);
      await reading(child);
      child.kill('SIGINT');
      const answer = await child.done;
      expect(answer.status).toBe(5);
      expect(answer.json.error.code).toBe('CANCELLED');
      expect(answer.json.results[0].error.code).toBe('CANCELLED');
      expect(answer.stderr).toContain('press Ctrl-C again');
      expect(ok(['list', '--repository', repository], options).points).toEqual([]);
      expect(await checkpoints()).toEqual([]);
    },
  );

  it.skipIf(process.platform === 'win32')('a second Ctrl-C stops at once, and the next run cleans up', async () => {
    await newRepository('stopped');
    const child = start(backupArgs(), options);
    await reading(child);
    child.kill('SIGINT');
    child.kill('SIGINT');
    await delay(1);
    child.kill('SIGTERM');
    expect((await child.done).status).toBe(5);
    expect(ok(backupArgs(), options).results[0].mode).toBe('full');
    expect(await checkpoints()).toEqual([]);
    expect(ok(['list', '--repository', repository], options).points).toHaveLength(1);
  });

  describe.skipIf(faultLayerMissing() !== null)(
    `while a call to the system hangs (${faultLayerMissing() ?? 'it runs'})`,
    () => {
      /** A listing whose reads of the repository never return. */
      async function hanging(name: string, seconds: string) {
        await newRepository(name);
        const faults = await FaultLayer.over(repository, join(folder, `${name}.control`));
        faults.set({ mode: 'hang', calls: ['read'] });
        const child = spawn(process.execPath, [BUNDLE, 'list', '--repository', repository, '--json'], {
          stdio: ['ignore', 'pipe', 'pipe'],
          env: {
            ...process.env,
            ...faults.environment,
            HVBACKUP_STATE_DIR: options.state,
            HVBACKUP_CANCEL_SECONDS: seconds,
          },
        });
        let text = '';
        for (const stream of [child.stdout, child.stderr])
          stream.setEncoding('utf8').on('data', (more: string) => {
            text += more;
          });
        while (faults.injected().read === 0) await delay(20);
        const ended = new Promise<[number | null, string]>((resolve) =>
          child.on('close', (code) => resolve([code, text])),
        );
        return { child, ended };
      }

      it.each(['SIGINT', 'SIGTERM', 'SIGHUP'] as const)(
        '%s ends the command in bounded time, and it says so',
        async (name) => {
          const { child, ended } = await hanging(`hangs-${name}`, '0.5');
          child.kill(name);
          const [code, text] = await ended;
          expect(code).toBe(5);
          expect(text).toContain('did not end within 0.5 seconds of the signal');
          expect(text).toContain('{"error":{"code":"CANCELLED"');
        },
      );

      it('a second signal ends it at once', async () => {
        const { child, ended } = await hanging('hangs-twice', '1000');
        child.kill('SIGINT');
        await delay(200);
        child.kill('SIGTERM');
        expect((await ended)[0]).toBe(5);
      });
    },
  );

  it.skipIf(process.platform !== 'linux')('ends with an error where a file system refuses folders', () => {
    for (const args of [
      ['repository', 'create', '/proc/hvbackup-none'],
      ['repository', 'create', '/proc/hvbackup-none/deeper/still'],
      ['host', 'create', '/proc/hvbackup-none'],
    ]) {
      const { status, json } = cli(args, { ...options, timeout: 30_000 });
      expect(status).toBe(1);
      expect(json.error.message).toMatch(
        /No folder can be made here: \/proc\/hvbackup-none \(mkdir: ENOENT, although \/proc is there\)/,
      );
    }
  });

  it.skipIf(process.platform !== 'linux')(
    'exports to, and keeps its state in, no place that refuses folders',
    async () => {
      await newRepository('refused');
      ok(backupArgs(), options);
      const point = ok(['list', '--repository', repository], options).points[0].id;
      const exported = cli(
        ['export', '--repository', repository, '--point', point, '--to', '/proc/hvbackup-none', '--format', 'raw'],
        {
          ...options,
          timeout: 30_000,
        },
      );
      expect([exported.status, exported.json.error.code]).toEqual([1, 'IO_ERROR']);
      // The catalog is then in memory.
      const listed = cli(['list', '--repository', repository], { state: '/proc/hvbackup-none', timeout: 30_000 });
      expect([listed.status, listed.json.points.length]).toEqual([0, 1]);
    },
  );

  it('goes on to the end when nobody reads stdout any more', async () => {
    await newRepository('epipe');
    const child = spawn(process.execPath, [BUNDLE, ...backupArgs()], {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, HVBACKUP_STATE_DIR: options.state },
    });
    child.stdout.destroy();
    child.stderr.destroy();
    const status = await new Promise((resolve) => child.on('exit', resolve));
    // What a shell reports of a program that SIGPIPE ended: not all that it said was read.
    expect(status).toBe(141);
    expect(ok(['list', '--repository', repository], options).points).toHaveLength(1);
  });

  const shell = (line: string) => {
    const quoted = `'${process.execPath}' '${BUNDLE}'`;
    return spawnSync('bash', ['-c', line.replace(/\bhvbackup (?=[a-z-])/g, `${quoted} `)], {
      encoding: 'utf8',
      cwd: folder,
    });
  };

  describe.skipIf(!existsSync('/dev/full'))('a result that cannot be written', () => {
    it.each([
      'vm list --host HOST --json',
      'vm list --host HOST',
      'help',
      '--version',
      'list --repository none --json',
    ])('%s: exit code 1 and a sentence', (command) => {
      const { status, stderr } = shell(`hvbackup ${command.replace('HOST', `'${host}'`)} > /dev/full`);
      expect(status).toBe(1);
      expect(stderr).toContain('could not be written to standard output: There is no space left (write: ENOSPC)');
    });

    it('a file that takes a part only: what a limit, a quota or the last blocks of a disk do', async () => {
      const { status, stderr } = shell(`trap '' XFSZ; ulimit -f 1; hvbackup help > cut.txt`);
      expect(stderr).toContain('could not be written to standard output');
      expect(status).toBe(1);
      expect(shell('hvbackup help > whole.txt').status).toBe(0);
      const [cut, whole] = [await stat(join(folder, 'cut.txt')), await stat(join(folder, 'whole.txt'))];
      expect(cut.size).toBeLessThan(whole.size);
      expect((await readFile(join(folder, 'whole.txt'), 'utf8')).trimEnd().split('\n').at(-1)).toMatch(/^Exit codes/);
    });

    it('usage errors keep their code', () => expect(shell('hvbackup lsit --json > /dev/full').status).toBe(2));

    it('serve: exit code 1', () => {
      const line = '{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"1.0"}}';
      const { status, stderr } = shell(`echo '${line}' | hvbackup serve > /dev/full`);
      expect(stderr).toContain('ENOSPC');
      expect(status).toBe(1);
    });
  });

  it.skipIf(process.platform === 'win32')('a reader that has seen enough ends it quietly', () => {
    const { stdout, stderr } = shell(`hvbackup help | head -1; echo \${PIPESTATUS[1]}`);
    expect(stdout).toMatch(/^hvbackup .*\n0\n$/);
    expect(stderr).toBe('');
  });

  it.each([
    ['serve', '--help'],
    ['serve', '-h'],
    ['help', 'serve'],
    ['serve', '--json', '--help'],
  ])('%s %s: help, not a session', (...args) => {
    const { status, stdout } = spawnSync(process.execPath, [BUNDLE, ...args], { encoding: 'utf8', timeout: 20_000 });
    expect({ status, usage: stdout.includes('Usage: hvbackup serve') }).toEqual({ status: 0, usage: true });
  });

  function server() {
    const child = spawn(process.execPath, [BUNDLE, 'serve'], {
      stdio: 'pipe',
      env: { ...process.env, HVBACKUP_STATE_DIR: options.state },
    });
    // biome-ignore lint/suspicious/noExplicitAny: messages of any method
    const messages: any[] = [];
    createInterface({ input: child.stdout }).on('line', (line) => messages.push(JSON.parse(line)));
    const send = (message: object) => child.stdin.write(`${JSON.stringify({ jsonrpc: '2.0', ...message })}\n`);
    // biome-ignore lint/suspicious/noExplicitAny: see above
    const next = async (matches: (message: any) => boolean): Promise<any> => {
      for (;;) {
        const found = messages.find(matches);
        if (found) return found;
        await delay(10);
      }
    };
    send({ id: 'init', method: 'initialize', params: { protocolVersion: '1.0' } });
    const ended = new Promise<number | null>((resolve) => child.on('close', resolve));
    return { child, send, next, ended, messages };
  }

  it('serve: a backup with progress, then the end of stdin', async () => {
    await newRepository('served');
    const { child, send, next, ended, messages } = server();
    send({ id: 1, method: 'vm/backup', params: { host, vm: 'big', repository } });
    const { result } = await next((message) => message.id === 1);
    expect(result).toMatchObject({ vmName: 'big', mode: 'full', disks: [{ index: 0, mode: 'full' }] });
    expect(messages.some((message) => message.method === '$/progress' && message.params.token === 1)).toBe(true);
    send({ id: 2, method: 'point/list', params: { repository } });
    expect((await next((message) => message.id === 2)).result.points).toHaveLength(1);
    child.stdin.end();
    expect(await ended).toBe(0);
  });

  it.each(['end of stdin', 'stdout nobody reads'])(
    'serve: %s cancels the backup that runs and cleans up',
    async (how) => {
      await newRepository(how.replaceAll(' ', '-'));
      const { child, send, next, ended } = server();
      send({ id: 1, method: 'vm/backup', params: { host, vm: 'big', repository, mode: 'full' } });
      await next((message) => message.method === '$/progress' && message.params.phase === 'read');
      if (how === 'end of stdin') child.stdin.end();
      else child.stdout.destroy();
      expect(await ended).toBe(0);
      expect(ok(['list', '--repository', repository], options).points).toEqual([]);
      expect(await checkpoints()).toEqual([]);
    },
  );

  it('serve: bytes that are not the protocol are answered, not obeyed', async () => {
    const { child, next, ended } = server();
    await mkdir(join(folder, 'junk'), { recursive: true });
    const junk = join(folder, 'junk', 'bytes');
    await writeFile(junk, noise(1 * MIB, 5));
    createReadStream(junk).pipe(child.stdin);
    await next((message) => message.error?.code === -32700);
    expect(await ended).toBe(0);
  });

  it('errors have the documented exit codes', async () => {
    expect(cli(['list', '--repository', join(folder, 'none')]).status).toBe(1);
    expect(cli(['lsit']).status).toBe(2);
    const mixed = cli([
      'backup',
      '--host',
      host,
      '--vm',
      'big',
      '--vm',
      'none',
      '--repository',
      await newRepository('mixed'),
    ]);
    expect(mixed.status).toBe(3);
    expect(mixed.json.results.map((result: { error?: { code: string } }) => result.error?.code)).toEqual([
      undefined,
      'VM_NOT_FOUND',
    ]);
  });
});

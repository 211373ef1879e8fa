/**
 * The bundle under Wine with Windows Node: paths, files and child processes as Windows has them. HVBACKUP_WINDOWS_NODE
 * names a node.exe. Wine 8 runs Node 22 and not 24 (V8 asks for address space in a way that it does not know), so the
 * bundle's check of the version is lowered here; what it needs of Node, 22 has too.
 */
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { open, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { noise } from '../../fixtures/content.ts';
import { BUNDLE } from '../support/cli.ts';
import { scratchForSuite } from '../support/scratch.ts';
import { findTool, hasTool } from '../support/tools.ts';

const NODE = process.env.HVBACKUP_WINDOWS_NODE ?? '';
const usable = process.platform === 'linux' && hasTool('wine') && NODE !== '' && existsSync(NODE);
const MIB = 1 << 20;

describe.skipIf(!usable)('under Wine (skipped without wine and HVBACKUP_WINDOWS_NODE)', () => {
  let folder: string;
  let env: NodeJS.ProcessEnv;
  const bundle = 'C:\\hvbackup.cjs';
  const inside = (path: string) => join(folder, 'drive_c', ...path.slice(3).split('\\'));

  beforeAll(async () => {
    folder = await scratchForSuite('wine');
    env = {
      ...process.env,
      WINEPREFIX: folder,
      WINEDEBUG: '-all',
      DISPLAY: '',
      NODE_NO_WARNINGS: '1',
      NODE_COMPILE_CACHE: '',
    };
    spawnSync(findTool('wineboot') ?? 'wineboot', ['-i'], { env, stdio: 'ignore' });
    spawnSync('wine', ['winecfg', '-v', 'win10'], { env, stdio: 'ignore' });
    const source = await readFile(BUNDLE, 'utf8');
    await writeFile(inside(bundle), source.replace(/(process\.versions\.node\.split\('\.'\)\[0\]\))<\d+/, '$1<22'));
  });
  afterAll(() => {
    // This prefix's own server.
    if (usable) spawnSync('wineserver', ['-k'], { env, stdio: 'ignore' });
  });

  /** Runs a script with Windows Node. Output goes to files: Node there cannot write to a pipe of Linux. */
  async function node(...args: string[]): Promise<{ status: number | null; stdout: string; stderr: string }> {
    const names = [join(folder, 'out.txt'), join(folder, 'err.txt')] as const;
    const [out, err] = [await open(names[0], 'w'), await open(names[1], 'w')];
    const { status } = spawnSync('wine', [NODE, ...args], { env, stdio: ['ignore', out.fd, err.fd] });
    await out.close();
    await err.close();
    return { status, stdout: await readFile(names[0], 'utf8'), stderr: await readFile(names[1], 'utf8') };
  }
  async function ok(...args: string[]) {
    const { status, stdout, stderr } = await node(bundle, ...args, '--json');
    expect(status, `${args.join(' ')}\n${stdout}${stderr}`).toBe(0);
    return JSON.parse(stdout);
  }

  it.each([
    ['plain', 'C:\\plain'],
    ['longer than 260 characters', `C:\\${'d'.repeat(120)}\\${'e e'.repeat(50)}`],
  ])('full, incremental, verify, restore and export: %s', async (_, base) => {
    const host = `sim:${base}\\the host`;
    const repository = `${base}\\Größe 東京`;
    const name = `it's: "quoted" $(x) %TEMP% [1]`;
    const image = noise(24 * MIB, 3);
    await ok('host', 'create', `${base}\\the host`);
    await writeFile(inside(`${base}\\source.raw`), image);
    await ok('vm', 'create', '--host', host, '--name', name, '--disk', `${base}\\source.raw`);
    await ok('repository', 'create', repository);
    const backup = ['backup', '--host', host, '--vm', name, '--repository', repository];
    await ok(...backup);
    const change = noise(MIB, 4);
    await writeFile(inside(`${base}\\change`), change);
    await ok('vm', 'write', '--host', host, '--vm', name, '--offset', String(5 * MIB), '--file', `${base}\\change`);
    change.copy(image, 5 * MIB);
    const second = (await ok(...backup)).results[0];
    expect(second.disks[0]).toMatchObject({ mode: 'incremental' });
    await ok('verify', '--repository', repository);
    const point = ['--repository', repository, '--point', second.restorePointId];
    await ok('restore', ...point, '--host', host, '--new-id', '--name', 'CON');
    const exported = await ok('export', ...point, '--to', `${base}\\out`, '--format', 'raw');
    const content = await readFile(inside(exported.files[0].path));
    const sha256 = (data: Buffer) => createHash('sha256').update(data).digest('hex');
    expect(sha256(content)).toBe(sha256(image));
  });

  it('a drive that is not there is named', async () => {
    const { status, stderr } = await node(bundle, 'host', 'create', 'Q:\\labs\\one');
    expect(status).toBe(1);
    expect(stderr).toContain('Q:\\labs\\one');
  });

  it('killed in the middle of a backup: the next one cleans up and is whole', async () => {
    const host = 'sim:C:\\killed';
    await ok('host', 'create', 'C:\\killed');
    await writeFile(inside('C:\\k.raw'), noise(64 * MIB, 5));
    await ok('vm', 'create', '--host', host, '--name', 'k', '--disk', 'C:\\k.raw');
    await ok('repository', 'create', 'C:\\k-repository');
    const driver = join(import.meta.dirname, 'wine-session.cjs');
    await writeFile(inside('C:\\session.cjs'), await readFile(driver));
    await node('C:\\session.cjs', bundle, host, 'k', 'C:\\k-repository', 'C:\\answer.json');
    const rounds = JSON.parse(await readFile(inside('C:\\answer.json'), 'utf8'));
    expect(rounds).toHaveLength(3);
    for (const round of rounds) {
      expect(round.error).toBeUndefined();
      if (round.killed) expect(round.warnings.join(' ')).toMatch(/was interrupted/);
    }
    expect(rounds.some((round: { killed: boolean }) => round.killed)).toBe(true);
    await ok('verify', '--repository', 'C:\\k-repository');
  });
});

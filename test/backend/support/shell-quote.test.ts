/** Commands that a person is told to run next may be pasted: nothing in a path is run or replaced by the shell. */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { quoted } from '../../../backend/src/support/shell-quote.ts';
import { BUNDLE } from './cli.ts';
import { type PowerShell, startPowerShell } from './powershell.ts';
import { scratchForEach } from './scratch.ts';
import { findTool } from './tools.ts';

const HOSTILE = [
  'plain/path-1.2_3',
  'two  blanks',
  '',
  '$(touch x)',
  '`touch x`',
  "it's; touch x; '",
  "'$(touch x)'",
  '"$(touch x)"',
  'a\ntouch x\nb',
  '\\',
  "\\'; touch x #",
  '$HOME ~ * ? [a-z] {a,b} !! %PATH%',
  '& touch x | touch x > x',
  '-n',
  '@(New-Item x)',
  '\u2018; New-Item x; \u2019 \u201a \u201b',
  '$(New-Item x) `$(New-Item x)',
  "'; New-Item x; '",
  '\u201c$(New-Item x)\u201d',
];
const scratch = scratchForEach('shell-quote');

describe.skipIf(process.platform === 'win32')('pasted into a POSIX shell', () => {
  it.each(['sh', 'bash'])('a path stays one argument, to the letter (%s)', async (shell) => {
    const cwd = await scratch();
    const line = `printf '%s\\0' ${HOSTILE.map((text) => quoted(text, 'linux')).join(' ')}`;
    const { stdout } = spawnSync(shell, ['-c', line], { cwd, encoding: 'utf8' });
    expect(stdout.split('\0').slice(0, -1)).toEqual(HOSTILE);
    expect(readdirSync(cwd)).toEqual([]);
  });

  it.each([
    ['with a command in it', 'it\'s $(touch x) `touch x` "y"; touch x'],
    ['of several lines', "a\ntouch x\n'$(touch x)'"],
  ])('the next step that a command names, for a folder %s', async (_, name) => {
    const cwd = await scratch();
    const folder = join(cwd, name);
    mkdirSync(folder);
    const environment = { ...process.env, HVBACKUP_STATE_DIR: join(cwd, 'state') };
    const created = spawnSync(process.execPath, [BUNDLE, 'repository', 'create', folder], {
      cwd,
      encoding: 'utf8',
      env: environment,
    });
    expect(created.status, created.stderr).toBe(0);
    const hint = created.stdout.slice(created.stdout.indexOf('Next: ') + 'Next: '.length);
    expect(hint).toMatch(/^hvbackup backup/);
    const pasted = spawnSync('bash', ['-c', `hvbackup() { printf '%s\\0' "$@"; }\n${hint}`], { cwd, encoding: 'utf8' });
    expect(existsSync(join(cwd, 'x'))).toBe(false);
    const words = pasted.stdout.split('\0').slice(0, -1);
    expect(words.slice(0, 4)).toEqual(['backup', '--host', 'HOST', '--repository']);
    // Line ends do not reach a terminal: such a path is shown, and names nothing.
    if (!name.includes('\n')) expect(words).toEqual([...words.slice(0, 4), folder]);
  });
});

describe.skipIf(!findTool('pwsh'))('pasted into PowerShell (skipped without pwsh)', () => {
  let shell: PowerShell;
  beforeAll(() => {
    shell = startPowerShell({});
  });
  afterAll(() => shell.close());

  it('a path stays one argument, to the letter', async () => {
    const cwd = await scratch();
    const words = HOSTILE.filter((text) => text !== '').map((text) => quoted(text, 'win32'));
    const echo = 'function echo-all { ,@($args | ForEach-Object { [string] $_ }) }';
    const got = await shell.run(
      `${echo}\nPush-Location -LiteralPath $data\necho-all ${words.join(' ')}\nPop-Location`,
      cwd,
    );
    expect(got).toEqual(HOSTILE.filter((text) => text !== ''));
    expect(readdirSync(cwd)).toEqual([]);
  });
});

import { describe, expect, it } from 'vitest';
import { COMMANDS } from '../../../backend/src/cli/commands/index.ts';
import { findCommand, parseCommand } from '../../../backend/src/cli/parse.ts';
import { run } from './run-fake.ts';

const parse = (...args: string[]) => parseCommand(findCommand(COMMANDS, args), args);

describe('command lines', () => {
  it('lists may be repeated, flags and lists have a value in any case', () => {
    const { values } = parse(
      'backup',
      '--host',
      'sim:x',
      '--repository=r',
      '--vm',
      'a',
      '--vm=b',
      '--exclude-disk',
      '1',
    );
    expect(values).toMatchObject({ host: 'sim:x', repository: 'r', vm: ['a', 'b'], 'exclude-disk': [1] });
    expect(values['allow-crash-consistent']).toBe(false);
    expect(parse('backup', '--host', 'x', '--repository', 'r').values.vm).toEqual([]);
  });

  it.each([
    [['backpu'], 'There is no command "backpu".', 'Did you mean "hvbackup backup"?'],
    [['vm', 'lst'], 'There is no command "vm lst".', 'Did you mean "hvbackup vm list"?'],
    [['vm'], '"vm" needs one more word', 'See "hvbackup vm --help".'],
    [['frobnicate'], 'There is no command "frobnicate".', 'See "hvbackup --help".'],
    [['list', '--repositry', 'x'], '"hvbackup list" has no option --repositry.', 'Did you mean --repository?'],
    [['list', '--__proto__', 'x'], 'has no option --__proto__', 'See'],
    [['list', '-r', 'x'], 'has no option -r.', ''],
    [['list'], '--repository is missing: --repository LOCATION.', 'See "hvbackup list --help".'],
    [['list', '--repository'], '--repository needs a value', ''],
    [['list', '--repository', '--vm', 'x'], '--repository needs a value', ''],
    [['list', '--repository', 'a', '--repository', 'b'], '--repository is given twice.', ''],
    [['list', '--repository', 'a', 'extra'], '"extra" is one word too many.', ''],
    [['list', '--repository', ''], '--repository: the value is empty.', ''],
    [['host', 'create'], 'DIR is missing.', ''],
    [['restore', '--replace=yes'], '--replace takes no value.', ''],
    [['restore', '--switch', 'LAN='], '--switch: "LAN=" is neither a virtual switch nor OLD=NEW.', ''],
    [['restore', '--switch', '=LAN'], '--switch: "=LAN" is neither', ''],
    [['restore', '--switch', ''], '--switch: "" is neither', ''],
    [['backup', '--mode', 'sideways'], '--mode: "sideways" is not one of auto, full, incremental.', ''],
    [['backup', '--exclude-disk', 'C'], '--exclude-disk: "C" is not a whole number', ''],
    [['repository', 'create', 'x', '--block-size', 'big'], '--block-size: "big" is not a size.', ''],
    [['prune', '--repository', 'r', '--keep-daily', '-1'], '--keep-daily: "-1" is not a whole number', ''],
    [['prune', '--keep-last', 'all'], '--keep-last: "all" is not a whole number', ''],
    [['verify', '--sample', 'some'], '--sample: "some" is not a number.', ''],
    ...['0', '-1', '100.1', '1e400', '0%'].map((share): [string[], string, string] => [
      ['verify', '--repository', 'r', '--sample', share],
      share === '1e400' ? '--sample: "1e400" is not a number.' : '--sample must be above 0 and at most 100.',
      '',
    ]),
    [['--quiet', 'list'], 'The option --quiet stands before the command.', 'Write: hvbackup list --quiet'],
    [
      ['--vm', 'web01', 'repository', 'key', 'list', '--repository', 'r'],
      'The option --vm stands before the command.',
      'Write: hvbackup repository key list --vm web01 --repository r',
    ],
    [['--quiet'], 'The option --quiet stands before the command.', 'see "hvbackup --help"'],
    [['serve', 'more'], '"more" is one word too many.', 'See "hvbackup serve --help".'],
    [['srve'], 'There is no command "srve".', 'Did you mean "hvbackup serve"?'],
  ])('%j is a usage error: exit code 2', async (args, message, advice) => {
    const { code, stdout, stderr } = await run(args);
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
    expect(stderr).toContain(message);
    expect(stderr).toContain(advice);
  });
});

describe('help', () => {
  it.each(COMMANDS.map((entry) => entry.words.join(' ')))(
    'of "%s" names every option and has examples that parse',
    async (name) => {
      const { code, stdout, stderr } = await run([...name.split(' '), '--help']);
      expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
      for (const args of [
        [...name.split(' '), '-h'],
        ['help', ...name.split(' ')],
        [...name.split(' '), '--json', '-h'],
      ])
        expect(await run(args)).toMatchObject({ code: 0, stdout, stderr: '' });
      const command = COMMANDS.find((entry) => entry.words.join(' ') === name)!;
      for (const option of Object.keys(command.options)) expect(stdout).toContain(`--${option}`);
      for (const line of stdout.split('\n').filter((text) => !text.includes('hvbackup ')))
        expect(line.length).toBeLessThanOrEqual(100);
      expect(command.examples.length).toBeGreaterThan(0);
      for (const example of command.examples) {
        const args = example.split(' ').filter((arg) => arg !== '--json');
        expect(() => parseCommand(findCommand(COMMANDS, args), args)).not.toThrow();
      }
    },
  );

  it.each([[[]], [['--help']], [['help']], [['-h']]])('%j lists every command', async (args) => {
    const { code, stdout } = await run(args);
    expect(code).toBe(0);
    for (const command of COMMANDS) expect(stdout).toContain(`  ${command.words.join(' ')} `);
  });

  it.each(['vm', 'repository', 'repository key', 'host', 'disk'])(
    'of the group "%s" lists the group',
    async (group) => {
      for (const args of [
        [...group.split(' '), '--help'],
        [...group.split(' '), '-h'],
        ['help', ...group.split(' ')],
      ]) {
        const { code, stdout } = await run(args);
        expect(code).toBe(0);
        for (const command of COMMANDS) {
          const name = command.words.join(' ');
          if (name.startsWith(`${group} `)) expect(stdout).toContain(`  ${name} `);
          else expect(stdout).not.toContain(`  ${name} `);
        }
      }
    },
  );

  it('of a command that does not exist is a usage error', async () => {
    expect((await run(['exprot', '--help'])).stderr).toContain('Did you mean "hvbackup export"?');
  });

  it('--version', async () => {
    expect((await run(['--version'])).stdout).toMatch(/^hvbackup \d+\.\d+\.\d+\n$/);
    expect((await run(['--version', '--json'])).json.version).toMatch(/^\d+\.\d+\.\d+$/);
  });
});

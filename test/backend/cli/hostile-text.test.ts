/** Text from elsewhere on its way to the terminal: every command, with a hostile text in every field of its result. */
import { writeFileSync } from 'node:fs';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { Command } from '../../../backend/src/cli/command.ts';
import { COMMANDS } from '../../../backend/src/cli/commands/index.ts';
import { METHODS, type MethodName, type Operations } from '../../../backend/src/protocol/methods.ts';
import { HvError } from '../../../backend/src/support/errors.ts';
import { printable, printableJson } from '../../../backend/src/support/printable.ts';
import type { OperationContext } from '../../../backend/src/support/progress.ts';
import { sampleOf } from '../protocol/sample-result.ts';
import { scratchForSuite } from '../support/scratch.ts';
import { run } from './run-fake.ts';

const folder = await scratchForSuite('hostile');
const secret = join(folder, 'secret');
writeFileSync(secret, 'account\nsecret\n');

/** Clears the screen, sets the title, turns the direction, ends the line, hides; and halves of a pair. */
const HOSTILE = 'w\u001b[2J\u001b]0;x\u0007\u009b31m\u202egnp.exe\u2066\r\nforged\u2028\u200b\ufeff\u{e0041}\ud800b';
/** What no terminal may get, but for the ends of our own lines. */
const UNSAFE =
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are the ones that must not be there
  /[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\u{e0000}-\u{e007f}]/u;
/** What the line of progress takes itself away with. */
const own = (text: string) => text.replaceAll('\r\u001b[K', '');

/** The words of a command's example; a secret comes from a file that is there. */
function exampleOf({ examples }: Command): string[] {
  const args = examples[0]!.split(' ').filter((word) => word !== '--json');
  return args.map((word, index) => (args[index - 1]?.endsWith('-file') ? secret : word));
}

type Answer = (method: MethodName, context: OperationContext) => Promise<unknown>;

function operations(answer: Answer): Partial<Operations> {
  return Object.fromEntries(
    (Object.keys(METHODS) as MethodName[]).map((name) => [
      METHODS[name].operation,
      (_params: unknown, context: OperationContext) => answer(name, context),
    ]),
  );
}

const hostileResult: Answer = async (name, context) => {
  context.progress?.({ phase: HOSTILE, vmName: HOSTILE, message: HOSTILE });
  context.warn?.(HOSTILE);
  const result = sampleOf((await METHODS[name].schemas()).result, HOSTILE) as Record<string, unknown>;
  // Another page, for ever.
  delete result.nextCursor;
  return result;
};

const hostileError: Answer = async () => {
  throw new HvError('VM_NOT_FOUND', HOSTILE, { advice: HOSTILE, data: { vm: HOSTILE } });
};
const defect: Answer = async () => {
  throw new Error(HOSTILE);
};

const serving = COMMANDS.filter(({ words }) => words[0] !== 'serve');

describe.each(serving.map((command) => [command.words.join(' '), command] as const))('%s', (_name, command) => {
  it('prints hostile names as what they are: text', async () => {
    for (const answer of [hostileResult, hostileError, defect]) {
      const { stdout, stderr } = await run(exampleOf(command), operations(answer), { terminal: 200 });
      expect(own(stdout)).not.toMatch(UNSAFE);
      expect(own(stderr)).not.toMatch(UNSAFE);
      expect(stdout + stderr).not.toMatch(/^forged/m);
      expect(stdout + stderr).toContain('w\ufffd[2J');
    }
  });

  it('and in JSON exactly, escaped', async () => {
    const answered = await run([...exampleOf(command), '--json'], operations(hostileResult));
    expect(answered.stdout).not.toMatch(UNSAFE);
    // `vm write` has nothing to say but numbers.
    if (command.words.join(' ') !== 'vm write')
      expect(JSON.stringify(answered.json)).toContain(JSON.stringify(HOSTILE).slice(1, -1));
    const failed = await run([...exampleOf(command), '--json'], operations(hostileError));
    expect(failed.json.error).toEqual({
      code: 'VM_NOT_FOUND',
      message: HOSTILE,
      advice: HOSTILE,
      data: { vm: HOSTILE },
    });
  });
});

describe('printable text', () => {
  it('keeps what people write', () => {
    const names = ['Büro-Server', 'سرور\u200cها', '备份 01', 'naïve', '👩\u200d💻', 'a\u0301'];
    expect(names.map(printable)).toEqual(names);
    expect(names.map((name) => JSON.parse(printableJson(name)))).toEqual(names);
  });

  it('has one way out: no command writes to a stream of its own', async () => {
    const sources = join(import.meta.dirname, '../../../backend/src/cli');
    const writing: string[] = [];
    for (const name of await readdir(sources, { recursive: true })) {
      if (!name.endsWith('.ts')) continue;
      const text = await readFile(join(sources, name), 'utf8');
      if (/\.write\(|console\./.test(text)) writing.push(name);
    }
    expect(writing.sort()).toEqual(['progress-line.ts', 'standard-output.ts', 'terminal.ts']);
  });
});

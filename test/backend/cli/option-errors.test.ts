/** Parameters that a method refuses: the command line speaks of its options, never of schemas. */
import { describe, expect, it } from 'vitest';
import { COMMANDS } from '../../../backend/src/cli/commands/index.ts';
import { createInvoke } from '../../../backend/src/protocol/invoke.ts';
import { fakeOperations } from '../protocol/fake-operations.ts';
import { run } from './run-fake.ts';

/** What people read of a schema library, or of the protocol. */
const INTERNAL =
  /Too (small|big)|Invalid (input|option)|expected \w+|undefined|\b(host|vm|disk|point|repository|key)\/[a-z]|docs\/protocol/;

describe.each(
  COMMANDS.filter(({ words }) => words[0] !== 'serve').map((command) => [command.words.join(' '), command] as const),
)('%s', (_name, command) => {
  const options = Object.entries(command.options).filter(
    ([name, { kind }]) => kind !== 'flag' && !name.endsWith('-file'),
  );
  it.each(options.map(([name]) => name).concat(command.positionals.length > 0 ? ['positional'] : []))(
    '%s of any size is taken or refused by its name',
    async (name) => {
      const example = command.examples[0]!.split(' ');
      const secrets = example.flatMap((word, index) => (word.endsWith('-file') ? [index, index + 1] : []));
      const at = example.indexOf(`--${name}`);
      const words = example.filter(
        (_word, index) => !secrets.includes(index) && (at < 0 || (index !== at && index !== at + 1)),
      );
      for (const value of ['0', '-1', '1', '1.5', '99999999999999999999', '1e9', 'x', 'x'.repeat(5000), '1K', '9P']) {
        const args =
          name === 'positional' ? [...words.slice(0, command.words.length), value] : [...words, `--${name}=${value}`];
        const { code, stderr } = await run(args);
        expect(stderr, args.join(' ').slice(0, 200)).not.toMatch(INTERNAL);
        // The fake has no operation: it was taken.
        if (!stderr.includes('The fake has no operation'))
          expect([code, stderr]).toEqual([2, expect.stringMatching(/--\w|LOCATION|DIR|FILE/)]);
      }
    },
  );
});

describe('the protocol', () => {
  const refused = (method: 'repository/verify' | 'point/list', params: object) =>
    createInvoke(fakeOperations({}))(method, params as never, {}).catch((error) => error.message);

  it('says in words what is wrong with parameters', async () => {
    expect(await refused('repository/verify', { repository: 'r', sample: 0 })).toBe(
      'repository/verify: sample must be above 0',
    );
    expect(await refused('repository/verify', { repository: 'r', sample: 101 })).toBe(
      'repository/verify: sample must be at most 100',
    );
    expect(await refused('repository/verify', { repository: 7 })).toBe('repository/verify: repository must be a text');
    expect(await refused('point/list', {})).toBe('point/list: repository is missing');
    expect(await refused('point/list', { repository: '', limit: 0.5, vn: 'x' })).toBe(
      'point/list: repository must not be empty; limit must be a whole number; has no parameter "vn"',
    );
  });
});

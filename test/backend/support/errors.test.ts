/** What the system refuses becomes an error that says what to do. */
import { constants } from 'node:os';
import { expect, it } from 'vitest';
import { toHvError } from '../../../backend/src/support/errors.ts';

it.each(Object.keys(constants.errno))('%s comes with advice, and with the path and the call', (code) => {
  const system = Object.assign(new Error(code), { code, syscall: 'open', path: '/there/it' });
  const error = toHvError(system);
  expect(error.code).not.toBe('INTERNAL');
  expect(error.advice).toMatch(/\.$/);
  expect(error.data).toMatchObject({ path: '/there/it', syscall: 'open' });
});

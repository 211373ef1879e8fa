/**
 * `hvbackup serve`: cli.ts runs it, for its standard streams belong to the protocol; here it has its name and its help.
 */
import { HvError } from '../../support/errors.ts';
import { command } from '../command.ts';

export const serveCommand = command({
  words: 'serve',
  summary: 'Serve JSON-RPC 2.0 on stdin and stdout (for the PowerShell module).',
  options: {},
  examples: ['serve'],
  run: () => Promise.reject(new HvError('USAGE', 'serve takes no options: what it answers is JSON in any case.')),
});

/** Errors of Hyper-V's configuration files: always the file, and the offset in it where one is known. */
import { HvError, hex } from '../../../support/errors.ts';

/** The file breaks its format. @param offset file offset of the structure at fault, bytes */
export function corrupt(path: string, what: string, offset?: number, data: Record<string, unknown> = {}): HvError {
  const where = offset === undefined ? '' : ` at ${hex(offset)}`;
  return new HvError('CONFIGURATION_CORRUPT', `The configuration file is damaged: ${what}${where}: ${path}`, {
    advice: 'Use the configuration of another restore point, or restore the data only.',
    data: { path, ...(offset === undefined ? {} : { offset }), ...data },
  });
}

/** The file is sound as far as is known, but is of a kind or size that this program does not read. */
export function unsupported(path: string, what: string, data: Record<string, unknown> = {}): HvError {
  return new HvError('CONFIGURATION_UNSUPPORTED', `The configuration file cannot be read: ${what}: ${path}`, {
    advice: 'Let Hyper-V read it (Compare-VM), or restore the data only.',
    data: { path, ...data },
  });
}

/** Options of commands: what they are called, what they mean, and how their text becomes a value. */
import { HvError } from '../support/errors.ts';
import { parseInteger, parseSize } from './units.ts';

export interface Option<T> {
  /** `flag`: present or not; `value`: once; `list`: any number of times. */
  kind: 'flag' | 'value' | 'list';
  /** What stands for the value in help: `FILE`, `SIZE`, `auto|full`. */
  placeholder: string;
  help: string;
  required: boolean;
  /** @param name the option as written, for messages */
  parse: (text: string, name: string) => unknown;
  /** Carries the type of the value; never set. */
  readonly type?: T;
}

/** Values of a set of options. */
export type Values<O> = { [K in keyof O]: O[K] extends Option<infer T> ? T : never };

type Parser<T> = (text: string, name: string) => T;

const make = <T>(
  kind: Option<T>['kind'],
  placeholder: string,
  help: string,
  required: boolean,
  parse: Parser<unknown>,
) => ({ kind, placeholder, help, required, parse }) as Option<T>;

export const flag = (help: string): Option<boolean> => make('flag', '', help, false, () => true);

/** An option that may be left out. */
export const optional = <T>(placeholder: string, help: string, parse: Parser<T>): Option<T | undefined> =>
  make('value', placeholder, help, false, parse);

export const required = <T>(placeholder: string, help: string, parse: Parser<T>): Option<T> =>
  make('value', placeholder, help, true, parse);

/** An option that may be given several times; empty when it is not. */
export const list = <T>(placeholder: string, help: string, parse: Parser<T>): Option<T[]> =>
  make('list', placeholder, help, false, parse);

export const text: Parser<string> = (value, name) => {
  if (value === '') throw new HvError('USAGE', `${name}: the value is empty.`, { data: { option: name } });
  return value;
};
export const size: Parser<number> = parseSize;
export const integer =
  (min: number, max?: number): Parser<number> =>
  (value, name) =>
    parseInteger(value, name, min, max);
export const diskIndex = integer(0, 1023);

export const oneOf =
  <const T extends string>(...choices: T[]): Parser<T> =>
  (value, name) => {
    const found = choices.find((choice) => choice === value.toLowerCase());
    if (found !== undefined) return found;
    throw new HvError('USAGE', `${name}: "${value}" is not one of ${choices.join(', ')}.`, {
      data: { option: name, value, choices },
    });
  };

const number: Parser<number> = (value, name) => {
  const parsed = value.trim() === '' ? Number.NaN : Number(value.replace(/%$/, ''));
  if (Number.isFinite(parsed)) return parsed;
  throw new HvError('USAGE', `${name}: "${value}" is not a number.`, { data: { option: name, value } });
};

/** A share: above 0, at most 100. */
export const percent: Parser<number> = (value, name) => {
  const parsed = number(value, name);
  if (parsed > 0 && parsed <= 100) return parsed;
  throw new HvError('USAGE', `${name} must be above 0 and at most 100.`, { data: { option: name, value } });
};

/** `NAME`, or `OLD=NEW`: the first sign of equality divides. */
export const switchMapping: Parser<{ from?: string; to: string }> = (value, name) => {
  const at = value.indexOf('=');
  const [from, to] = at < 0 ? [undefined, value] : [value.slice(0, at), value.slice(at + 1)];
  if (from !== '' && to !== '') return { ...(from === undefined ? {} : { from }), to };
  throw new HvError('USAGE', `${name}: "${value}" is neither a virtual switch nor OLD=NEW.`, {
    data: { option: name, value },
  });
};

// The options that many commands share, worded once.
export const parentOption = list(
  'FILE',
  'A parent of a differencing image that is not at the path recorded in the image; matched by its identity.',
  text,
);
export const hostOption = required('URI', 'The host: sim:DIR, hyperv: or hyperv:SERVER.', text);
/** How disks of a Hyper-V host are read. */
export const readingOptions = {
  'read-method': optional(
    'auto|native|attached|export',
    "How a Hyper-V host's disks are read: their files, attached, or exported; auto when absent.",
    oneOf('auto', 'native', 'attached', 'export'),
  ),
  'export-folder': optional('DIR', 'Folder for exports while they are read, as the host names it.', text),
};
export const repositoryOption = required('LOCATION', 'The repository.', text);
export const pointOption = required('ID', 'The restore point: its id, or the beginning of it.', text);
export const limitRateOption = optional('SIZE', 'Read at most this much a second: 50M, 1G.', (text, name) => {
  const rate = size(text.replace(/\/s$/i, ''), name);
  if (rate >= 1024) return rate;
  throw new HvError('USAGE', `${name}: a rate below 1K a second is of no use.`, {
    data: { option: name, value: text },
  });
});
/** Read by run.ts for every command that has it. */
export const PASSPHRASE_OPTION = 'passphrase-file';
export const PASSPHRASE_VARIABLE = 'HVBACKUP_PASSPHRASE_FILE';
export const passphraseOption = optional(
  'FILE',
  `File that holds the passphrase of an encrypted repository; what ${PASSPHRASE_VARIABLE} names when absent.`,
  text,
);
export const overrideDoubtOption = flag(
  'Delete in spite of a doubt: restore points that are missing without a removal, incomplete listings. For this run only.',
);
/** Read by run.ts, like the passphrase. */
export const CREDENTIAL_OPTION = 'credential-file';
export const CREDENTIAL_VARIABLE = 'HVBACKUP_CREDENTIAL_FILE';
export const credentialOption = optional(
  'FILE',
  `File with the account for another host (hyperv:SERVER): its name, and its password in the second line; what ${CREDENTIAL_VARIABLE} names when absent.`,
  text,
);

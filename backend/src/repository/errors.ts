/** Damage as every part of the repository reports it. */
import { HvError } from '../support/errors.ts';

const OBJECT_ADVICE =
  'Run "hvbackup check" and "hvbackup verify" to see which restore points are affected, then take a full backup.';
/** No command opens a repository without it, so none can be advised. */
const CONFIG_ADVICE =
  'Nothing else is lost by it. Bring hvbackup-repository.json back from a snapshot or a copy of the folder: it never changes after the creation of the repository, so a copy of any age will do.';

/** REPOSITORY_DAMAGED as every part of the repository reports it. */
export function damaged(
  object: string,
  path: string,
  message: string,
  facts: { offset?: number; id?: string; cause?: unknown } = {},
): HvError {
  const { cause, ...rest } = facts;
  const at = rest.offset === undefined ? '' : ` at 0x${rest.offset.toString(16)}`;
  const id = rest.id === undefined ? '' : ` (${object} ${rest.id})`;
  return new HvError('REPOSITORY_DAMAGED', `${path}${at}: ${message}${id}`, {
    advice: object === 'config' ? CONFIG_ADVICE : OBJECT_ADVICE,
    data: { object, path, ...rest },
    cause,
  });
}

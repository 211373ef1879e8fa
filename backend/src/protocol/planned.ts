/**
 * Parameters that the documented command line and cmdlets have and that no operation serves yet. They are refused by
 * name before anything is done: a limit or a passphrase that is silently ignored is worse than none.
 */
import { HvError } from '../support/errors.ts';

/** Method → parameter → what to do instead. */
export const PLANNED: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  'point/restore': { path: 'Leave it out: the VM is restored to the default folders of its host.' },
};

/** @throws NOT_SUPPORTED when `params` uses one of {@link PLANNED}'s parameters of `method` */
export function refusePlanned(method: string, params: unknown): void {
  if (typeof params !== 'object' || params === null) return;
  for (const [name, advice] of Object.entries(PLANNED[method] ?? {})) {
    const value = (params as Record<string, unknown>)[name];
    if (value === undefined || value === null || value === false) continue;
    throw new HvError('NOT_SUPPORTED', `${method}: this version does not support "${name}".`, {
      advice,
      data: { method, parameter: name },
    });
  }
}

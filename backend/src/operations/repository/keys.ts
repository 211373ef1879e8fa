/** The passphrases of an encrypted repository, and what this machine remembers of any. */
import { hostname } from 'node:os';
import { keyObjectName } from '../../repository/format/names.ts';
import type { Repository } from '../../repository/port/repository.ts';
import type {
  AcceptRemovedParams,
  AcceptRemovedResult,
  AddKeyParams,
  AddKeyResult,
  ListKeysParams,
  ListKeysResult,
  RemoveKeyParams,
  RemoveKeyResult,
} from '../../schema/repository.ts';
import type { DamageReport } from '../../schema/verify.ts';
import { isoDate } from '../../support/clock.ts';
import type { OperationContext } from '../../support/progress.ts';
import { withRepository } from '../with.ts';

/** @throws REPOSITORY_NOT_ENCRYPTED, WRONG_PASSPHRASE, … */
export async function listKeys(params: ListKeysParams, context: OperationContext): Promise<ListKeysResult> {
  return withRepository(params, context, async (repository) => ({ keys: await repository.listKeys() }));
}

/** @throws KEY_EXISTS for a passphrase that opens it already, REPOSITORY_NOT_ENCRYPTED, WRONG_PASSPHRASE, … */
export async function addKey(params: AddKeyParams, context: OperationContext): Promise<AddKeyResult> {
  return withRepository(params, context, async (repository) => ({
    key: await repository.addKey(params.newPassphrase, params.label ?? hostname()),
  }));
}

/** @throws KEY_NOT_FOUND, KEY_IN_USE for that of the passphrase given, REPOSITORY_BUSY, REPOSITORY_NOT_ENCRYPTED, … */
export async function removeKey(params: RemoveKeyParams, context: OperationContext): Promise<RemoveKeyResult> {
  return withRepository(params, context, async (repository) => ({ id: await repository.removeKey(params.key) }));
}

/** Key objects that cannot be read: a passphrase that opens nothing any more. For check. */
export async function keyDamage(repository: Repository): Promise<DamageReport[]> {
  if (!repository.encrypted) return [];
  const keys = await repository.listKeys();
  return keys.flatMap(({ id, problem }) =>
    problem === undefined ? [] : [{ object: 'key', path: keyObjectName(id), message: problem }],
  );
}

/** Takes the restore points of a repository as they are now. */
export async function acceptRemoved(
  params: AcceptRemovedParams,
  context: OperationContext,
): Promise<AcceptRemovedResult> {
  return withRepository(params, context, async (repository) => {
    const points = await repository.acceptUnexpectedPoints();
    return {
      points: points.map(({ id, vmName, createdAt, state }) => ({
        id,
        vmName: vmName ?? '',
        createdAt: isoDate(createdAt),
        state,
      })),
    };
  });
}

/**
 * Making a recovery checkpoint: with the consistency that was asked for, or the one that is allowed instead; also when
 * the helper dies meanwhile.
 */
import type { Consistency } from '../../../schema/vm.ts';
import { HvError, isHvError } from '../../../support/errors.ts';
import type { CheckpointRequest } from '../../port.ts';
import type { Helper } from '../helper/helper.ts';
import { versionProblem } from '../readiness/readiness.ts';
import { PrerequisiteAnswer, type Snapshot, SnapshotAnswer, type SystemAnswer } from '../wmi.ts';
import { nameWith } from './checkpoint.ts';

/** How long a checkpoint may take: the guest's VSS writers have minutes. Seconds. */
const CHECKPOINT_SECONDS = 1800;
/** A VSS error of the guest or host by its HRESULT, which no language of Windows translates. */
const VSS_ERROR = /0x800423[0-9a-f]{2}/i;
const OK = 2;

/** @throws CONSISTENCY_NOT_POSSIBLE, CHECKPOINT_FAILED, CANCELLED, HOST_LOST */
export async function makeCheckpoint(
  helper: Helper,
  vmId: string,
  vm: SystemAnswer,
  request: CheckpointRequest,
): Promise<Snapshot> {
  try {
    return await create(helper, vmId, request, request.consistency);
  } catch (error) {
    if (!isHvError(error, 'CHECKPOINT_FAILED')) throw error;
    const old = versionProblem(vm.settings.version ?? '');
    if (old)
      throw new HvError(error.code, `${error.message} ${old.message}`, { ...old, data: error.data, cause: error });
    if (request.consistency === 'crash') throw error;
    if (!request.allowCrashConsistent) throw await consistencyError(helper, vmId, vm.settings.elementName, error);
    // As shipping clients do: whatever kept the guest from being quiesced, a crash-consistent one may still succeed.
    return await create(helper, vmId, request, 'crash');
  }
}

async function create(
  helper: Helper,
  vmId: string,
  { label: plain, guestBackup = 'full', signal }: CheckpointRequest,
  consistency: Consistency,
): Promise<Snapshot> {
  const label = nameWith(plain, consistency);
  const timeoutSeconds = CHECKPOINT_SECONDS;
  try {
    const params = { vmId, consistency, guestBackup, label, timeoutSeconds };
    return SnapshotAnswer.parse(await helper.request('createSnapshot', params, { signal })).snapshot!;
  } catch (error) {
    if (!isHvError(error, 'HELPER_FAILED') || error.data.died !== true || typeof error.data.jobId !== 'string')
      throw error;
    // The job goes on without the helper that died, and the next one can ask it.
    const params = { jobId: error.data.jobId, label, timeoutSeconds };
    const { snapshot } = SnapshotAnswer.parse(await helper.request('adoptSnapshot', params, { repeat: true }));
    if (!snapshot) throw error;
    return snapshot;
  }
}

/** Whether it was the guest: then an error of its own, which says what can be done. */
async function consistencyError(helper: Helper, vmId: string, name: string, error: HvError): Promise<HvError> {
  const answer = await helper.request('prerequisites', { vmId }, { repeat: true }).catch(() => null);
  const vss = PrerequisiteAnswer.safeParse(answer).data?.vss;
  const working = vss?.operationalStatus[0] === OK;
  if (working && !VSS_ERROR.test(error.message)) return error;
  const why =
    vss === undefined || working ? '' : ' Its backup (volume checkpoint) integration service does not answer.';
  return new HvError(
    'CONSISTENCY_NOT_POSSIBLE',
    `The guest of VM "${name}" could not be brought to an application-consistent state.${why} ${error.message}`,
    {
      advice: 'Check the integration services and VSS writers in the guest, or allow a crash-consistent backup.',
      data: { ...error.data, vmId },
      cause: error,
    },
  );
}

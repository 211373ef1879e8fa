/** What a job of this machine wrote of itself whose process is gone. */
import { jobOwner } from '../../../../backend/src/operations/backup/job-lock.ts';

const DEAD_PID = 999_999_999;

export function deadOwner(lockPath = '/nowhere') {
  const owner = jobOwner(lockPath);
  return { ...owner, pid: DEAD_PID, process: { ...owner.process!, pid: DEAD_PID } };
}

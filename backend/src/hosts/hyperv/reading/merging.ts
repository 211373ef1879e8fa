/** Whether a host goes on merging after an export. */
import { setTimeout as sleep } from 'node:timers/promises';

/** Looks at whether the host merges, ms between them: it begins a moment after the conversion. */
const MERGE_LOOKS = [0, 500, 1500, 3000];

/**
 * After an export: whether the host merges what the checkpoint had set apart. It may not, until its service restarts
 * (docs/hyperv.md, A backup).
 * @returns a sentence for the result; null when everything is merged
 */
export async function watchMerging(
  look: () => Promise<{ diskIndex: number; state: 'merging' | 'failed' }[]>,
): Promise<string | null> {
  for (const pause of MERGE_LOOKS) {
    await sleep(pause);
    const states = await look();
    const disks = states.map(({ diskIndex }) => diskIndex).join(', ');
    if (states.length === 0) return null;
    const waits = states.some(({ state }) => state === 'failed');
    if (!waits) return `The host is merging the checkpoint's files of disk ${disks}.`;
    if (pause === MERGE_LOOKS.at(-1))
      return (
        `After the export the host has not resumed merging the checkpoint's files of disk ${disks}. It does when its Virtual Machine ` +
        'Management service (vmms) or the VM restarts; see events 19070 to 19100 of Hyper-V-VMMS.'
      );
  }
  return null;
}

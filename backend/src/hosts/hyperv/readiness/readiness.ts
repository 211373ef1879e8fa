/** Whether and how a VM can be backed up: from what WMI says of it, before anything is done to it. */
import type { Readiness, ReadinessFinding } from '../../../schema/readiness.ts';
import type { VmDescription } from '../../../schema/vm.ts';
import type { Way } from '../reading/ways.ts';
import { SHARES_ADVICE, sentence } from '../vms/shares.ts';

export interface ReadinessFacts {
  vm: VmDescription;
  /** Why a disk file cannot be described, by path. */
  failures: Map<string, string>;
  /** Paths of disks that several VMs may write to. */
  shared: Set<string>;
  /** VHD sets by path, with why they cannot be looked into; empty text where they can. */
  sets: Map<string, string>;
  /** Names of the groups (collections) that the VM is in. */
  groups: string[];
  /** Recovery checkpoints that stand, by name; and users' checkpoints. */
  recovery: string[];
  users: string[];
  referencePoints: number;
  merging: { diskIndex: number; state: 'merging' | 'failed' }[];
  /** Backup integration service: absent without one. OperationalStatus 2 is OK. */
  vss?: { operationalStatus: number[] } | null;
  elevated?: boolean | null;
  volumes: { name?: string | null; freeSpace?: number | null; capacity?: number | null }[];
  virtDisk: { available: boolean; reason: string };
  /** Why the shares cannot be read with the account that was given. */
  shareProblem?: string;
  /** How the disks are read. */
  way: Way;
  /** Where exports go, when they are used. */
  exportFolder?: string;
}

/** RCT is there from this configuration version on (Windows Server 2016). */
const TRACKING_VERSION = 6.2;
const VERSION_ADVICE = 'Turn the VM off and run Update-VMVersion; older hosts cannot run it then.';

/** What the VM's configuration version keeps from working; null when it is new enough. */
export function versionProblem(version: string): { message: string; advice: string } | null {
  if (!(Number.parseFloat(version) < TRACKING_VERSION)) return null;
  const message = `The configuration version is ${version}; change tracking needs ${TRACKING_VERSION} or later.`;
  return { message, advice: VERSION_ADVICE };
}

const OK = 2;
/** Reference points above which a VM starts noticeably slower. */
const MANY_POINTS = 30;
/** A checkpoint grows while it stands: below this share of the volume, or this much, it could fill it. */
const LEAST_FREE_SHARE = 0.05;
const LEAST_FREE = 2 ** 31;
const OUR_LABEL = 'HyperVBackup ';

export function readiness(facts: ReadinessFacts): Readiness {
  const findings = [...vmFindings(facts), ...diskFindings(facts), ...checkpointFindings(facts), ...hostFindings(facts)];
  const ready = !findings.some((finding) => finding.severity === 'error');
  return { ready, ...method(facts), findings };
}

function method({ way, exportFolder, virtDisk }: ReadinessFacts): Omit<Readiness, 'ready' | 'findings'> {
  if (way.method === 'export') {
    const why = `${way.why} Exports lie in ${exportFolder} while they are read; changes come from differential exports.`;
    return { method: 'export', changes: 'export', why, exportFolder };
  }
  if (way.method === 'share')
    return { method: 'share', changes: 'wmi', why: `${way.why} Changes are asked for over WMI.` };
  if (virtDisk.available) return { method: way.method, changes: 'virtdisk', why: way.why };
  return { method: way.method, changes: 'wmi', why: `${way.why} Changes are asked for over WMI: ${virtDisk.reason}.` };
}

const finding = (
  severity: ReadinessFinding['severity'],
  code: string,
  message: string,
  advice?: string,
): ReadinessFinding => ({ code, severity, message, ...(advice ? { advice } : {}) });

function* vmFindings({ vm, vss, groups }: ReadinessFacts): Generator<ReadinessFinding> {
  const old = versionProblem(vm.version);
  if (old) yield finding('error', 'CONFIGURATION_VERSION', old.message, old.advice);
  if (vm.state === 'Running' && vss?.operationalStatus[0] !== OK) {
    const message = vss
      ? 'The backup integration service of the guest does not answer: application consistency cannot be reached.'
      : 'The VM has no backup integration service: application consistency cannot be reached.';
    yield finding(
      'warning',
      'INTEGRATION_SERVICES',
      message,
      "Enable-VMIntegrationService -Name 'VSS', and see that it runs in the guest; or allow crash-consistent backups.",
    );
  }
  if (vm.state === 'Saved')
    yield finding('info', 'SAVED_STATE', 'The VM is in saved state; its memory is not part of a backup.');
  if (groups.length > 0) {
    const message = `The VM is in a group (${groups.join(', ')}): it is frozen by itself, not at one moment with the others.`;
    yield finding('info', 'VM_GROUP', message);
  }
  if (vm.tpm) {
    yield finding(
      'warning',
      'VIRTUAL_TPM',
      'The VM has a virtual TPM: on another host its content opens only with the key protector.',
      'Export the guardian certificates of this host, and keep them with the backups.',
    );
  }
}

function* diskFindings({ vm, failures, shared, sets, merging }: ReadinessFacts): Generator<ReadinessFinding> {
  if (vm.disks.length === 0) yield finding('info', 'NO_DISKS', 'The VM has no disks.');
  for (const disk of vm.disks) {
    const name = `Disk ${disk.index} (${disk.path})`;
    const failure = failures.get(disk.path);
    if (disk.format === 'passthrough') {
      yield finding(
        'warning',
        'PASS_THROUGH_DISK',
        `${name} is a pass-through disk: it is left out.`,
        'Back it up from within the guest.',
      );
    } else if (disk.format === 'vhds') {
      const problem = sets.get(disk.path);
      const how = problem
        ? `which cannot be looked into (${problem}): it is left out.`
        : 'shared between VMs: it is read where the checkpoint has a snapshot of the set, else left out.';
      yield finding(
        'warning',
        'VHD_SET',
        `${name} is a VHD set, ${how}`,
        'Hyper-V freezes sets for groups of VMs. Until a restore point has the disk, back it up from within the guest.',
      );
    } else if (shared.has(disk.path)) {
      yield finding(
        'warning',
        'SHARED_DISK',
        `${name} is a VHDX shared between VMs: it is left out.`,
        'Convert it to a VHD set (Convert-VHD), or back it up from within the guest.',
      );
    } else if (failure !== undefined) {
      yield finding('error', 'DISK_UNREADABLE', `${name} cannot be read: ${failure}`, 'Check the file and its rights.');
    } else if (disk.format === 'vhd') {
      yield finding(
        'warning',
        'NO_CHANGE_TRACKING',
        `${name} is a VHD, which has no change tracking: it is always read in full.`,
        'Convert it to VHDX (Convert-VHD).',
      );
    }
  }
  for (const { diskIndex, state } of merging) {
    yield state === 'merging'
      ? finding('info', 'MERGING', `Disk ${diskIndex} is being merged after an earlier checkpoint.`)
      : finding(
          'warning',
          'MERGE_FAILED',
          `Disk ${diskIndex} is still in a differencing file, though no checkpoint stands.`,
          'Look for events 19090 and 19100 of Hyper-V-VMMS; never merge by hand while the VM exists.',
        );
  }
}

function* checkpointFindings({ recovery, users, referencePoints }: ReadinessFacts): Generator<ReadinessFinding> {
  const foreign = recovery.filter((label) => !label.startsWith(OUR_LABEL));
  if (foreign.length > 0) {
    yield finding(
      'warning',
      'FOREIGN_CHECKPOINT',
      `A recovery checkpoint stands that is not ours: ${foreign.join(', ')}.`,
      'Another backup runs, or left it: then let that product clean it up.',
    );
  }
  if (recovery.length > foreign.length)
    yield finding(
      'info',
      'OWN_CHECKPOINT',
      'A recovery checkpoint of ours stands: a backup runs, or the next one cleans up.',
    );
  if (users.length > 0)
    yield finding(
      'info',
      'USER_CHECKPOINTS',
      `The VM has ${users.length} checkpoint(s); disks are read with all files of their chains.`,
    );
  if (referencePoints >= MANY_POINTS) {
    yield finding(
      'warning',
      'MANY_REFERENCE_POINTS',
      `The VM has ${referencePoints} reference points, which slow its start.`,
      'Remove those of products that are not in use any more.',
    );
  }
}

function* hostFindings({ vm, volumes, elevated, shareProblem }: ReadinessFacts): Generator<ReadinessFinding> {
  if (shareProblem) yield finding('error', 'SHARES_REFUSED', sentence(shareProblem), SHARES_ADVICE);
  if (elevated === false) {
    yield finding(
      'warning',
      'NOT_ELEVATED',
      'This process does not have the rights of an administrator.',
      'Run it elevated; reading disks may be refused.',
    );
  }
  const seen = new Set<string>();
  for (const { path } of vm.disks) {
    const volume = volumes
      .filter(({ name }) => name && path.toLowerCase().startsWith(name.toLowerCase()))
      .toSorted((a, b) => b.name!.length - a.name!.length)[0];
    if (!volume?.name || seen.has(volume.name) || volume.freeSpace == null || !volume.capacity) continue;
    seen.add(volume.name);
    if (volume.freeSpace >= LEAST_FREE && volume.freeSpace >= volume.capacity * LEAST_FREE_SHARE) continue;
    yield finding(
      'warning',
      'LITTLE_SPACE',
      `The volume ${volume.name} has ${Math.floor(volume.freeSpace / 2 ** 20)} MiB left; a checkpoint grows there while the backup runs.`,
      'Free space on it.',
    );
  }
}

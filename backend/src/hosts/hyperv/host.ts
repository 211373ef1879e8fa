/** The Hyper-V host: the Host port over the helper process (docs/hyperv.md). */
import type { ChangedRange } from '../../disk/device.ts';
import type { Readiness } from '../../schema/readiness.ts';
import type { Consistency, VmDescription } from '../../schema/vm.ts';
import { HvError, isHvError } from '../../support/errors.ts';
import { parseGuid } from '../../support/guid.ts';
import type {
  CheckpointRequest,
  ConfigurationFile,
  Host,
  HostDisk,
  PlannedVm,
  PlanRequest,
  RecoveryCheckpoint,
  ReferencePoint,
  VmSummary,
} from '../port.ts';
import { queryChanges } from './changes.ts';
import { type CheckpointFacts, describeCheckpoint, diskPaths, nameWith } from './checkpoint.ts';
import { configurationFiles } from './configuration-files.ts';
import { describeVm, generationOf, stateOf } from './describe.ts';
import { placedDisks } from './describe-disks.ts';
import { checkpointNotFound, noSuchDisk, vmNotFound } from './errors.ts';
import type { Helper } from './helper.ts';
import { mergeState } from './merge-state.ts';
import { reachable } from './paths.ts';
import { planVm } from './plan.ts';
import { readiness } from './readiness.ts';
import { Readings } from './readings.ts';
import { referencePoint } from './reference-points.ts';
import { explainShare, requireShares } from './shares.ts';
import { askSet, isVhdSet, type SetSnapshot, setSnapshot, setSnapshots } from './vhd-sets.ts';
import type { ReadingOptions } from './ways.ts';
import * as wmi from './wmi.ts';

/** How long a checkpoint may take: the guest's VSS writers have minutes. Seconds. */
const CHECKPOINT_SECONDS = 1800;
/** A VSS error of the guest or host by its HRESULT, which no language of Windows translates. */
const VSS_ERROR = /0x800423[0-9a-f]{2}/i;
const OK = 2;

export class HyperVHost implements Host {
  readonly uri: string;
  readonly #helper: Helper;
  readonly #server: string | undefined;
  #release: (() => Promise<void>) | undefined;
  readonly #readings: Readings;

  /**
   * Use openHyperVHost(). @param server other machine; undefined for this one @param uri address to be recorded: names the machine
   * @param release what becomes of the helper in the end @param reading how disks shall be read
   */
  constructor(
    helper: Helper,
    server: string | undefined,
    uri: string,
    release = () => helper.close(),
    reading: ReadingOptions = {},
  ) {
    this.#helper = helper;
    this.#server = server;
    this.#release = release;
    this.#readings = new Readings(helper, server, reading);
    this.uri = uri;
    // Start-up goes on while the caller opens the repository; its errors come with the first request.
    helper.state().catch(() => {});
  }

  /** Process id of the helper while it runs. */
  get helperPid(): number | undefined {
    return this.#helper.pid;
  }

  async listVms(): Promise<VmSummary[]> {
    const answer = wmi.SystemListing.parse(
      await this.#helper.request('listSystems', { disks: true }, { repeat: true }),
    );
    const ids = new Set(answer.systems.map(({ system }) => system.name.toLowerCase()));
    const storage = answer.storage.filter(
      ({ instanceID, hostResource }) => hostResource[0] && ids.has(wmi.ownerOf(instanceID)),
    );
    const paths = storage.map(({ hostResource }) => hostResource[0]!);
    const facts = await this.#facts([...new Set(paths)]);
    return answer.systems.map(({ system, settings }) => {
      const id = system.name.toLowerCase();
      const disks = storage.filter(({ instanceID }) => wmi.ownerOf(instanceID) === id);
      const size = disks.reduce((sum, { hostResource }) => sum + (facts.get(hostResource[0]!)?.size ?? 0), 0);
      const generation = generationOf(settings);
      return { id, name: settings.elementName, state: stateOf(system), generation, disks: disks.length, size };
    });
  }

  async getVm(nameOrId: string): Promise<VmDescription> {
    const all = await this.#systems();
    const id = parseGuid(nameOrId);
    const wanted = nameOrId.toLowerCase();
    const byId = all.filter(({ system }) => system.name.toLowerCase() === id);
    const found = byId.length > 0 ? byId : all.filter(({ settings }) => settings.elementName.toLowerCase() === wanted);
    if (found.length === 0)
      throw vmNotFound(
        nameOrId,
        all.map(({ settings }) => settings.elementName),
      );
    if (found.length > 1) {
      throw new HvError('VM_AMBIGUOUS', `${found.length} VMs are named "${nameOrId}"`, {
        advice: 'Give the id of the one that is meant.',
        data: { name: nameOrId, ids: found.map(({ system }) => system.name.toLowerCase()) },
      });
    }
    return await this.#vm(found[0]!.system.name);
  }

  async createRecoveryCheckpoint(vmId: string, request: CheckpointRequest): Promise<RecoveryCheckpoint> {
    const vm = await this.#describe(vmId);
    // Before anything is done to the VM: what was asked for may not be possible.
    const way = await this.#readings.way(diskPaths(vm.components));
    if (way.method !== 'export') requireShares(await this.#helper.state());
    await this.#readings.clean();
    let snapshot: wmi.Snapshot;
    try {
      snapshot = await this.#createSnapshot(vmId, request, request.consistency);
    } catch (error) {
      if (request.consistency === 'crash' || !isHvError(error, 'CHECKPOINT_FAILED')) throw error;
      if (!request.allowCrashConsistent) throw await this.#consistencyError(vmId, vm.settings.elementName, error);
      // As shipping clients do: whatever kept the guest from being quiesced, a crash-consistent one may still succeed.
      snapshot = await this.#createSnapshot(vmId, request, 'crash');
    }
    try {
      const checkpoint = describeCheckpoint(snapshot, vm, await this.#frozenFacts(snapshot, vm, true));
      return { ...checkpoint, label: request.label };
    } catch (error) {
      await this.removeCheckpoint(wmi.settingsId(snapshot.settings.instanceID)).catch(() => undefined);
      throw error;
    }
  }

  async #createSnapshot(vmId: string, request: CheckpointRequest, consistency: Consistency): Promise<wmi.Snapshot> {
    const label = nameWith(request.label, consistency);
    const params = {
      vmId,
      consistency,
      guestBackup: request.guestBackup ?? 'full',
      label,
      timeoutSeconds: CHECKPOINT_SECONDS,
    };
    const { signal } = request;
    const snapshot = await this.#resumed('createSnapshot', params, signal, async (jobId) => {
      const answer = await this.#helper.request(
        'adoptSnapshot',
        { jobId, label, timeoutSeconds: CHECKPOINT_SECONDS },
        { repeat: true },
      );
      return wmi.SnapshotAnswer.parse(answer).snapshot;
    });
    return snapshot;
  }

  /** The helper died while a checkpoint was made: the job goes on without it, and the next helper can ask it. */
  async #resumed(
    method: string,
    params: object,
    signal: AbortSignal | undefined,
    adopt: (jobId: string) => Promise<wmi.Snapshot | null>,
  ): Promise<wmi.Snapshot> {
    try {
      return wmi.SnapshotAnswer.parse(await this.#helper.request(method, params, { signal })).snapshot!;
    } catch (error) {
      if (!isHvError(error, 'HELPER_FAILED') || error.data.died !== true || typeof error.data.jobId !== 'string')
        throw error;
      const snapshot = await adopt(error.data.jobId);
      if (!snapshot) throw error;
      return snapshot;
    }
  }

  /** Whether it was the guest: then an error of its own, which says what can be done. */
  async #consistencyError(vmId: string, name: string, error: HvError): Promise<HvError> {
    const answer = await this.#helper.request('prerequisites', { vmId }, { repeat: true }).catch(() => null);
    const vss = wmi.PrerequisiteAnswer.safeParse(answer).data?.vss;
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

  async listRecoveryCheckpoints(vmId: string): Promise<RecoveryCheckpoint[]> {
    const vm = await this.#describe(vmId);
    const answer = wmi.SnapshotListing.parse(await this.#helper.request('listSnapshots', { vmId }, { repeat: true }));
    const checkpoints: RecoveryCheckpoint[] = [];
    for (const snapshot of answer.snapshots) {
      checkpoints.push(describeCheckpoint(snapshot, vm, await this.#frozenFacts(snapshot, vm, false)));
    }
    return checkpoints.sort((a, b) => a.createdAt.localeCompare(b.createdAt));
  }

  async openDisk(checkpoint: RecoveryCheckpoint, diskIndex: number, signal?: AbortSignal): Promise<HostDisk> {
    const { path, set } = await this.#frozenDisk(checkpoint, diskIndex);
    const snapshot = () => this.#snapshot(checkpoint.id);
    try {
      if (set) return await this.#readings.openSetSnapshot(set.path, snapshot);
      return await this.#readings.open(checkpoint, diskIndex, path, snapshot, signal);
    } catch (error) {
      throw explainShare(error, reachable(set?.path ?? path, this.#server), this.#server);
    }
  }

  async *queryChanges(
    checkpoint: RecoveryCheckpoint,
    diskIndex: number,
    rctId: string,
    referencePointId?: string,
    signal?: AbortSignal,
  ): AsyncGenerator<ChangedRange[]> {
    const { path, size, set } = await this.#frozenDisk(checkpoint, diskIndex);
    // virtdisk.dll is asked about files; what changed up to a snapshot within a set is documented for WMI alone.
    if (set) return yield* queryChanges(this.#helper, { path, rctId, size, method: 'wmi', snapshotId: set.snapshotId });
    yield* this.#readings.changes(
      checkpoint,
      { index: diskIndex, rctId, path, size },
      {
        snapshot: () => this.#snapshot(checkpoint.id),
        points: () => this.listReferencePoints(checkpoint.vmId),
        referencePointId,
        signal,
      },
    );
  }

  async copyConfiguration(checkpoint: RecoveryCheckpoint, signal?: AbortSignal): Promise<ConfigurationFile[]> {
    const answer = await this.#helper.request('configurationFiles', { snapshotId: checkpoint.id }, { repeat: true });
    const place = wmi.ConfigurationAnswer.parse(answer);
    const exported = this.#readings.exportOf(checkpoint);
    try {
      return await configurationFiles(place, this.#server);
    } catch (error) {
      if (!exported) throw error;
      return await exported.configuration(signal);
    }
  }

  async convertToReferencePoint(checkpointId: string): Promise<ReferencePoint> {
    const snapshot = await this.#snapshot(checkpointId);
    const vm = await this.#describe((snapshot.settings.virtualSystemIdentifier ?? '').toLowerCase());
    const exported = await this.#readings.end(checkpointId);
    // The frozen files say which disk is where; afterwards the VM's own may be merging, and go at any moment.
    const checkpoint = describeCheckpoint(snapshot, vm, await this.#frozenFacts(snapshot, vm, false));
    const answer = wmi.ConversionAnswer.parse(
      await this.#helper.request('convertSnapshot', { snapshotId: checkpointId }),
    );
    if (exported) await this.#readings.watchMerging(() => this.mergeState(checkpoint.vmId)).catch(() => undefined);
    return referencePoint(
      answer.referencePoint,
      placedDisks(snapshot.components),
      checkpoint.vm.disks,
      checkpoint.createdAt,
    );
  }

  async removeCheckpoint(checkpointId: string): Promise<void> {
    await this.#readings.end(checkpointId);
    await this.#helper.request('destroySnapshot', { snapshotId: checkpointId }, { repeat: true });
  }

  async listReferencePoints(vmId: string): Promise<ReferencePoint[]> {
    const vm = await this.#describe(vmId);
    const answer = wmi.ReferencePointListing.parse(
      await this.#helper.request('listReferencePoints', { vmId }, { repeat: true }),
    );
    if (answer.referencePoints.length === 0) return [];
    const { disks } = describeVm({ ...vm, facts: await this.#facts(diskPaths(vm.components)) });
    return answer.referencePoints.map((point) => referencePoint(point, placedDisks(vm.components), disks, ''));
  }

  async removeReferencePoint(referencePointId: string): Promise<void> {
    await this.#helper.request('destroyReferencePoint', { referencePointId }, { repeat: true });
  }

  async mergeState(vmId: string): Promise<{ diskIndex: number; state: 'merging' | 'failed' }[]> {
    const vm = await this.#describe(vmId);
    const { snapshots, others } = wmi.SnapshotListing.parse(
      await this.#helper.request('listSnapshots', { vmId }, { repeat: true }),
    );
    return mergeState(vm, snapshots.length + others.length > 0);
  }

  takeNotes(): string[] {
    return this.#readings.takeNotes();
  }

  async readiness(vmId: string): Promise<Readiness> {
    const vm = await this.#describe(vmId);
    const way = await this.#readings.way(diskPaths(vm.components));
    const facts = await this.#facts(diskPaths(vm.components));
    const [snapshots, points, more, { virtDisk, shareProblem }] = [
      wmi.SnapshotListing.parse(
        await this.#helper.request('listSnapshots', { vmId: vm.system.name }, { repeat: true }),
      ),
      wmi.ReferencePointListing.parse(
        await this.#helper.request('listReferencePoints', { vmId: vm.system.name }, { repeat: true }),
      ),
      wmi.PrerequisiteAnswer.parse(
        await this.#helper.request('prerequisites', { vmId: vm.system.name }, { repeat: true }),
      ),
      await this.#helper.state(),
    ];
    const sets = new Map<string, string>();
    for (const path of diskPaths(vm.components).filter(isVhdSet)) {
      const problem = await askSet(this.#helper, path).then(
        () => '',
        (error: unknown) => (error instanceof Error ? error.message : String(error)),
      );
      sets.set(path, problem);
    }
    const sharing = vm.components.filter((component) => component.persistentReservationsSupported);
    return readiness({
      vm: describeVm({ ...vm, facts }),
      failures: new Map(
        [...facts.values()].flatMap(({ path, error }) => (error ? [[path, error.message] as const] : [])),
      ),
      shared: new Set(sharing.map((component) => component.hostResource[0] ?? '')),
      sets,
      recovery: snapshots.snapshots.map(({ settings }) => settings.elementName),
      users: snapshots.others.map((settings) => settings.elementName),
      referencePoints: points.referencePoints.length,
      merging: mergeState(vm, snapshots.snapshots.length + snapshots.others.length > 0),
      ...more,
      virtDisk,
      shareProblem,
      way,
      ...(way.method === 'export' ? { exportFolder: await this.#readings.exportRoot() } : {}),
    });
  }

  async planVm(request: PlanRequest): Promise<PlannedVm> {
    requireShares(await this.#helper.state());
    return planVm(
      {
        helper: this.#helper,
        server: this.#server,
        findVm: async (id) => (await this.#systems()).find(({ system }) => system.name.toLowerCase() === id),
        describeVm: (id) => this.#vm(id),
      },
      request,
    );
  }

  async close(): Promise<void> {
    await this.#readings.close();
    const release = this.#release;
    // Only once: the helper may be somebody else's by then.
    this.#release = undefined;
    await release?.();
  }

  async #systems() {
    return wmi.SystemListing.parse(await this.#helper.request('listSystems', {}, { repeat: true })).systems;
  }

  async #describe(vmId: string): Promise<wmi.SystemAnswer> {
    const id = parseGuid(vmId);
    if (id === null)
      throw vmNotFound(
        vmId,
        (await this.#systems()).map(({ settings }) => settings.elementName),
      );
    return wmi.SystemAnswer.parse(await this.#helper.request('describe', { vmId: id }, { repeat: true }));
  }

  async #vm(vmId: string): Promise<VmDescription> {
    const answer = await this.#describe(vmId);
    return describeVm({ ...answer, facts: await this.#facts(diskPaths(answer.components)) });
  }

  async #facts(paths: string[]): Promise<Map<string, wmi.DiskFacts>> {
    if (paths.length === 0) return new Map();
    const answer = wmi.DiskFactsAnswer.parse(await this.#helper.request('diskFacts', { paths }, { repeat: true }));
    return new Map(answer.disks.map((facts) => [facts.path, facts]));
  }

  /** @param strict a frozen disk that cannot be described is an error, not a disk of no size */
  async #frozenFacts(snapshot: wmi.Snapshot, vm: wmi.SystemAnswer, strict: boolean): Promise<CheckpointFacts> {
    const frozen = diskPaths(snapshot.components);
    const facts = await this.#facts([...new Set([...frozen, ...diskPaths(vm.components)])]);
    for (const path of strict ? frozen : []) {
      const failure = facts.get(path)?.error;
      // A set is left out, with the reason.
      if (!failure || isVhdSet(path)) continue;
      throw new HvError(
        'DISK_CORRUPT',
        `A disk of VM "${vm.settings.elementName}" cannot be read: ${failure.message}`,
        {
          advice: 'Check the disk file on the host; restore it from a backup if it is damaged.',
          data: { path },
        },
      );
    }
    const sets = await setSnapshots(this.#helper, snapshot.components);
    return { facts, rctIds: await this.#readings.rctIds(frozen.filter((path) => !isVhdSet(path))), sets };
  }

  async #snapshot(id: string): Promise<wmi.Snapshot> {
    if (parseGuid(id) === null) throw checkpointNotFound(id);
    const answer = wmi.SnapshotListing.parse(
      await this.#helper.request('listSnapshots', { snapshotId: id }, { repeat: true }),
    );
    const [snapshot] = answer.snapshots;
    if (!snapshot) throw checkpointNotFound(id);
    return snapshot;
  }

  /** The frozen disk as it lies now: the end of a checkpoint below may have moved it. */
  async #frozenDisk(checkpoint: RecoveryCheckpoint, diskIndex: number): Promise<FrozenPlace> {
    const snapshot = await this.#snapshot(checkpoint.id);
    const disk = checkpoint.vm.disks.find((entry) => entry.index === diskIndex);
    const place = disk && placedDisks(snapshot.components).find((entry) => samePlace(entry, disk));
    if (!disk || !place || place.passThrough) throw noSuchDisk(checkpoint.id, diskIndex);
    const set = isVhdSet(place.path) ? { set: await setSnapshot(this.#helper, place) } : {};
    return { path: place.path, size: disk.size, ...set };
  }
}

/** A frozen disk: its file, or the VHD set and the snapshot in it. */
interface FrozenPlace {
  path: string;
  size: number;
  set?: SetSnapshot;
}

function samePlace(
  a: { controllerType: string; controllerNumber: number; controllerLocation: number },
  b: { controllerType: string; controllerNumber: number; controllerLocation: number },
): boolean {
  return (
    a.controllerType === b.controllerType &&
    a.controllerNumber === b.controllerNumber &&
    a.controllerLocation === b.controllerLocation
  );
}

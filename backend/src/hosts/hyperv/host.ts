/** The Hyper-V host: the Host port over the helper process (docs/hyperv.md). */
import type { ChangedRange } from '../../disk/device.ts';
import type { Readiness } from '../../schema/readiness.ts';
import type { VmDescription } from '../../schema/vm.ts';
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
import { describeCheckpoint, diskPaths } from './checkpoints/checkpoint.ts';
import { Frozen } from './checkpoints/frozen.ts';
import { makeCheckpoint } from './checkpoints/make-checkpoint.ts';
import { referencePoint } from './checkpoints/reference-points.ts';
import type { Helper } from './helper/helper.ts';
import { reachable } from './paths.ts';
import { askReadiness } from './readiness/ask-readiness.ts';
import type { FrozenPart } from './reading/reading-way.ts';
import { Readings } from './reading/readings.ts';
import type { ReadingOptions } from './reading/ways.ts';
import { planVm } from './restoring/plan.ts';
import { configurationFiles } from './vms/configuration-files.ts';
import { describeVm } from './vms/describe.ts';
import { placedDisks } from './vms/describe-disks.ts';
import { mergeState } from './vms/merge-state.ts';
import { explainShare, requireShares } from './vms/shares.ts';
import { Vms } from './vms/vms.ts';
import * as wmi from './wmi.ts';

export class HyperVHost implements Host {
  readonly uri: string;
  readonly #helper: Helper;
  readonly #server: string | undefined;
  #release: (() => Promise<void>) | undefined;
  readonly #vms: Vms;
  readonly #readings: Readings;
  readonly #frozen: Frozen;

  /**
   * Use openHyperVHost(). @param server other machine; undefined for this one @param uri address to be recorded: names
   * the machine
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
    this.#vms = new Vms(helper);
    this.#readings = new Readings(helper, server, reading);
    this.#frozen = new Frozen(helper, this.#vms, this.#readings);
    this.uri = uri;
    // Start-up goes on while the caller opens the repository; its errors come with the first request.
    helper.state().catch(() => {});
  }

  /** Process id of the helper while it runs. */
  get helperPid(): number | undefined {
    return this.#helper.pid;
  }

  listVms(): Promise<VmSummary[]> {
    return this.#vms.list();
  }

  getVm(nameOrId: string): Promise<VmDescription> {
    return this.#vms.find(nameOrId);
  }

  async createRecoveryCheckpoint(vmId: string, request: CheckpointRequest): Promise<RecoveryCheckpoint> {
    const vm = await this.#vms.settings(vmId);
    // Before anything is done to the VM: what was asked for may not be possible.
    const way = await this.#readings.way(diskPaths(vm.components));
    if (way.method !== 'export') requireShares(await this.#helper.state());
    await this.#readings.clean();
    const snapshot = await makeCheckpoint(this.#helper, vmId, vm, request);
    try {
      const checkpoint = describeCheckpoint(snapshot, vm, await this.#frozen.facts(snapshot, vm, true));
      return { ...checkpoint, label: request.label };
    } catch (error) {
      await this.removeCheckpoint(wmi.settingsId(snapshot.settings.instanceID)).catch(() => undefined);
      throw error;
    }
  }

  async listRecoveryCheckpoints(vmId: string): Promise<RecoveryCheckpoint[]> {
    const vm = await this.#vms.settings(vmId);
    const checkpoints: RecoveryCheckpoint[] = [];
    for (const snapshot of (await this.#frozen.listing(vmId)).snapshots) {
      checkpoints.push(describeCheckpoint(snapshot, vm, await this.#frozen.facts(snapshot, vm, false)));
    }
    return checkpoints.sort((a, b) => a.createdAt.localeCompare(b.createdAt));
  }

  async openDisk(checkpoint: RecoveryCheckpoint, diskIndex: number, signal?: AbortSignal): Promise<HostDisk> {
    const disk = await this.#frozenPart(checkpoint, diskIndex);
    try {
      return await this.#readings.open(disk, signal);
    } catch (error) {
      throw explainShare(error, reachable(disk.set?.path ?? disk.path, this.#server), this.#server);
    }
  }

  async *queryChanges(
    checkpoint: RecoveryCheckpoint,
    diskIndex: number,
    rctId: string,
    referencePointId?: string,
    signal?: AbortSignal,
  ): AsyncGenerator<ChangedRange[]> {
    const disk = await this.#frozenPart(checkpoint, diskIndex);
    const points = () => this.listReferencePoints(checkpoint.vmId);
    yield* this.#readings.changes(disk, { rctId, referencePointId, points }, signal);
  }

  async #frozenPart(checkpoint: RecoveryCheckpoint, index: number): Promise<FrozenPart> {
    const place = await this.#frozen.disk(checkpoint, index);
    return { checkpoint, index, ...place, snapshot: () => this.#frozen.snapshot(checkpoint.id) };
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
    const snapshot = await this.#frozen.snapshot(checkpointId);
    const vm = await this.#vms.settings((snapshot.settings.virtualSystemIdentifier ?? '').toLowerCase());
    const exported = await this.#readings.end(checkpointId);
    // The frozen files say which disk is where; afterwards the VM's own may be merging, and go at any moment.
    const checkpoint = describeCheckpoint(snapshot, vm, await this.#frozen.facts(snapshot, vm, false));
    const answer = wmi.ConversionAnswer.parse(
      await this.#helper.request('convertSnapshot', { snapshotId: checkpointId }),
    );
    if (exported) await this.#readings.watchMerging(() => this.mergeState(checkpoint.vmId)).catch(() => undefined);
    const places = placedDisks(snapshot.components);
    return referencePoint(answer.referencePoint, places, checkpoint.vm.disks, checkpoint.createdAt);
  }

  async removeCheckpoint(checkpointId: string): Promise<void> {
    await this.#readings.end(checkpointId);
    await this.#helper.request('destroySnapshot', { snapshotId: checkpointId }, { repeat: true });
  }

  async listReferencePoints(vmId: string): Promise<ReferencePoint[]> {
    const vm = await this.#vms.settings(vmId);
    const answer = wmi.ReferencePointListing.parse(
      await this.#helper.request('listReferencePoints', { vmId }, { repeat: true }),
    );
    if (answer.referencePoints.length === 0) return [];
    const { disks } = describeVm({ ...vm, facts: await this.#vms.facts(diskPaths(vm.components)) });
    return answer.referencePoints.map((point) => referencePoint(point, placedDisks(vm.components), disks, ''));
  }

  async removeReferencePoint(referencePointId: string): Promise<void> {
    await this.#helper.request('destroyReferencePoint', { referencePointId }, { repeat: true });
  }

  async mergeState(vmId: string): Promise<{ diskIndex: number; state: 'merging' | 'failed' }[]> {
    const vm = await this.#vms.settings(vmId);
    const { snapshots, others } = await this.#frozen.listing(vmId);
    return mergeState(vm, snapshots.length + others.length > 0);
  }

  takeNotes(): string[] {
    return this.#readings.takeNotes();
  }

  readiness(vmId: string): Promise<Readiness> {
    const [helper, vms, frozen, readings] = [this.#helper, this.#vms, this.#frozen, this.#readings];
    return askReadiness({ helper, vms, frozen, readings }, vmId);
  }

  async planVm(request: PlanRequest): Promise<PlannedVm> {
    requireShares(await this.#helper.state());
    return planVm(
      {
        helper: this.#helper,
        server: this.#server,
        findVm: async (id) => (await this.#vms.systems()).find(({ system }) => system.name.toLowerCase() === id),
        describeVm: (id) => this.#vms.described(id),
      },
      request,
    );
  }

  async close(): Promise<void> {
    await this.#readings.close();
    const release = this.#release;
    // Only once: the helper may belong to another host by then.
    this.#release = undefined;
    await release?.();
  }
}

/**
 * VMs that are being built (planned) and then made visible all at once (realised). Until the one commit that does it,
 * the old VM of the same id is whole, files included; after it, the new one is. A crash at any point leaves one of the
 * two.
 *
 * Identity of the disks: a VM that keeps its id keeps its disks' ids; with a new id, every disk gets a new one, and so
 * does a disk whose id another VM on the host has already. Change tracking always starts anew.
 */
import { rename } from 'node:fs/promises';
import path from 'node:path';
import type { VmDescription, VmDisk } from '../../schema/vm.ts';
import { HvError, toHvError } from '../../support/errors.ts';
import { syncDirectory } from '../../support/file.ts';
import { newGuid, parseGuid } from '../../support/guid.ts';
import type { PlannedVm, PlanRequest } from '../port.ts';
import { adapterWarnings, findSwitches, type SwitchChoice, switchFor } from '../switches.ts';
import { type HostContext, reach } from './context.ts';
import { describeVm } from './describe.ts';
import { readDiskFacts, setDiskId } from './disk-files.ts';
import { forgetIntent, recordIntent, rollBackIntents } from './garbage.ts';
import { type Controller, newAdapter, placesFor } from './hardware.ts';
import { importConfiguration, requireEncodable } from './import-configuration.ts';
import { absolute, safeStem, takenDiskNames, uniqueDiskName, VIRTUAL_DISKS } from './layout.ts';
import { locked } from './locked.ts';
import { chainOf, disksOf, type VmDefinition, vmDefinition, vmDefinitions, vmExists } from './rows.ts';
import { Staging } from './staging.ts';
import { switchesOf } from './switches.ts';
import type { ConfigurationKind } from './vm-files.ts';
import { deleteVm, insertVm, type PlacedDisk } from './vm-rows.ts';

/** @throws VM_EXISTS, VM_RUNNING, USAGE, SWITCH_NOT_FOUND, CONFIGURATION_CORRUPT: nothing has changed then */
export async function planVm(ctx: HostContext, request: PlanRequest): Promise<PlannedVm> {
  const id = request.newId ? newGuid() : request.vm.id;
  const choice = findSwitches(request.switches ?? [], switchesOf(ctx.view));
  const { definition: source, files, warnings } = await importConfiguration(request);
  const definition = newIdentity(source, id, request, choice, warnings);
  requireEncodable(definition);
  const staging = await Staging.open(ctx, id, () => requireFree(ctx, id, request.replace));
  return new SimulatedPlan(ctx, staging, request, definition, files, warnings);
}

function requireFree(ctx: HostContext, id: string, replace: boolean): void {
  if (!vmExists(ctx.state, id)) return;
  const { name, state } = vmDefinition(ctx.state, id);
  if (!replace) {
    throw new HvError('VM_EXISTS', `The VM "${name}" with this id is on the host already: ${id}`, {
      advice: 'Restore it with a new id, or replace the existing VM.',
      data: { vmId: id, name },
    });
  }
  if (state === 'Off') return;
  throw new HvError('VM_RUNNING', `The VM "${name}" is ${state.toLowerCase()} and cannot be replaced: ${id}`, {
    advice: 'Turn it off first, or restore with a new id.',
    data: { vmId: id, name, state },
  });
}

function newIdentity(
  source: VmDefinition,
  id: string,
  request: PlanRequest,
  choice: SwitchChoice,
  warnings: string[],
): VmDefinition {
  // Nothing of the old VM's checkpoints exists here.
  const { lastAppliedCheckpoint: _, ...rest } = source;
  const networkAdapters = source.networkAdapters.map(({ switchName, ...adapter }) => {
    const to = switchFor(choice, switchName);
    return { ...(request.newId ? newAdapter(adapter.name) : adapter), ...(to ? { switchName: to.name } : {}) };
  });
  const name = (request.name ?? source.name).toWellFormed();
  warnings.push(...adapterWarnings(source.networkAdapters, networkAdapters, request.newId, choice));
  if (request.newId && source.tpm)
    warnings.push("The virtual TPM's content opens only where the key protector of the original VM is known.");
  return { ...rest, id, name, state: 'Off', networkAdapters };
}

class SimulatedPlan implements PlannedVm {
  readonly warnings: string[];
  readonly #ctx: HostContext;
  readonly #staging: Staging;
  readonly #request: PlanRequest;
  readonly #definition: VmDefinition;
  readonly #files: Map<ConfigurationKind, Uint8Array>;

  constructor(
    ctx: HostContext,
    staging: Staging,
    request: PlanRequest,
    definition: VmDefinition,
    files: Map<ConfigurationKind, Uint8Array>,
    warnings: string[],
  ) {
    this.#ctx = ctx;
    this.#staging = staging;
    this.#request = request;
    this.#definition = definition;
    this.#files = files;
    this.warnings = warnings;
  }

  get id(): string {
    return this.#definition.id;
  }

  get name(): string {
    return this.#definition.name;
  }

  diskPath(index: number): string {
    return this.#staging.path(`${index}.vhdx`);
  }

  /**
   * @throws VM_EXISTS, VM_RUNNING, and what is wrong with a disk file (FILE_NOT_FOUND, DISK_CORRUPT); the plan stays
   */
  async realise(): Promise<VmDescription> {
    await locked(this.#ctx, () => this.#realise());
    this.#staging.release();
    return await describeVm(this.#ctx, vmDefinition(this.#ctx.view, this.id));
  }

  discard(): Promise<void> {
    return this.#staging.discard();
  }

  /** Under the lock. */
  async #realise(): Promise<void> {
    const { state, root } = this.#ctx;
    requireFree(this.#ctx, this.id, this.#request.replace);
    const sources = this.#request.vm.disks;
    await this.#giveDiskIds(sources);
    const taken = await takenDiskNames(root);
    const placed: PlacedDisk[] = [];
    const places = placesFor(sources, this.#definition.generation);
    for (const [position, disk] of sources.entries())
      placed.push(await this.#place(disk, position, places[position]!, taken));
    this.#warnAboutName();
    const intent = recordIntent(
      state,
      'realise',
      placed.map((disk) => disk.path),
    );
    reach('realise:intended');
    try {
      for (const [i, disk] of placed.entries())
        await rename(this.diskPath(sources[i]!.index), absolute(root, disk.path));
      await syncDirectory(path.join(root, VIRTUAL_DISKS));
      reach('realise:moved');
      state.transaction(() => {
        if (vmExists(state, this.id)) deleteVm(state, this.id, this.#definition);
        insertVm(state, this.#definition, placed, this.#files);
        this.#staging.forget(state);
        forgetIntent(state, intent);
      });
    } catch (error) {
      await rollBackIntents(this.#ctx).catch(() => undefined);
      throw toHvError(error);
    }
    reach('realise:recorded');
  }

  async #place(disk: VmDisk, position: number, place: Controller, taken: Set<string>): Promise<PlacedDisk> {
    const stem = safeStem(this.name) + (position === 0 ? '' : `-disk${position}`);
    const { dataWriteGuid } = await readDiskFacts(this.diskPath(disk.index));
    return {
      path: `${VIRTUAL_DISKS}/${uniqueDiskName(stem, taken)}`,
      guid: dataWriteGuid,
      ...place,
    };
  }

  async #giveDiskIds(disks: VmDisk[]): Promise<void> {
    const others = await diskIdsInUse(this.#ctx, this.id);
    for (const disk of disks) {
      let id = this.#request.newId ? null : parseGuid(disk.id);
      if (id !== null && others.has(id)) {
        this.warnings.push(`Disk ${disk.index} has a new id: another VM on the host has a disk with the old one.`);
        id = null;
      }
      id ??= newGuid();
      await setDiskId(this.diskPath(disk.index), id);
      others.add(id);
    }
  }

  #warnAboutName(): void {
    const name = this.name.toLowerCase();
    const same = vmDefinitions(this.#ctx.state).some((vm) => vm.id !== this.id && vm.name.toLowerCase() === name);
    if (same) this.warnings.push(`Another VM is named "${this.name}" too: use their ids to distinguish them.`);
  }
}

/** Ids of the disks of all other VMs, from their files as they are now; one that cannot be read has none. */
async function diskIdsInUse(ctx: HostContext, exceptVm: string): Promise<Set<string>> {
  const ids = new Set<string>();
  for (const vm of vmDefinitions(ctx.state)) {
    if (vm.id === exceptVm) continue;
    for (const disk of disksOf(ctx.state, vm.id)) {
      const base = chainOf(ctx.state, disk.active_layer)![0]!;
      const facts = await readDiskFacts(absolute(ctx.root, base.path)).catch(() => undefined);
      if (facts) ids.add(facts.id);
    }
  }
  return ids;
}

/**
 * Building a VM on a Hyper-V host: planned (imported from its `.vmcx`, or defined from its description), disks and
 * adapters rewired, validated, realised. Two VMs cannot have one id: to replace one, the old VM is taken off the host
 * just before the new one is made, and put back from a copy of its own configuration where that fails.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { inspectDisk, setVhdxDiskId } from '../../../disk/index.ts';
import type { VmDescription } from '../../../schema/vm.ts';
import { HvError, toHvError } from '../../../support/errors.ts';
import { newGuid, parseGuid } from '../../../support/guid.ts';
import type { PlannedVm, PlanRequest } from '../../port.ts';
import { adapterWarnings, findSwitches, type SwitchChoice } from '../../switches.ts';
import type { Helper } from '../helper/helper.ts';
import { pathsOf, reachable } from '../paths.ts';
import { configurationFiles } from '../vms/configuration-files.ts';
import { stateOf } from '../vms/describe.ts';
import * as wmi from '../wmi.ts';
import { adapterAdditions, type Connections, connectionsFor, type WmiSwitch } from './plan-adapters.ts';
import { PlanFolder } from './plan-folder.ts';
import { leftovers, newRecord, RECORD_FILE, removeRecord, writeRecord } from './plan-record.ts';
import { definition, nextSteps, placesOf, type WantedDisk } from './plan-steps.ts';

export interface PlanContext {
  helper: Helper;
  server: string | undefined;
  findVm(id: string): Promise<{ system: wmi.WmiSystem; settings: wmi.WmiSettings } | undefined>;
  describeVm(id: string): Promise<VmDescription>;
}

/** A helper whose process died may still be at its last request. */
const BRING_BACK_ATTEMPTS = 3;
const BRING_BACK_PAUSE_MS = 1000;

/** Rounds of changes; each hangs one more layer (controllers, drives, disks) onto the VM. */
const MAX_ROUNDS = 8;
const IMPORT = 'import';
const REPLACED = 'replaced';

/**
 * @throws VM_EXISTS, VM_RUNNING, USAGE, SWITCH_NOT_FOUND, SWITCH_AMBIGUOUS, CONFIGURATION_UNSUPPORTED: nothing has
 * changed then
 */
export async function planVm(ctx: PlanContext, request: PlanRequest): Promise<PlannedVm> {
  const existing = request.newId ? undefined : await ctx.findVm(request.vm.id);
  requireReplaceable(existing, request);
  if (request.kind === 'vm' && !request.configuration?.some((file) => file.kind === 'vmcx')) {
    throw new HvError('USAGE', `There is no configuration file (.vmcx) to import for VM "${request.vm.name}"`, {
      advice: 'Restore the data only (--kind data): the VM is then defined anew from its recorded description.',
      data: { vmId: request.vm.id },
    });
  }
  const choice = await chooseSwitches(ctx, request);
  const defaults = wmi.HostDefaults.parse(await ctx.helper.request('hostDefaults', {}, { repeat: true }));
  const name = (request.name ?? request.vm.name).toWellFormed();
  const notes = await undoLeftovers(ctx, defaults.virtualHardDiskPath);
  const folder = await PlanFolder.create(defaults.virtualHardDiskPath, name, ctx.server);
  try {
    const plan = new HyperVPlan(ctx, request, choice, folder, name, notes);
    await plan.record();
    // With the old VM in place its id is taken: then the new one is made when the old one has gone.
    if (!existing) await plan.make();
    return plan;
  } catch (error) {
    await folder.remove();
    throw error;
  }
}

/** Asks the host only where it matters. */
async function chooseSwitches(ctx: PlanContext, { switches = [] }: PlanRequest): Promise<SwitchChoice<WmiSwitch>> {
  if (switches.length === 0) return [];
  const answer = wmi.SwitchListing.parse(await ctx.helper.request('listSwitches', {}, { repeat: true }));
  const available = answer.switches.map(({ name, elementName, path }) => ({ id: name, name: elementName, path }));
  return findSwitches(switches, available);
}

/**
 * What a restore of this machine that died left on the host: its planned VM goes, and a VM that it had taken off comes
 * back. Files that any VM or checkpoint uses stay.
 * @returns sentences for the warnings
 */
async function undoLeftovers(ctx: PlanContext, root: string): Promise<string[]> {
  const notes: string[] = [];
  for (const { folder, record, forget, remove } of await leftovers(root, ctx.server)) {
    if (record.planned && !(await ctx.findVm(record.planned))) await destroyPlanned(ctx, record.planned);
    if (record.replaced && !(await ctx.findVm(record.replaced.vmId))) {
      await bringBack(ctx, record.replaced);
      notes.push(
        `An earlier restore was interrupted; the VM that it was replacing (${record.replaced.vmId}) is as it was.`,
      );
    }
    if (await isUsed(ctx, folder)) {
      // It had got as far as making the VM.
      await forget();
      continue;
    }
    await remove();
    notes.push(`An earlier restore was interrupted; what it left was removed: ${folder}.`);
  }
  return notes;
}

/** Whether a disk of a VM or checkpoint of the host lies in the folder. */
async function isUsed(ctx: PlanContext, folder: string): Promise<boolean> {
  const answer = wmi.SystemListing.parse(await ctx.helper.request('listSystems', { disks: true }, { repeat: true }));
  const inside = folder.toLowerCase();
  return answer.storage.some(({ hostResource }) =>
    reachable(hostResource[0] ?? '', ctx.server)
      .toLowerCase()
      .startsWith(inside),
  );
}

const destroyPlanned = (ctx: PlanContext, vmId: string): Promise<unknown> =>
  ctx.helper.request('destroySystem', { vmId, planned: true }, { repeat: true });

/**
 * Brings back what a restore that died had taken off. What that had asked the host for last may only now come to be: a
 * planned VM with this identity, which no record names and which stands in the way.
 */
async function bringBack(ctx: PlanContext, { vmId, file }: { vmId: string; file: string }): Promise<void> {
  for (let attempt = 1; ; attempt++) {
    await destroyPlanned(ctx, vmId);
    try {
      return await putBack(ctx, file);
    } catch (error) {
      if (attempt === BRING_BACK_ATTEMPTS) throw error;
      await sleep(BRING_BACK_PAUSE_MS);
    }
  }
}

/** Makes a VM from the copy of its own configuration; its disks are where they were. */
async function putBack(ctx: PlanContext, file: string): Promise<void> {
  const answer = wmi.PlannedAnswer.parse(await ctx.helper.request('importPlanned', { file, newId: false }));
  await ctx.helper.request('realisePlanned', { vmId: answer.vmId });
}

function requireReplaceable(
  existing: { system: wmi.WmiSystem; settings: wmi.WmiSettings } | undefined,
  { replace }: PlanRequest,
): void {
  if (!existing) return;
  const vmId = existing.system.name.toLowerCase();
  const name = existing.settings.elementName;
  if (!replace) {
    throw new HvError('VM_EXISTS', `The VM "${name}" with this id is on the host already: ${vmId}`, {
      advice: 'Restore it with a new id, or replace the existing VM.',
      data: { vmId, name },
    });
  }
  const state = stateOf(existing.system);
  if (state === 'Off') return;
  throw new HvError('VM_RUNNING', `The VM "${name}" is ${state.toLowerCase()} and cannot be replaced: ${vmId}`, {
    advice: 'Turn it off first, or restore with a new id.',
    data: { vmId, name, state },
  });
}

class HyperVPlan implements PlannedVm {
  readonly warnings: string[] = [];
  readonly name: string;
  readonly #ctx: PlanContext;
  readonly #request: PlanRequest;
  readonly #choice: SwitchChoice<WmiSwitch>;
  readonly #folder: PlanFolder;
  /** Id of the planned system; undefined before it is made and after it is realised or gone. */
  #planned: string | undefined;
  #id: string;
  #done = false;
  readonly #record = newRecord();

  constructor(
    ctx: PlanContext,
    request: PlanRequest,
    choice: SwitchChoice<WmiSwitch>,
    folder: PlanFolder,
    name: string,
    notes: string[],
  ) {
    this.#ctx = ctx;
    this.#request = request;
    this.#choice = choice;
    this.#folder = folder;
    this.name = name;
    this.#id = request.vm.id;
    this.warnings.push(...notes);
  }

  /** Records the progress, for recovery after a crash. */
  async record(): Promise<void> {
    this.#record.planned = this.#planned ?? null;
    await writeRecord(this.#folder.here(RECORD_FILE), this.#record);
  }

  get id(): string {
    return this.#id;
  }

  diskPath(index: number): string {
    return this.#folder.here(this.#folder.diskName(index));
  }

  /** Makes the planned system. */
  async make(): Promise<void> {
    const { kind, vm, newId, configuration } = this.#request;
    const wanted = newId ? null : vm.id;
    let answer: unknown;
    if (kind === 'vm') {
      const file = await this.#folder.writeConfiguration(IMPORT, configuration!);
      answer = await this.#ctx.helper.request('importPlanned', { file, newId });
    } else {
      answer = await this.#ctx.helper.request('definePlanned', definition(vm, this.name, wanted));
    }
    this.#planned = wmi.PlannedAnswer.parse(answer).vmId.toLowerCase();
    this.#id = this.#planned;
    await this.record();
    if (wanted !== null && this.#planned !== wanted) {
      this.warnings.push(
        `The host gave the VM the id ${this.#planned}: it does not take ${wanted} for a VM that is made this way.`,
      );
    }
    if (kind === 'data') {
      const steps = adapterAdditions(vm, newId);
      if (steps.length > 0) await this.#ctx.helper.request('configurePlanned', { vmId: this.#planned, steps });
    }
  }

  /** @throws VM_RUNNING, and what is wrong with a disk file (FILE_NOT_FOUND, DISK_CORRUPT); the plan stays */
  async realise(): Promise<VmDescription> {
    const existing = this.#planned ? undefined : await this.#ctx.findVm(this.#request.vm.id);
    requireReplaceable(existing, this.#request);
    await this.#prepareDisks();
    const old = existing ? await this.#takeOff(existing) : undefined;
    try {
      if (!this.#planned) await this.make();
      await this.#configure();
      const made = await this.#ctx.helper.request('realisePlanned', { vmId: this.#planned });
      this.#id = wmi.PlannedAnswer.parse(made).vmId.toLowerCase();
      this.#planned = undefined;
      this.#done = true;
    } catch (error) {
      if (old) await this.#putBack(old, error);
      throw error;
    }
    await removeRecord(this.#folder.here(RECORD_FILE)).catch(() => undefined);
    await this.#folder.removeConfiguration(IMPORT).catch(() => undefined);
    await this.#folder.removeConfiguration(REPLACED).catch(() => undefined);
    const made = await this.#ctx.describeVm(this.#id);
    this.#warn(made, old?.disks ?? []);
    return made;
  }

  async discard(): Promise<void> {
    if (this.#done) return;
    this.#done = true;
    const planned = this.#planned;
    this.#planned = undefined;
    if (planned) await destroyPlanned(this.#ctx, planned);
    await this.#folder.remove();
  }

  /** All there, and with the right identity: the old one where the VM keeps its own, a new one else. */
  async #prepareDisks(): Promise<void> {
    for (const disk of this.#request.vm.disks) await inspectDisk(this.diskPath(disk.index));
    const used = new Set<string>();
    for (const disk of this.#request.vm.disks) {
      const recorded = this.#request.newId ? null : parseGuid(disk.id.split('@')[0]!);
      const id = recorded !== null && !used.has(recorded) ? recorded : newGuid();
      used.add(id);
      await setVhdxDiskId(this.diskPath(disk.index), id);
    }
  }

  async #configure(): Promise<void> {
    const { vm, newId } = this.#request;
    const disks: WantedDisk[] = placesOf(vm).map(({ disk, place }) => ({
      ...place,
      path: this.#folder.on(this.#folder.diskName(disk.index)),
    }));
    let connections: Connections | undefined;
    for (let round = 0; round < MAX_ROUNDS; round++) {
      const now = wmi.SystemAnswer.parse(
        await this.#ctx.helper.request('describe', { vmId: this.#planned, planned: true }, { repeat: true }),
      );
      connections ??= connectionsFor(now.components, vm.networkAdapters, this.#choice);
      const steps = nextSteps(now, { name: this.name, disks, newAdapters: newId, connections });
      if (steps.length === 0) return;
      await this.#ctx.helper.request('configurePlanned', { vmId: this.#planned, steps });
    }
    throw new HvError(
      'HELPER_FAILED',
      `The host takes the changes to the planned VM "${this.name}", and it does not change.`,
      {
        advice: 'Restore the data only (--kind data), or the disks (export), and attach them to a VM made by hand.',
        data: { vmId: this.#planned },
      },
    );
  }

  /** Copies the old VM's configuration and takes the VM off the host; its disks stay where they are. */
  async #takeOff(existing: { system: wmi.WmiSystem; settings: wmi.WmiSettings }) {
    const vmId = existing.system.name.toLowerCase();
    const { disks } = await this.#ctx.describeVm(vmId);
    const { configurationDataRoot, configurationFile } = existing.settings;
    const root = configurationDataRoot ?? '';
    const { join } = pathsOf(root);
    const place = {
      dataRoot: root,
      file: configurationFile ?? join('Virtual Machines', `${vmId.toUpperCase()}.vmcx`),
      guestStateRoot: '',
      guestStateFile: '',
    };
    const files = await configurationFiles(place, this.#ctx.server);
    const copies = await Promise.all(files.map(async ({ name, kind, read }) => ({ name, kind, data: await read() })));
    const file = await this.#folder.writeConfiguration(REPLACED, copies);
    this.#record.replaced = { vmId, file: file! };
    await this.record();
    await this.#ctx.helper.request('destroySystem', { vmId, planned: false }, { repeat: true });
    return { vmId, file: file!, disks: disks.map((disk) => disk.path) };
  }

  /** The new VM could not be made: the old one comes back. @throws the error, with what became of the old VM */
  async #putBack(old: { vmId: string; file: string }, cause: unknown): Promise<never> {
    const { code, message, advice, data } = toHvError(cause);
    try {
      if (this.#planned) await destroyPlanned(this.#ctx, this.#planned);
      this.#planned = undefined;
      await putBack(this.#ctx, old.file);
      this.#record.replaced = null;
      await this.record();
    } catch (error) {
      // The copy is now the only way back: nothing of the folder may go.
      this.#done = true;
      throw new HvError(
        code,
        `${message} The VM that was to be replaced could not be put back: ${toHvError(error).message}`,
        {
          advice: `Import it by hand: Import-VM -Path '${old.file}' -Register. Its disks are where they were.`,
          data: { ...data, replaced: old.file },
          cause,
        },
      );
    }
    throw new HvError(code, `${message} The VM that was to be replaced is as it was.`, { advice, data, cause });
  }

  #warn(made: VmDescription, left: string[]): void {
    const { vm, newId, kind } = this.#request;
    this.warnings.push(...adapterWarnings(vm.networkAdapters, made.networkAdapters, newId, this.#choice));
    if (vm.tpm) {
      this.warnings.push(
        kind === 'vm'
          ? "The virtual TPM's content opens only where the key protector of the original VM is known."
          : 'The VM has no virtual TPM: its content is part of a VM backup only.',
      );
    }
    const sets = vm.disks.filter((disk) => disk.format === 'vhds').map((disk) => disk.index);
    if (sets.length > 0)
      this.warnings.push(
        `Disk ${sets.join(', ')} was a VHD set, shared between VMs: now it is a VHDX of this VM alone.`,
      );
    if (left.length > 0) {
      this.warnings.push(
        `The disk files of the replaced VM were left; delete them when they are not needed: ${left.join(', ')}.`,
      );
    }
  }
}

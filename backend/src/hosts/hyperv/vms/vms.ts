/** The VMs of a host: asked for by id or name, described with what is known of their disk files. */
import type { VmDescription } from '../../../schema/vm.ts';
import { HvError } from '../../../support/errors.ts';
import { parseGuid } from '../../../support/guid.ts';
import type { VmSummary } from '../../port.ts';
import { diskPaths } from '../checkpoints/checkpoint.ts';
import { vmNotFound } from '../errors.ts';
import type { Helper } from '../helper/helper.ts';
import * as wmi from '../wmi.ts';
import { describeVm, generationOf, stateOf } from './describe.ts';

export class Vms {
  readonly #helper: Helper;

  constructor(helper: Helper) {
    this.#helper = helper;
  }

  async list(): Promise<VmSummary[]> {
    const answer = wmi.SystemListing.parse(
      await this.#helper.request('listSystems', { disks: true }, { repeat: true }),
    );
    const ids = new Set(answer.systems.map(({ system }) => system.name.toLowerCase()));
    const storage = answer.storage.filter(
      ({ instanceID, hostResource }) => hostResource[0] && ids.has(wmi.ownerOf(instanceID)),
    );
    const paths = storage.map(({ hostResource }) => hostResource[0]!);
    const facts = await this.facts([...new Set(paths)]);
    return answer.systems.map(({ system, settings }) => {
      const id = system.name.toLowerCase();
      const disks = storage.filter(({ instanceID }) => wmi.ownerOf(instanceID) === id);
      const size = disks.reduce((sum, { hostResource }) => sum + (facts.get(hostResource[0]!)?.size ?? 0), 0);
      const generation = generationOf(settings);
      return { id, name: settings.elementName, state: stateOf(system), generation, disks: disks.length, size };
    });
  }

  /** Every VM, its disks not looked at. */
  async systems() {
    return wmi.SystemListing.parse(await this.#helper.request('listSystems', {}, { repeat: true })).systems;
  }

  /** @throws VM_NOT_FOUND, VM_AMBIGUOUS */
  async find(nameOrId: string): Promise<VmDescription> {
    const all = await this.systems();
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
    return await this.described(found[0]!.system.name);
  }

  /** Its settings as WMI has them. @throws VM_NOT_FOUND */
  async settings(vmId: string): Promise<wmi.SystemAnswer> {
    const id = parseGuid(vmId);
    if (id === null)
      throw vmNotFound(
        vmId,
        (await this.systems()).map(({ settings }) => settings.elementName),
      );
    return wmi.SystemAnswer.parse(await this.#helper.request('describe', { vmId: id }, { repeat: true }));
  }

  /** @throws VM_NOT_FOUND */
  async described(vmId: string): Promise<VmDescription> {
    const answer = await this.settings(vmId);
    return describeVm({ ...answer, facts: await this.facts(diskPaths(answer.components)) });
  }

  /** What the host knows of disk files, by path. One that cannot be looked at has its error. */
  async facts(paths: string[]): Promise<Map<string, wmi.DiskFacts>> {
    if (paths.length === 0) return new Map();
    const answer = wmi.DiskFactsAnswer.parse(await this.#helper.request('diskFacts', { paths }, { repeat: true }));
    return new Map(answer.disks.map((facts) => [facts.path, facts]));
  }
}

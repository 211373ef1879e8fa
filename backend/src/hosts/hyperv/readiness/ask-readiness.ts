/** Gathers what readiness is judged from; nothing on the VM changes. */
import type { Readiness } from '../../../schema/readiness.ts';
import { diskPaths } from '../checkpoints/checkpoint.ts';
import type { Frozen } from '../checkpoints/frozen.ts';
import type { Helper } from '../helper/helper.ts';
import type { Readings } from '../reading/readings.ts';
import { describeVm } from '../vms/describe.ts';
import { mergeState } from '../vms/merge-state.ts';
import { askSet, isVhdSet } from '../vms/vhd-sets.ts';
import type { Vms } from '../vms/vms.ts';
import { PrerequisiteAnswer, ReferencePointListing } from '../wmi.ts';
import { readiness } from './readiness.ts';

interface Sources {
  helper: Helper;
  vms: Vms;
  frozen: Frozen;
  readings: Readings;
}

/** @throws VM_NOT_FOUND */
export async function askReadiness({ helper, vms, frozen, readings }: Sources, vmId: string): Promise<Readiness> {
  const vm = await vms.settings(vmId);
  const paths = diskPaths(vm.components);
  const way = await readings.way(paths);
  const facts = await vms.facts(paths);
  const of = { vmId: vm.system.name };
  const { snapshots, others } = await frozen.listing(of.vmId);
  const points = ReferencePointListing.parse(await helper.request('listReferencePoints', of, { repeat: true }));
  const more = PrerequisiteAnswer.parse(await helper.request('prerequisites', of, { repeat: true }));
  const { virtDisk, shareProblem } = await helper.state();
  const sets = new Map<string, string>();
  for (const path of paths.filter(isVhdSet)) {
    const problem = await askSet(helper, path).then(
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
    recovery: snapshots.map(({ settings }) => settings.elementName),
    users: others.map((settings) => settings.elementName),
    referencePoints: points.referencePoints.length,
    merging: mergeState(vm, snapshots.length + others.length > 0),
    ...more,
    virtDisk,
    shareProblem,
    way,
    ...(way.method === 'export' ? { exportFolder: await readings.exportRoot() } : {}),
  });
}

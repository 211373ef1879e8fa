/** Which virtual switch a restored VM's network adapters are connected to: the same rules on every host. */
import type { VmNetworkAdapter } from '../schema/vm.ts';
import { HvError } from '../support/errors.ts';

/** What is asked for. */
export interface SwitchMapping {
  /** Adapters that were connected to this switch when the backup was made; absent: all that no other mapping is for. */
  from?: string;
  /** Switch of the host: its name, or its id. */
  to: string;
}

/** A virtual switch of a host. Names need not be unique. */
export interface HostSwitch {
  id: string;
  name: string;
}

/** Mappings whose switches were found. */
export type SwitchChoice<S extends HostSwitch = HostSwitch> = { from?: string; to: S }[];

/** Hyper-V compares names without regard to case. */
const same = (a: string, b: string): boolean => a.toLowerCase() === b.toLowerCase();

/**
 * @throws USAGE for two mappings of the same adapters, SWITCH_NOT_FOUND (data.known: names), SWITCH_AMBIGUOUS
 * (data.ids)
 */
export function findSwitches<S extends HostSwitch>(
  mappings: readonly SwitchMapping[],
  available: readonly S[],
): SwitchChoice<S> {
  for (const [n, { from }] of mappings.entries()) {
    const twice = mappings.slice(0, n).some((other) => same(other.from ?? '', from ?? ''));
    if (!twice) continue;
    const whose = from === undefined ? 'all network adapters' : `the network adapters of the switch "${from}"`;
    throw new HvError('USAGE', `Two virtual switches are given for ${whose}.`, {
      advice: 'Name one for all adapters, and one for those of each old switch.',
      data: from === undefined ? {} : { from },
    });
  }
  return mappings.map(({ from, to }) => ({ from, to: findSwitch(to, available) }));
}

function findSwitch<S extends HostSwitch>(nameOrId: string, available: readonly S[]): S {
  const byId = available.find(({ id }) => same(id, nameOrId));
  const found = byId ? [byId] : available.filter(({ name }) => same(name, nameOrId));
  if (found.length === 1) return found[0]!;
  if (found.length > 1) {
    throw new HvError('SWITCH_AMBIGUOUS', `${found.length} virtual switches of the host are named "${nameOrId}".`, {
      advice: 'Give the id of the one that is meant.',
      data: { switch: nameOrId, ids: found.map(({ id }) => id) },
    });
  }
  const known = available.map(({ name }) => name);
  const names = known.map((name) => `"${name}"`).join(', ');
  throw new HvError('SWITCH_NOT_FOUND', `The host has no virtual switch "${nameOrId}".`, {
    advice: `${names ? `It has ${names}: name one of these` : 'It has none: create it first'}, or restore without a switch and connect the VM later.`,
    data: { switch: nameOrId, known },
  });
}

/** The switch for an adapter. @param old the one it was connected to when the backup was made; undefined for none */
export function switchFor<S extends HostSwitch>(choice: SwitchChoice<S>, old: string | undefined): S | undefined {
  const own = choice.find(({ from }) => from !== undefined && old !== undefined && same(from, old));
  return (own ?? choice.find(({ from }) => from === undefined))?.to;
}

/**
 * Sentences for the result. One that was on no switch, and stays the same adapter on none, needs no word.
 * @param recorded adapters as they were backed up
 * @param made as they are now
 */
export function adapterWarnings(
  recorded: readonly VmNetworkAdapter[],
  made: readonly VmNetworkAdapter[],
  newAddresses: boolean,
  choice: SwitchChoice,
): string[] {
  const unused = choice.flatMap(({ from }) =>
    from !== undefined && !recorded.some(({ switchName }) => switchName !== undefined && same(switchName, from))
      ? [`No network adapter was connected to the virtual switch "${from}" when the backup was made.`]
      : [],
  );
  const apart = made.flatMap((adapter, n) => {
    if (adapter.switchName !== undefined) return [];
    const old = (recorded[n]?.name === adapter.name ? recorded[n] : recorded.find(({ name }) => name === adapter.name))
      ?.switchName;
    return [{ name: adapter.name, old }];
  });
  const needsWord = newAddresses || choice.length > 0 || recorded.some(({ switchName }) => switchName !== undefined);
  return [
    ...(newAddresses && made.length > 0 ? ['Network adapters have new MAC addresses.'] : []),
    ...(needsWord && apart.length > 0 ? [notConnected(apart)] : []),
    ...unused,
  ];
}

function notConnected(adapters: readonly { name: string; old: string | undefined }[]): string {
  const list = adapters.map(({ name, old }) => `"${name}"${old === undefined ? '' : ` (was on "${old}")`}`).join(', ');
  return `Network adapters that are not connected to a virtual switch: ${list}. Connect them when the VM may go online. ${MAP_ADVICE}`;
}

/** How network adapters are connected in the same step. */
export const MAP_ADVICE = 'A restore connects those that --switch (-SwitchMap in PowerShell) gives a virtual switch.';

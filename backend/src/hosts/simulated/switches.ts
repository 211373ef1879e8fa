/**
 * Virtual switches of a simulated host: one that every host has, those that were added, and those that its VMs are
 * connected to.
 */
import type { HostSwitch } from '../switches.ts';
import { vmDefinitions } from './rows.ts';
import type { State } from './state.ts';

/** As Windows calls the one that it makes itself. */
const DEFAULT_SWITCH = 'Default Switch';
/** In `meta`: names of the added ones, as JSON; absent on most hosts. */
const KEY = 'switches';

/** Each name once, whatever its case. Here a switch is nothing but its name. */
export function switchesOf(state: State): HostSwitch[] {
  const used = vmDefinitions(state).flatMap((vm) => vm.networkAdapters.flatMap((adapter) => adapter.switchName ?? []));
  const byKey = new Map<string, string>();
  for (const name of [DEFAULT_SWITCH, ...added(state), ...used]) {
    if (!byKey.has(name.toLowerCase())) byKey.set(name.toLowerCase(), name);
  }
  return [...byKey.values()].map((name) => ({ id: name, name }));
}

/** Under the lock. */
export function addSwitch(state: State, name: string): void {
  state.run('INSERT OR REPLACE INTO meta VALUES (?, ?)', KEY, JSON.stringify([...added(state), name]));
}

function added(state: State): string[] {
  const row = state.get<{ value: string }>('SELECT value FROM meta WHERE key = ?', KEY);
  return row ? JSON.parse(row.value) : [];
}

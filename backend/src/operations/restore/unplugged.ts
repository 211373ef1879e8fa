/** What a restore over a VM took from a virtual switch: the VM may have been connected since the backup was made. */
import { MAP_ADVICE } from '../../hosts/switches.ts';
import type { VmNetworkAdapter } from '../../schema/vm.ts';

/**
 * Sentences for the result, of adapters that the host's own warning cannot know: it goes by what the backup recorded.
 * @param before adapters of the VM that was replaced; none when none was
 * @param recorded adapters as they were backed up
 * @param now adapters of the restored VM
 */
export function unplugged(
  before: readonly VmNetworkAdapter[],
  recorded: readonly VmNetworkAdapter[],
  now: readonly VmNetworkAdapter[],
): string[] {
  const lost = before.filter((adapter, n) => {
    if (adapter.switchName === undefined) return false;
    const known = counterpart(recorded, adapter, n)?.switchName?.toLowerCase() === adapter.switchName.toLowerCase();
    return !known && counterpart(now, adapter, n)?.switchName === undefined;
  });
  if (lost.length === 0) return [];
  const list = lost.map(({ name, switchName }) => `"${name}" (was on "${switchName}")`).join(', ');
  return [`Network adapters of the replaced VM that were connected and are not any more: ${list}. ${MAP_ADVICE}`];
}

/** The same adapter in another description: by its address, else by name and place. */
function counterpart(
  adapters: readonly VmNetworkAdapter[],
  { name, macAddress }: VmNetworkAdapter,
  place: number,
): VmNetworkAdapter | undefined {
  const byAddress = macAddress === '' ? undefined : adapters.find((other) => other.macAddress === macAddress);
  return byAddress ?? (adapters[place]?.name === name ? adapters[place] : undefined);
}

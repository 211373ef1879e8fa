/** The part of the host contract about network adapters of restored VMs and the virtual switches they are mapped to. */
import { beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { Host, PlanRequest } from '../../../backend/src/hosts/port.ts';
import type { SwitchMapping } from '../../../backend/src/hosts/switches.ts';
import type { VmNetworkAdapter } from '../../../backend/src/schema/vm.ts';
import type { HostFixture } from './fixture.ts';

/** What the contract around it has made; asked for when a test runs. */
export interface AdapterContext {
  fixture(): HostFixture;
  vmId(): string;
  /** The VM and its configuration files as a backup has them. */
  stored(): Promise<Pick<PlanRequest, 'vm' | 'configuration'>>;
}

export function switchContract(of: AdapterContext): void {
  describe('with network adapters', () => {
    const adapters: VmNetworkAdapter[] = [
      { name: 'Network Adapter', macAddress: '00155D0A0001', dynamicMacAddress: false, switchName: 'LAN' },
      { name: 'Network Adapter', macAddress: '00155D0A0002', dynamicMacAddress: true, switchName: 'DMZ' },
      { name: 'Spare', macAddress: '00155D0A0003', dynamicMacAddress: false },
    ];
    let fixture: HostFixture;
    let host: Host;
    let vmId: string;
    beforeAll(async () => {
      fixture = of.fixture();
      host = fixture.host;
      for (const name of ['LAN', 'Lab', 'Lab DMZ']) await fixture.addSwitch(name);
    });
    beforeEach(() => {
      vmId = of.vmId();
    });

    /** Without disks: their restore is another matter. */
    async function restored(kind: 'vm' | 'data', switches: SwitchMapping[] | undefined, newId = true) {
      await fixture.setAdapters(vmId, adapters);
      const { vm, configuration } = await of.stored();
      const request = { vm: { ...vm, disks: [] }, configuration, newId, replace: !newId, kind, switches };
      const plan = await host.planVm(request);
      const made = await plan.realise();
      expect(await host.getVm(made.id)).toEqual(made);
      if (newId) await fixture.removeVm(made.id);
      return { made: made.networkAdapters, warnings: plan.warnings.join(' ') };
    }
    const names = (made: VmNetworkAdapter[]) => made.map((adapter) => [adapter.name, adapter.switchName ?? null]);

    it.each(['vm', 'data'] as const)('connects those that are mapped, and no others (%s)', async (kind) => {
      const { made, warnings } = await restored(kind, [{ from: 'lan', to: 'LAB' }]);
      expect(names(made)).toEqual([
        ['Network Adapter', 'Lab'],
        ['Network Adapter', null],
        ['Spare', null],
      ]);
      expect(made.map(({ macAddress }) => macAddress).filter((mac) => mac.startsWith('00155D0A000'))).toEqual([]);
      expect(warnings).toContain('Network adapters have new MAC addresses.');
      expect(warnings).toContain('not connected to a virtual switch: "Network Adapter" (was on "DMZ"), "Spare". ');
      expect(warnings).toContain('--switch (-SwitchMap in PowerShell)');
    });

    it.each(['vm', 'data'] as const)('connects all to one switch but those with their own (%s)', async (kind) => {
      const { made, warnings } = await restored(kind, [{ to: 'Lab' }, { from: 'DMZ', to: 'Lab DMZ' }]);
      expect(names(made)).toEqual([
        ['Network Adapter', 'Lab'],
        ['Network Adapter', 'Lab DMZ'],
        ['Spare', 'Lab'],
      ]);
      expect(warnings).not.toMatch(/not connected/);
      expect(warnings).not.toMatch(/--switch/);
    });

    it.each(['vm', 'data'] as const)('of a VM that is replaced: connected where mapped only (%s)', async (kind) => {
      const { made } = await restored(kind, [{ from: 'LAN', to: 'LAN' }], false);
      expect(made[0]).toEqual(adapters[0]);
      expect(names(made).slice(1)).toEqual([
        ['Network Adapter', null],
        ['Spare', null],
      ]);
    });

    it('of a VM that is replaced: connected to nothing when nothing is mapped', async () => {
      const { made, warnings } = await restored('vm', undefined, false);
      expect(made.map(({ switchName }) => switchName)).toEqual([undefined, undefined, undefined]);
      expect(warnings).toContain(
        'not connected to a virtual switch: "Network Adapter" (was on "LAN"), "Network Adapter" (was on "DMZ"), "Spare". ',
      );
      expect(warnings).not.toContain('MAC');
    });

    it('says which mapping was for nothing', async () => {
      const { made, warnings } = await restored('data', [{ from: 'Office', to: 'Lab' }]);
      expect(made.map(({ switchName }) => switchName)).toEqual([undefined, undefined, undefined]);
      expect(warnings).toContain('No network adapter was connected to the virtual switch "Office"');
    });

    it('refuses a switch that is not there, and two for the same adapters, before anything is written', async () => {
      const before = await host.listVms();
      const vm = await host.getVm(vmId);
      const plan = (switches: SwitchMapping[]) =>
        host.planVm({ vm, newId: true, replace: false, kind: 'data', switches });
      await expect(plan([{ from: 'LAN', to: 'No Such' }])).rejects.toMatchObject({
        code: 'SWITCH_NOT_FOUND',
        advice: expect.stringContaining('"Lab DMZ"'),
        data: { switch: 'No Such', known: expect.arrayContaining(['LAN', 'Lab', 'Lab DMZ']) },
      });
      const twice = [
        { from: 'LAN', to: 'Lab' },
        { from: 'lan', to: 'LAN' },
      ];
      await expect(plan(twice)).rejects.toMatchObject({ code: 'USAGE' });
      await expect(plan([{ to: 'Lab' }, { to: 'LAN' }])).rejects.toMatchObject({ code: 'USAGE' });
      expect(await host.listVms()).toEqual(before);
    });
  });
}

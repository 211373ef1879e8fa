/** Network adapters of a planned VM: which is which, what is done to them, and what the host refuses. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Helper } from '../../../../backend/src/hosts/hyperv/helper/helper.ts';
import {
  adapterSteps,
  connectionsFor,
  type WmiSwitch,
} from '../../../../backend/src/hosts/hyperv/restoring/plan-adapters.ts';
import { SwitchListing, WmiComponent } from '../../../../backend/src/hosts/hyperv/wmi.ts';
import { findSwitches } from '../../../../backend/src/hosts/switches.ts';
import type { VmNetworkAdapter } from '../../../../backend/src/schema/vm.ts';
import { makeScratch } from '../../support/scratch.ts';
import { pwsh } from './hyperv-double.ts';
import { HyperVWorld, MIB } from './hyperv-world.ts';

const SCOPE = '\\\\HOST\\root\\virtualization\\v2:';
const switchPath = (id: string, more = '') => `${SCOPE}Msvm_VirtualEthernetSwitch.${more}Name="${id}"`;
const LAB: WmiSwitch = { id: 'AAAA', name: 'Lab', path: switchPath('AAAA') };
const DMZ: WmiSwitch = { id: 'BBBB', name: 'DMZ', path: switchPath('BBBB') };

function port(n: number, name: string, address: string): WmiComponent {
  const className = 'Msvm_SyntheticEthernetPortSettingData';
  const path = `${SCOPE}${className}.InstanceID="${n}"`;
  return WmiComponent.parse({ className, path, instanceID: `${n}`, elementName: name, address });
}

function connection(of: WmiComponent, more: Partial<WmiComponent>): WmiComponent {
  const className = 'Msvm_EthernetPortAllocationSettingData';
  const instanceID = `${of.instanceID}\\C`;
  const path = `${SCOPE}${className}.InstanceID="${instanceID}"`;
  return WmiComponent.parse({ className, path, instanceID, parent: of.path, enabledState: 2, ...more });
}

const adapter = (name: string, macAddress: string, switchName?: string): VmNetworkAdapter => ({
  name,
  macAddress,
  dynamicMacAddress: true,
  ...(switchName === undefined ? {} : { switchName }),
});

describe('which planned adapter is which of the description', () => {
  const recorded = [adapter('nic', '00155D000001', 'LAN'), adapter('nic', '00155D000002', 'DMZ'), adapter('mgmt', '')];
  const choice = [
    { from: 'LAN', to: LAB },
    { from: 'DMZ', to: DMZ },
  ];
  const found = (components: WmiComponent[]) =>
    Object.fromEntries([...connectionsFor(components, recorded, choice)].map(([key, to]) => [key.at(-2), to.name]));

  it('by its address, in whatever order', () => {
    const ports = [port(1, 'mgmt', ''), port(2, 'nic', '00155d000002'), port(3, 'nic', '00155D000001')];
    expect(found(ports)).toEqual({ 2: 'DMZ', 3: 'Lab' });
  });

  it('by the switch it was on, when the import gave new addresses', () => {
    const [one, two] = [port(1, 'nic', '00155D0000F1'), port(2, 'nic', '00155D0000F2')];
    const links = [connection(one, { lastKnownSwitchName: 'DMZ' }), connection(two, { lastKnownSwitchName: 'LAN' })];
    expect(found([one, two, ...links])).toEqual({ 1: 'DMZ', 2: 'Lab' });
  });

  it('by its name, then by its place', () => {
    expect(found([port(1, 'mgmt', ''), port(2, 'nic', ''), port(3, 'nic', '')])).toEqual({ 2: 'Lab', 3: 'DMZ' });
    expect(found([port(1, 'Ethernet', ''), port(2, 'Ethernet 2', '')])).toEqual({ 1: 'Lab', 2: 'DMZ' });
  });

  it('one that the description does not have is connected only where all are', () => {
    const ports = [port(1, 'new', '')];
    expect([...connectionsFor(ports, [], choice)]).toEqual([]);
    expect([...connectionsFor(ports, [], [{ to: LAB }]).values()]).toEqual([LAB]);
  });
});

describe('what is left to do to adapters', () => {
  const nic = port(1, 'nic', '000000000000');
  const steps = (components: WmiComponent[], to?: WmiSwitch) =>
    adapterSteps(components, { newAdapters: false, connections: connectionsFor(components, [], to ? [{ to }] : []) });
  const properties = { HostResource: [LAB.path], LastKnownSwitchName: 'Lab', EnabledState: 2 };

  it('nothing, when the connection names the switch, however its path is written', () => {
    const path = switchPath('aaaa', 'CreationClassName="Msvm_VirtualEthernetSwitch",').replace('HOST', 'host.example');
    expect(steps([nic, connection(nic, { hostResource: [path] })], LAB)).toEqual([]);
    expect(steps([nic, connection(nic, { enabledState: 3 })])).toEqual([]);
    expect(steps([nic])).toEqual([]);
  });

  it('one change, or one connection that is new', () => {
    const change = [{ kind: 'modify', instanceId: '1\\C', properties }];
    expect(steps([nic, connection(nic, { hostResource: [DMZ.path] })], LAB)).toEqual(change);
    expect(steps([nic, connection(nic, { hostResource: [LAB.path], enabledState: 3 })], LAB)).toEqual(change);
    const subType = 'Microsoft:Hyper-V:Ethernet Connection';
    expect(steps([nic], LAB)).toEqual([{ kind: 'add', subType, parentId: '1', properties }]);
    expect(steps([nic, connection(nic, { hostResource: [LAB.path] })])).toEqual([
      { kind: 'modify', instanceId: '1\\C', properties: { EnabledState: 3 } },
    ]);
  });
});

it('a switch is found by its name or its id; two of a name are told apart by id', () => {
  const twin: WmiSwitch = { ...LAB, id: 'CCCC' };
  const hosts = [LAB, twin, DMZ];
  expect(findSwitches([{ to: 'dmz' }], hosts)[0]!.to).toBe(DMZ);
  expect(findSwitches([{ to: 'cccc' }], hosts)[0]!.to).toBe(twin);
  const error = expect.objectContaining({ code: 'SWITCH_AMBIGUOUS', data: { switch: 'Lab', ids: ['AAAA', 'CCCC'] } });
  expect(() => findSwitches([{ to: 'Lab' }], hosts)).toThrow(error);
  const none = { code: 'SWITCH_NOT_FOUND', advice: expect.stringContaining('It has none') };
  expect(() => findSwitches([{ to: 'Lab' }], [])).toThrow(expect.objectContaining(none));
});

describe.skipIf(!pwsh)('the host (over its doubles; skipped without pwsh)', () => {
  let world: HyperVWorld;
  beforeAll(async () => {
    world = await HyperVWorld.create(await makeScratch('hyperv-switches'), [MIB]);
    await world.sim.addSwitch("Lab's 東京 [1]");
  });
  afterAll(() => world.close());

  it('restores to a switch from backup to result, and writes nothing for one it does not have', async () => {
    await world.sim.addSwitch('LAN');
    const macAddress = '00155D000001';
    const lan = { name: 'Network Adapter', macAddress, dynamicMacAddress: false, switchName: 'LAN' };
    await world.sim.configureVm(world.vmId, { networkAdapters: [lan] });
    const { restorePointId } = await world.backup();
    const to = "lab's 東京 [1]";
    for (const kind of ['vm', 'data']) {
      const made = await world.restore(restorePointId, {
        newId: true,
        name: kind,
        kind,
        switches: [{ from: 'LAN', to }],
      });
      expect(made.networkAdapters).toMatchObject([{ name: 'Network Adapter', switchName: "Lab's 東京 [1]" }]);
      expect(made.networkAdapters[0]!.macAddress).not.toBe(macAddress);
    }
    const apart = await world.restore(restorePointId, { newId: true, name: 'apart' });
    expect(apart.networkAdapters[0]).not.toHaveProperty('switchName');
    const before = world.calls.length;
    await expect(world.restore(restorePointId, { newId: true, switches: [{ to: 'No Such' }] })).rejects.toMatchObject({
      code: 'SWITCH_NOT_FOUND',
    });
    expect(world.calls).toHaveLength(before);
  });

  it('refuses a connection to what is no switch of it', async () => {
    const helper = new Helper(world.double);
    try {
      const { switches } = SwitchListing.parse(await helper.request('listSwitches', {}));
      expect(switches.map(({ elementName }) => elementName)).toContain('Default Switch');
      const settings = { ElementName: 'wrong', VirtualSystemSubType: 'Microsoft:Hyper-V:SubType:2' };
      const planned = await helper.request<{ vmId: string }>('definePlanned', { settings, resources: [] });
      const { vmId } = planned;
      const add = (subType: string, properties: object, parentId?: string) =>
        helper.request('configurePlanned', { vmId, steps: [{ kind: 'add', subType, parentId, properties }] });
      await add('Microsoft:Hyper-V:Synthetic Ethernet Port', { ElementName: 'nic', StaticMacAddress: false });
      const { components } = await helper.request<{ components: WmiComponent[] }>('describe', { vmId, planned: true });
      const nic = components.find(({ className }) => className === 'Msvm_SyntheticEthernetPortSettingData')!;
      const right = switches[0]!.path;
      for (const wrong of [switches[0]!.elementName, switches[0]!.name, right.replace('Switch.', 'Router.'), '']) {
        const properties = { HostResource: [wrong], EnabledState: 2 };
        const refused = add('Microsoft:Hyper-V:Ethernet Connection', properties, nic.instanceID);
        await expect(refused).rejects.toMatchObject({ message: expect.stringContaining('32773') });
      }
      await add('Microsoft:Hyper-V:Ethernet Connection', { HostResource: [right], EnabledState: 2 }, nic.instanceID);
      await helper.request('destroySystem', { vmId, planned: true });
    } finally {
      await helper.close();
    }
  });
});

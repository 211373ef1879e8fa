/** Traces without names: nothing of a name is left in any encoding, and what has a form keeps it. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { Anonymizer } from '../../../../backend/src/hosts/hyperv/helper/anonymize.ts';
import type { Helper } from '../../../../backend/src/hosts/hyperv/helper/helper.ts';
import type { TracedExchange } from '../../../../backend/src/hosts/hyperv/helper/trace-format.ts';
import { HyperVHost } from '../../../../backend/src/hosts/hyperv/index.ts';
import { reachable } from '../../../../backend/src/hosts/hyperv/paths.ts';
import { makeScratch } from '../../support/scratch.ts';
import { parseTrace, ReplayHelper } from '../support/replay.ts';
import { openDouble, pwsh } from './hyperv-double.ts';
import { HyperVWorld, MIB } from './hyperv-world.ts';

const KEY = 'a key of a recording, long enough';
const GUID = '5BFDE23B-CE75-4303-B54F-6C18394F105C';
const fresh = (known: string[] = []) => new Anonymizer(KEY, known);

/** Every form in which a name could be left in a file. */
function needles(name: string): Buffer[] {
  const forms = [
    name,
    name.toLowerCase(),
    name.toUpperCase(),
    JSON.stringify(name).slice(1, -1),
    encodeURIComponent(name),
  ];
  const bytes = forms.flatMap((form) => [
    Buffer.from(form, 'utf8'),
    Buffer.from(form, 'utf16le'),
    Buffer.from(form, 'utf16le').swap16(),
  ]);
  const coded = bytes.flatMap((form) => [
    Buffer.from(form.toString('hex')),
    ...[0, 1, 2].map((shift) => {
      const text = Buffer.concat([Buffer.alloc(shift), form])
        .toString('base64')
        .replaceAll('=', '');
      return Buffer.from(text.slice(shift === 0 ? 0 : shift + 1, -2));
    }),
  ]);
  return [...bytes, ...coded].filter((needle) => needle.length >= 4);
}

const leftIn = (file: Buffer | string, names: string[]): string[] =>
  names.filter((name) => needles(name).some((needle) => Buffer.from(file).includes(needle)));

describe('anonymised traces', () => {
  it('leave what names nothing', () => {
    const anonymizer = fresh();
    for (const text of [
      GUID,
      `Microsoft:${GUID}`,
      `Microsoft:${GUID}\\83F8638B-8DCA-4152-9EDA-2CA8B33039B4\\0\\0\\D`,
      'Microsoft:Hyper-V:Virtual Hard Disk',
      'rctX:5bfde23b:ce75:4303:b54f:6c18394f105c:00000001',
      'HyperVBackup 01JD9QK4T4W6E8R3M5N7P9S1T2 [application-consistent]',
      '2026-11-21T01:02:03.456Z',
      '9.0',
      '000000000000',
      `C:\\ClusterStorage\\Volume1\\Virtual Machines\\${GUID}.vmcx`,
    ])
      expect(anonymizer.text(text)).toBe(text);
    expect(anonymizer.text('vhdx', 'format')).toBe('vhdx');
    expect(anonymizer.text('vhdx', 'elementName')).not.toBe('vhdx');
  });

  it('give one placeholder for one name, in all processes of a recording, and another in another', () => {
    expect(fresh().text('Web01')).toBe(fresh().text('WEB01'));
    expect(fresh().text('Web01')).toMatch(/^name-[0-9a-f]{12}$/);
    expect(new Anonymizer('another recording, another key').text('Web01')).not.toBe(fresh().text('Web01'));
    // No key at all: one of the process.
    expect(new Anonymizer('1').text('Web01')).not.toBe(new Anonymizer('1').text('Web01'));
  });

  it('keep the form of paths, so that parts and wholes still fit', () => {
    const anonymizer = fresh();
    const path = 'D:\\Kunden\\Müller AG\\Virtual Hard Disks\\db01_system.avhdx';
    const other = anonymizer.text(path);
    expect(other).toMatch(/^D:\\name-\w+\\name-\w+\\Virtual Hard Disks\\name-\w+\.avhdx$/);
    expect(anonymizer.text(reachable(path, 'hv02'))).toBe(reachable(other, anonymizer.text('hv02')));
    expect(anonymizer.text('D:\\Kunden')).toBe(other.split('\\').slice(0, 2).join('\\'));
    expect(anonymizer.text('/srv/vms/db01.vhdx')).toMatch(/^\/name-\w+\/name-\w+\/name-\w+\.vhdx$/);
    const reference = `\\\\HV02\\root\\virtualization\\v2:Msvm_ResourceAllocationSettingData.InstanceID="Microsoft:${GUID}\\\\0"`;
    expect(anonymizer.text(reference)).toBe(reference.replace('HV02', anonymizer.text('hv02')));
    expect(anonymizer.text('00155D0A1B2C')).toMatch(/^02[0-9A-F]{10}$/);
  });

  it('take names out of sentences, known or not', () => {
    const anonymizer = fresh(['CONTOSO', 'backup-svc']);
    anonymizer.text('web', 'elementName');
    const names = [
      'web',
      'CONTOSO',
      'backup-svc',
      'SRV-DC01',
      'Buchhaltung 2',
      'db01',
      'hv02.contoso.lan',
      '10.1.2.3',
      'Müller',
    ];
    const said = anonymizer.sentence(
      `WMI: The VM 'Buchhaltung 2' (web) on SRV-DC01 failed for CONTOSO\\backup-svc at hv02.contoso.lan, 10.1.2.3: ` +
        `"D:\\Kunden\\Müller\\db01.vhdx" error 32775 (0x80070005, ERROR_ACCESS_DENIED), Müller; id ${GUID}.`,
    );
    expect(leftIn(said, names)).toEqual([]);
    expect(said).toContain('0x80070005, ERROR_ACCESS_DENIED');
    expect(said).toContain(GUID);
    expect(said).toMatch(/^WMI: The VM 'name-\w+' \(name-\w+\) on name-\w+ failed for .*\.vhdx" error 32775/);
  });

  it('treat base64 as text unless it can only be ranges', () => {
    const ranges = Buffer.alloc(32);
    ranges.writeBigUInt64LE(4096n, 0);
    ranges.writeBigUInt64LE(512n, 8);
    const one = (value: string) => {
      const exchange: TracedExchange = {
        time: '',
        method: 'queryChanges',
        params: {},
        answer: { ok: true, result: { ranges: value } },
      };
      return (fresh().exchange(exchange).answer as { result: { ranges: string } }).result.ranges;
    };
    expect(one(ranges.toString('base64'))).toBe(ranges.toString('base64'));
    expect(one(Buffer.from('secret-vm-names!').toString('base64'))).toMatch(/^name-/);
  });
});

describe.skipIf(!pwsh)('an anonymised trace of a host (skipped without pwsh)', () => {
  it('has no name in it, and replays', async () => {
    const world = await HyperVWorld.create(await makeScratch('hyperv-anonymize'), [4 * MIB]);
    const file = join(world.folder, 'trace.jsonl');
    process.env.HVBACKUP_TRACE = file;
    process.env.HVBACKUP_TRACE_ANONYMIZE = KEY;
    const names = [
      'Buchhaltung-Ost',
      'Kunde (geheim) Ø',
      'Intranet-Switch',
      'mein Adapter',
      'Notiz: Passwort liegt im Safe',
    ];
    const { vm } = await world.sim.createVm({ name: names[1]!, disks: [{ size: MIB }, { size: 2 * MIB }] });
    await world.sim.configureVm(vm.id, {
      notes: names[4]!,
      networkAdapters: [
        { name: names[3]!, macAddress: '00155DABCDEF', dynamicMacAddress: false, switchName: names[2]! },
      ],
    });
    const host = openDouble(world.double, names[0]!);
    try {
      const seen = {
        vms: await host.listVms(),
        vm: await host.getVm(names[1]!),
        readiness: await host.readiness(vm.id),
      };
      await expect(host.getVm('NochEinName')).rejects.toMatchObject({ code: 'VM_NOT_FOUND' });
      await world.backup({ vm: vm.id });
      await host.close();
      const text = await readFile(file);
      const secret = [
        ...names,
        'NochEinName',
        '00155DABCDEF',
        ...world.folder.split('/').filter((part) => part.length > 4),
      ];
      expect(leftIn(text, secret)).toEqual([]);
      const trace = parseTrace(text.toString('utf8'));
      expect(trace.map(({ method }) => method)).toEqual(expect.arrayContaining(['createSnapshot', 'convertSnapshot']));
      const other = new Anonymizer(KEY);
      const server = other.text(names[0]!);
      const again = new HyperVHost(new ReplayHelper(trace) as unknown as Helper, server, 'hyperv:replayed');
      const vms = await again.listVms();
      expect(vms).toEqual(seen.vms.map((entry) => ({ ...entry, name: other.text(entry.name) })));
      const replayed = await again.getVm(other.text(names[1]!));
      expect(replayed.disks.map(({ path, ...disk }) => disk)).toEqual(seen.vm.disks.map(({ path, ...disk }) => disk));
      expect(replayed.disks.map(({ path }) => path)).toEqual(seen.vm.disks.map(({ path }) => other.text(path)));
      const readiness = await again.readiness(vm.id);
      expect(readiness.findings.map(({ code }) => code)).toEqual(seen.readiness.findings.map(({ code }) => code));
    } finally {
      delete process.env.HVBACKUP_TRACE;
      delete process.env.HVBACKUP_TRACE_ANONYMIZE;
      await host.close();
      await world.close();
    }
  });
});

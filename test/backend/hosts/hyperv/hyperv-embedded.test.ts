/** Golden text of embedded instances, and that the double refuses what WMI refuses. */

import { join, resolve } from 'node:path';
import { describe, expect, it } from 'vitest';
import { Helper } from '../../../../backend/src/hosts/hyperv/helper/helper.ts';
import { CimFault, parseEmbedded } from '../../../helper/double/embedded.ts';
import { startPowerShell } from '../../support/powershell.ts';
import { makeScratch } from '../../support/scratch.ts';
import { pwsh } from './hyperv-double.ts';
import { HyperVWorld, MIB } from './hyperv-world.ts';

const ROOT = resolve(import.meta.dirname, '../../../..');

describe.skipIf(!pwsh)('embedded instances (skipped without pwsh)', () => {
  it('are text of CIM DTD 2.0, to the letter', async () => {
    const world = await HyperVWorld.create(await makeScratch('hyperv-embedded'), [MIB]);
    const shell = startPowerShell({
      PSModulePath: join(ROOT, 'test', 'helper', 'modules'),
      WMI_DOUBLE_NODE: process.execPath,
      WMI_DOUBLE_SERVER: join(ROOT, 'test', 'helper', 'double', 'server.ts'),
      WMI_DOUBLE_HOST: world.directory,
      HVBACKUP_HELPER: world.double.helper,
    });
    try {
      const texts = await shell.run<string[]>(
        `
        . $env:HVBACKUP_HELPER
        ConvertTo-EmbeddedText -ClassName Msvm_VirtualSystemSnapshotSettingData -Property @{ ConsistencyLevel = [uint16] 1; IgnoreNonSnapshottableDisks = $true }
        ConvertTo-EmbeddedText -ClassName Msvm_VirtualSystemSettingData -Property @{ ElementName = $data.name; Notes = [string[]] @('a & b', '<c>') }
        ConvertTo-EmbeddedText -ClassName Msvm_MemorySettingData -Property @{ VirtualQuantity = [uint64] 4096; DynamicMemoryEnabled = $false }
      `,
        { name: 'O\'Brien "x" <&>\r\n' },
      );
      expect(texts).toEqual([
        '<INSTANCE CLASSNAME="Msvm_VirtualSystemSnapshotSettingData">' +
          '<PROPERTY NAME="ConsistencyLevel" TYPE="uint16"><VALUE>1</VALUE></PROPERTY>' +
          '<PROPERTY NAME="IgnoreNonSnapshottableDisks" TYPE="boolean"><VALUE>TRUE</VALUE></PROPERTY></INSTANCE>',
        '<INSTANCE CLASSNAME="Msvm_VirtualSystemSettingData">' +
          '<PROPERTY NAME="ElementName" TYPE="string"><VALUE>O\'Brien &quot;x&quot; &lt;&amp;&gt;&#13;\n</VALUE></PROPERTY>' +
          '<PROPERTY.ARRAY NAME="Notes" TYPE="string"><VALUE.ARRAY><VALUE>a &amp; b</VALUE><VALUE>&lt;c&gt;</VALUE></VALUE.ARRAY></PROPERTY.ARRAY></INSTANCE>',
        '<INSTANCE CLASSNAME="Msvm_MemorySettingData"><PROPERTY NAME="VirtualQuantity" TYPE="uint64"><VALUE>4096</VALUE></PROPERTY>' +
          '<PROPERTY NAME="DynamicMemoryEnabled" TYPE="boolean"><VALUE>FALSE</VALUE></PROPERTY></INSTANCE>',
      ]);
      const back = await shell.run<{ ElementName: string }>('ConvertFrom-EmbeddedText -Value $data', texts[1]);
      expect(back.ElementName).toBe('O\'Brien "x" <&>\r\n');
      for (const wrong of [
        'ConvertTo-EmbeddedText -ClassName Msvm_MemorySettingData -Property @{ NoSuch = 1 }',
        "New-CimInstance -CimClass (Get-CimClass -ClassName Msvm_MemorySettingData) -ClientOnly -Property @{ DynamicMemoryEnabled = 'yes' }",
        "$vm = (Get-HvInstance -ClassName Msvm_ComputerSystem)[1]; $vm.ElementName = 'x'",
        '$s = Get-HvService -ClassName Msvm_VirtualSystemSnapshotService; Invoke-CimMethod -InputObject $s -MethodName DestroySnapshot -Arguments @{ Snapshot = $s }',
        "$s = Get-HvService -ClassName Msvm_VirtualSystemSnapshotService; Invoke-CimMethod -InputObject $s -MethodName DestroySnapshot -Arguments @{ AffectedSnapshot = 'Microsoft:x' }",
        '$s = Get-HvService -ClassName Msvm_VirtualSystemSnapshotService; Invoke-CimMethod -InputObject $s -MethodName NoSuchMethod',
        'Get-HvInstance -ClassName Msvm_NoSuchClass',
        "Get-HvInstance -ClassName Msvm_ComputerSystem -Filter \"Name = 'a' OR Name = 'b'\"",
      ]) {
        await expect(shell.run(wrong), wrong).rejects.toThrow();
      }
    } finally {
      await shell.close();
      await world.close();
    }
  });

  it('are read as strictly as a provider reads them', () => {
    const memory = (inside: string) => `<INSTANCE CLASSNAME="Msvm_MemorySettingData">${inside}</INSTANCE>`;
    const property = (name: string, type: string, value: string) =>
      `<PROPERTY NAME="${name}" TYPE="${type}"><VALUE>${value}</VALUE></PROPERTY>`;
    expect(parseEmbedded(memory(property('Limit', 'uint64', '7'))).properties).toEqual({ Limit: 7 });
    for (const wrong of [
      '',
      'instance of Msvm_MemorySettingData {};',
      memory(property('Limit', 'uint32', '7')),
      memory(property('Limit', 'uint64', '-7')),
      memory(property('NoSuch', 'string', 'x')),
      memory(property('DynamicMemoryEnabled', 'boolean', 'yes')),
      memory(property('ElementName', 'string', '&nbsp;')),
      '<INSTANCE CLASSNAME="Msvm_NoSuch"></INSTANCE>',
    ]) {
      expect(() => parseEmbedded(wrong), wrong).toThrow(CimFault);
    }
  });

  it('a checkpoint is converted once', async () => {
    const world = await HyperVWorld.create(await makeScratch('hyperv-embedded'), [MIB]);
    const helper = new Helper(world.double);
    try {
      const params = { vmId: world.vmId, consistency: 'crash', label: 'x', timeoutSeconds: 60 };
      const { snapshot } = await helper.request<{ snapshot: { settings: { instanceID: string } } }>(
        'createSnapshot',
        params,
      );
      const snapshotId = snapshot.settings.instanceID.replace('Microsoft:', '');
      await helper.request('convertSnapshot', { snapshotId });
      await expect(helper.request('convertSnapshot', { snapshotId })).rejects.toMatchObject({
        code: 'CHECKPOINT_NOT_FOUND',
      });
      expect(await helper.request('destroySnapshot', { snapshotId })).toEqual({ removed: false });
      await expect(helper.request('noSuchMethod', {})).rejects.toMatchObject({ code: 'PROTOCOL_INVALID' });
    } finally {
      await helper.close();
      await world.close();
    }
  });
});

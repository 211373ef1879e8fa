/** The connection to another host's shares: the shipped NetworkShare.cs over a double of mpr.dll. */
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type PowerShell, startPowerShell } from '../../../support/powershell.ts';
import { scratchForSuite } from '../../../support/scratch.ts';
import {
  buildVirtDiskDouble,
  COMPILE_HELPER,
  HELPER_SOURCES,
  missingForDouble,
} from '../../../support/virtdisk-double.ts';

const USER = 'LAB\\bäckup';
const PASSWORD = 's3cret \u{1F511}';
const CONNECT = `
  $secret = New-Object -TypeName System.Security.SecureString
  foreach ($character in $data[2].ToCharArray()) { $secret.AppendChar($character) }
  [HyperVBackup.NetworkShare]::Connect($data[0], $data[1], $secret)
`;

describe.skipIf(missingForDouble.length > 0)('shares of another host (skipped without Linux, gcc and pwsh)', () => {
  let shell: PowerShell;
  beforeAll(async () => {
    const folder = await scratchForSuite('network-share');
    const library = await buildVirtDiskDouble(join(folder, 'double'));
    shell = startPowerShell({ ...library, HVB_MPR_ACCOUNT: `${USER} ${PASSWORD}` });
    await shell.run(COMPILE_HELPER, HELPER_SOURCES);
  });
  afterAll(() => shell?.close());

  it('are connected with the account, and given back; every refusal keeps its code', async () => {
    const disconnect = (server: string) => shell.run('[HyperVBackup.NetworkShare]::Disconnect($data)', server);
    expect(await shell.run(CONNECT, ['hv02', USER, 'wrong'])).toBe(1326);
    expect(await disconnect('hv02')).toBe(2250);
    expect(await shell.run(CONNECT, ['hv02', USER, PASSWORD])).toBe(0);
    expect(await shell.run(CONNECT, ['hv02', USER, PASSWORD])).toBe(0);
    expect(await shell.run(CONNECT, ['hv02', 'LAB\\other', PASSWORD])).toBe(1219);
    expect(await disconnect('hv03')).toBe(2250);
    expect(await disconnect('hv02')).toBe(0);
    expect(await disconnect('hv02')).toBe(2250);
  });
});

import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ERROR_CODES } from '../../../../../backend/src/support/error-codes.ts';
import { type PowerShell, startPowerShell } from '../../../support/powershell.ts';
import { scratchForSuite } from '../../../support/scratch.ts';
import {
  addLines,
  buildVirtDiskDouble,
  COMPILE_HELPER,
  describeDisk,
  HELPER_SOURCES,
  missingForDouble,
} from '../../../support/virtdisk-double.ts';

const ID = 'rctX:5bfde23b:ce75:4303:b54f:6c18394f105c:00000001';
const DISK_ID = '7d7f7a29-1b6e-4a54-8f3b-2c0d8f6a9b01';
const GUID = 'a1b2c3d4-0011-2233-4455-66778899aabb';
const skipped = missingForDouble.length > 0;
const V = '[HyperVBackup.VirtDisk]';

describe.skipIf(skipped)('virtdisk: disks and errors (skipped without Linux, gcc and pwsh)', () => {
  let shell: PowerShell;
  let folder: string;
  let names = 0;
  const disk = (...rest: Parameters<typeof describeDisk> extends [string, ...infer R] ? R : never) =>
    describeDisk(join(folder, `disk ${++names}.vhdx`), ...rest);
  beforeAll(async () => {
    folder = await scratchForSuite('virtdisk');
    shell = startPowerShell(await buildVirtDiskDouble(join(folder, 'double')));
    await shell.run(COMPILE_HELPER, HELPER_SOURCES);
  });
  afterAll(() => shell?.close());

  it('information of a disk', async () => {
    const path = await disk({
      size: 10 * 2 ** 30,
      physical: 12345678,
      block: 1 << 20,
      sector: 4096,
      identifier: `{${GUID}}`,
      'disk-id': DISK_ID,
      tracking: 'on',
      'most-recent': ID,
      'newer-changes': 'yes',
    });
    expect(await shell.run(`${V}::GetInfo($data)`, path)).toEqual({
      Path: path,
      VirtualSize: 10 * 2 ** 30,
      PhysicalSize: 12345678,
      BlockSize: 1 << 20,
      SectorSize: 4096,
      PhysicalSectorSize: 4096,
      Identifier: GUID,
      VirtualDiskId: DISK_ID,
      Device: 3,
      ProviderSubtype: 3,
      IsLoaded: false,
      ParentResolved: false,
      ParentPaths: [],
      ParentIdentifier: null,
      TrackingEnabled: true,
      NewerChanges: true,
      MostRecentId: ID,
      IsDifferencing: false,
    });
  });

  it('a VHD has no disk id and no tracking, and that is no error', async () => {
    const path = await describeDisk(join(folder, 'old.vhd'), { format: 'vhd', subtype: 'fixed' });
    expect(await shell.run(`${V}::GetInfo($data)`, path)).toMatchObject({
      Device: 2,
      ProviderSubtype: 2,
      VirtualDiskId: null,
      TrackingEnabled: null,
      MostRecentId: null,
    });
  });

  it('a disk that nobody tracks yet may say so with an error', async () => {
    for (const code of ['0xC03A0020', '0xC03A002A', '0xC03A0030']) {
      // The eighth question is that for the tracking state.
      const path = await disk({ tracking: 'on' }, {}, [`fail GetVirtualDiskInformation ${code} 7`]);
      expect(await shell.run(`${V}::GetInfo($data)`, path)).toMatchObject({
        TrackingEnabled: false,
        MostRecentId: null,
      });
    }
    const damaged = await disk({}, {}, ['fail GetVirtualDiskInformation 0xC03A0024 7']);
    await expect(shell.run(`${V}::GetInfo($data)`, damaged)).rejects.toThrow(/INCONSISTENT_TRACKING_FILE/);
    const unreadable = await disk({}, {}, ['fail GetVirtualDiskInformation 1117']);
    await expect(shell.run(`${V}::GetInfo($data)`, unreadable)).rejects.toThrow(/GetVirtualDiskInformation\(1\)/);
  });

  it.each(['told', 'untold'])('an id longer than the buffer is read whole (size needed: %s)', async (needed) => {
    const long = `rctX:${'0123456789'.repeat(48)}`;
    const parents = Array.from({ length: 6 }, (_, i) => join(folder, `${'p'.repeat(700)}-${i}`));
    const path = await disk({ tracking: 'on', 'most-recent': long, subtype: 'differencing' }, {}, [
      `assume needed-size ${needed}`,
      ...parents.map((parent) => `parent ${parent}`),
    ]);
    const info = await shell.run<{ MostRecentId: string; ParentPaths: string[]; ParentResolved: boolean }>(
      `$h = ${V}::OpenWithoutParents($data); try { ${V}::GetInfo($h) } finally { $h.Dispose() }`,
      path,
    );
    expect(info.MostRecentId).toBe(long);
    expect(info.ParentPaths).toEqual(parents);
    expect(info.ParentResolved).toBe(false);
  });

  it('change tracking is switched on, and there is nothing that switches it off', async () => {
    const path = await disk({ tracking: 'off' });
    await shell.run(`${V}::EnableChangeTracking($data)`, path);
    expect(await shell.run(`${V}::GetInfo($data).TrackingEnabled`, path)).toBe(true);
    const members = await shell.run<string[]>(`[HyperVBackup.VirtDisk].GetMethods().Name`);
    expect(members.filter((name) => /tracking/i.test(name))).toEqual(['EnableChangeTracking']);
  });

  it('the chain, leaf first', async () => {
    const base = await disk({ 'disk-id': DISK_ID });
    const middle = await disk({ subtype: 'differencing', parent: base, 'disk-id': DISK_ID, 'parent-id': GUID });
    const leaf = await disk({ subtype: 'differencing', parent: middle, 'disk-id': DISK_ID });
    expect(await shell.run(`, @(${V}::GetChain($data).Path)`, leaf)).toEqual([leaf, middle, base]);
    expect(await shell.run(`${V}::GetChain($data)[1].ParentIdentifier`, leaf)).toBe(GUID);
  });

  it('a parent that is not there, in the middle of the chain, and a chain without an end', async () => {
    const gone = join(folder, 'gone.vhdx');
    const middle = await disk({ subtype: 'differencing', parent: gone });
    const leaf = await disk({ subtype: 'differencing', parent: middle });
    const broken = await shell
      .run<Record<string, unknown>>(`${V}::GetChain($data)`, leaf)
      .catch((error) => error.details);
    expect(broken).toMatchObject({ ProjectCode: 'DISK_PARENT_MISSING', Path: middle });
    expect(broken.Message).toContain(gone);
    expect(await shell.run(`${V}::GetInfo($data)`, middle).catch((error) => error.details)).toMatchObject({
      Symbol: 'ERROR_VHD_PARENT_VHD_NOT_FOUND',
      ProjectCode: 'DISK_PARENT_MISSING',
    });
    const snake = await disk({ subtype: 'differencing' });
    await addLines(snake, `parent ${snake}`);
    expect(await shell.run(`${V}::GetChain($data)`, snake).catch((error) => error.details)).toMatchObject({
      ProjectCode: 'DISK_CORRUPT',
    });
  });

  describe('errors', () => {
    const failure = (script: string, data: unknown) =>
      shell.run(script, data).then(
        (): Record<string, unknown> => ({}),
        (error) => error.details as Record<string, unknown>,
      );

    it('files that are not there, or no disks, or in use', async () => {
      expect(await failure(`${V}::GetInfo($data)`, join(folder, 'no.vhdx'))).toMatchObject({
        Code: 2,
        CodeText: '0x00000002',
        Symbol: 'ERROR_FILE_NOT_FOUND',
        ProjectCode: 'FILE_NOT_FOUND',
        Path: join(folder, 'no.vhdx'),
        Operation: 'OpenVirtualDisk',
        ChainBroken: false,
      });
      const text = await describeDisk(join(folder, 'letter.txt'));
      expect(await failure(`${V}::GetInfo($data)`, text)).toEqual({}); // an unknown extension is asked for by format
      const used = await disk({ loaded: 'yes' });
      expect(await failure(`${V}::EnableChangeTracking($data)`, used)).toMatchObject({
        Code: 32,
        ProjectCode: 'HOST_BUSY',
      });
    });

    it('every code of Windows has a name, a meaning, an advice and a code of the project', async () => {
      const table = await shell.run<Record<string, string | number>[]>('[HyperVBackup.VirtDiskErrors]::All');
      expect(table.length).toBeGreaterThan(85);
      for (const row of table) {
        expect(ERROR_CODES, String(row.Symbol)).toContain(row.ProjectCode);
        expect(row.Symbol).toMatch(/^ERROR_[A-Z0-9_]+$/);
        expect(String(row.Meaning).length, String(row.Symbol)).toBeGreaterThan(10);
        if (row.ProjectCode !== 'CANCELLED') expect(String(row.Advice).length).toBeGreaterThan(10);
      }
      const facility = table.filter((row) => Number(row.Code) >= 0xc03a0000).map((row) => Number(row.Code) & 0xff);
      // winerror.h has 1 to 0x2A, and 0x30.
      expect(facility).toEqual([...Array.from({ length: 0x2a }, (_, i) => i + 1), 0x30]);
    });

    it('each of them comes from the library as an exception that carries it', async () => {
      const path = await disk();
      const seen = await shell.run<Record<string, string>[]>(
        `foreach ($row in [HyperVBackup.VirtDiskErrors]::All) {
           Set-Content -LiteralPath ($data + '.rct.txt') -Value ('size 1048576', ('fail OpenVirtualDisk ' + $row.Code))
           try { $null = ${V}::GetInfo($data); @{ Symbol = 'none' } }
           catch {
             $e = $_.Exception.InnerException
             @{ Symbol = $e.Symbol; Same = ($e.Code -eq $row.Code -and $e.Symbol -eq $row.Symbol -and $e.ProjectCode -eq $row.ProjectCode); Message = $e.Message }
           }
         }`,
        path,
      );
      expect(seen.length).toBeGreaterThan(85);
      // A provider that is not found is asked for a second time, by format: with the same answer here.
      for (const row of seen) expect(row, JSON.stringify(row)).toMatchObject({ Same: true });
      for (const row of seen) expect(row.Message).toContain(path);
    });

    it.each([
      [0xc03a0020, 'TRACKING_LOST'],
      [0xc03a0021, 'TRACKING_LOST'],
      [0xc03a0022, 'TRACKING_CHANGED_OFFLINE'],
      [0xc03a0023, 'TRACKING_INCONSISTENT'],
      [0xc03a0024, 'TRACKING_INCONSISTENT'],
      [0xc03a0028, 'TRACKING_LOST'],
      [0xc03a0029, 'TRACKING_ID_INVALID'],
      [0xc03a002a, 'TRACKING_LOST'],
      [0xc03a0030, 'TRACKING_ID_INVALID'],
    ])('a chain broken with code %i means a full of the disk: %s', async (code, project) => {
      const path = await disk({}, { [ID]: [[0, 4096]] }, [`fail QueryChangesVirtualDisk 0x${code.toString(16)}`]);
      const details = await failure(`${V}::QueryChanges($data, '${ID}')`, path);
      expect(details).toMatchObject({ Code: code, ProjectCode: project, ChainBroken: true });
      expect(details.Advice).toContain('full backup of this disk');
    });

    it('a code that nobody knows, and an HRESULT around a Win32 code', async () => {
      const from = (code: string) =>
        shell.run<Record<string, unknown>>(
          `[HyperVBackup.VirtDiskException]::FromCode('F', 'p', ${code}) | Select-Object Code, Symbol, ProjectCode, Message`,
        );
      expect(await from('[uint32] 123456')).toMatchObject({ Code: 123456, Symbol: '', ProjectCode: 'IO_ERROR' });
      expect(await from('[uint32] 2147942432')).toMatchObject({ Code: 32, ProjectCode: 'HOST_BUSY' });
    });

    it('paths that cannot be', async () => {
      for (const path of ['', `a\0b.vhdx`])
        expect(await failure(`${V}::GetInfo([string] $data)`, path)).toMatchObject({ Symbol: 'ERROR_INVALID_NAME' });
    });
  });

  it('paths are data: quotes, $(), backticks, line ends, brackets, Unicode, more than 260 characters', async () => {
    const deep = join(folder, ...Array.from({ length: 3 }, (_, i) => `${i}`.repeat(120)));
    await shell.run(`$null = New-Item -ItemType Directory -Path $data`, deep);
    for (const path of [
      join(folder, `it's "quoted" $(Remove-Item x) \`n [1-9] {0} %TEMP% & ; .vhdx`),
      join(folder, 'two\nlines\ttab.vhdx'),
      join(folder, 'Größe 東京 🙂 e\u0301.vhdx'),
      join(deep, 'deep.avhdx'),
      join(folder, '\\\\?\\C:\\looks like.vhdx'),
    ]) {
      await describeDisk(path, { 'disk-id': DISK_ID }, { [ID]: [[4096, 4096]] });
      expect(await shell.run(`${V}::GetInfo($data).VirtualDiskId`, path), path).toBe(DISK_ID);
      expect(await shell.run(`${V}::QueryChanges($data, '${ID}').ChangedBytes`, path), path).toBe(4096);
    }
  });

  it.each([
    ['C:\\a.vhdx', 'C:\\a.vhdx'],
    [`C:\\${'x'.repeat(300)}`, `\\\\?\\C:\\${'x'.repeat(300)}`],
    [`\\\\server\\share\\${'x'.repeat(300)}`, `\\\\?\\UNC\\server\\share\\${'x'.repeat(300)}`],
    [`\\\\?\\Volume{1}\\${'x'.repeat(300)}`, `\\\\?\\Volume{1}\\${'x'.repeat(300)}`],
    [`\\\\.\\${'x'.repeat(300)}`, `\\\\.\\${'x'.repeat(300)}`],
  ])('the path that Windows gets: case %#', async (path, native) => {
    expect(await shell.run(`${V}::NativePath($data)`, path)).toBe(native);
  });

  describe('merging', () => {
    const M = '[HyperVBackup.VirtDiskMerge]';
    const chain = async () => {
      const base = await disk();
      const middle = await disk({ subtype: 'differencing', parent: base });
      return { base, leaf: await disk({ subtype: 'differencing', parent: middle }) };
    };

    it.each(['pending', 'immediate'])('into the parents, with progress (%s)', async (how) => {
      const { leaf } = await chain();
      await addLines(leaf, `assume merge ${how}`);
      const seen = await shell.run<string[]>(
        `$script:seen = @(); ${M}::IntoParent($data, 2, [Action[uint64, uint64]] { param($a, $b) $script:seen += "$a/$b" }); , $script:seen`,
        leaf,
      );
      expect(seen).toEqual(how === 'pending' ? ['1/3', '2/3', '3/3'] : []);
      await expect(shell.run(`${V}::GetInfo($data)`, leaf)).rejects.toThrow(/ERROR_VHD_INVALID_STATE/);
    });

    it('between depths, and what cannot be', async () => {
      const { leaf, base } = await chain();
      await expect(shell.run(`${M}::IntoParent($data, 3, $null)`, leaf)).rejects.toThrow(/ERROR_INVALID_PARAMETER/);
      await expect(shell.run(`${M}::IntoParent($data, 1, $null)`, base)).rejects.toThrow(/ERROR_VHD_INVALID_TYPE/);
      await expect(shell.run(`${M}::Between($data, 2, 2, $null)`, leaf)).rejects.toThrow(/targetDepth/);
      await shell.run(`${M}::Between($data, 1, 3, $null)`, leaf);
    });

    it('a merge that fails at its end, or whose progress cannot be had', async () => {
      const { leaf } = await chain();
      await addLines(leaf, 'fail MergeVirtualDisk.result 112');
      await expect(shell.run(`${M}::IntoParent($data, 1, $null)`, leaf)).rejects.toThrow(/ERROR_DISK_FULL/);
      const other = await chain();
      await addLines(other.leaf, 'fail GetVirtualDiskOperationProgress 87');
      await shell.run(`${M}::IntoParent($data, 1, $null)`, other.leaf);
    });
  });

  describe('VHD sets', () => {
    const S = '[HyperVBackup.VhdSet]';
    const set = () => describeDisk(join(folder, `set ${++names}.vhds`), { format: 'vhdset', 'disk-id': DISK_ID });

    it('a snapshot is taken, opened, re-pointed, applied, deleted with and without its reference point', async () => {
      const path = await set();
      const open = `$h = ${V}::OpenSnapshot($data, '${GUID}'); try { ${V}::GetInfo($h).VirtualDiskId } finally { $h.Dispose() }`;
      await expect(shell.run(open, path)).rejects.toThrow();
      await shell.run(`${S}::TakeSnapshot($data, '${GUID}')`, path);
      expect(await shell.run(open, path)).toBe(DISK_ID);
      await shell.run(`${S}::SetSnapshotPath($data, '${GUID}', $data + ' it''s.avhdx')`, path);
      await shell.run(`${S}::SetDefaultPath($data, $data + '.avhdx')`, path);
      await shell.run(`${S}::ApplySnapshot($data, '${GUID}', '${DISK_ID}', $true)`, path);
      await shell.run(`${S}::DeleteSnapshot($data, '${DISK_ID}', $false)`, path);
      await shell.run(`${S}::DeleteSnapshot($data, '${GUID}', $true)`, path);
      await expect(shell.run(open, path)).rejects.toThrow();
      await expect(shell.run(`${S}::RemoveSnapshotEntry($data, '${GUID}')`, path)).rejects.toThrow(/ModifyVhdSet/);
      const lines = await shell.run<string[]>(
        `, @(Get-Content -LiteralPath ($data + '.rct.txt') | Select-Object -Skip 3)`,
        path,
      );
      expect(lines).toEqual([
        `snapshot ${GUID}`,
        `snapshot ${GUID} ${path} it's.avhdx`,
        `default-path ${path}.avhdx`,
        `snapshot ${DISK_ID}`,
        `snapshot-deleted ${DISK_ID}`,
        `snapshot-reference ${GUID}`,
      ]);
    });

    it('what is no set is refused', async () => {
      await expect(shell.run(`${S}::TakeSnapshot($data, '${GUID}')`, await disk())).rejects.toThrow(
        /ERROR_VHD_INVALID_TYPE/,
      );
    });
  });
});

describe.skipIf(process.platform === 'win32' || skipped)(
  'without virtdisk.dll (skipped without Linux, gcc and pwsh)',
  () => {
    it('the error says so', async () => {
      const shell = startPowerShell({ LD_LIBRARY_PATH: '' });
      try {
        await shell.run(COMPILE_HELPER, HELPER_SOURCES);
        const error = await shell.run(`${V}::GetInfo('/tmp/a.vhdx')`).catch((e) => e.details);
        expect(error).toMatchObject({ ProjectCode: 'NOT_SUPPORTED', Operation: 'OpenVirtualDisk' });
      } finally {
        await shell.close();
      }
    });
  },
);

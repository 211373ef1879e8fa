import { readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type PowerShell, ScriptError, startPowerShell } from '../../../support/powershell.ts';
import { makeScratch } from '../../../support/scratch.ts';
import { hasTool, tool } from '../../../support/tools.ts';
import {
  assertedLayout,
  buildWindowsDouble,
  COMPILE_HELPER,
  DOUBLE_SOURCES,
  HELPER_SOURCES,
} from '../../../support/virtdisk-double.ts';

const MINGW = 'x86_64-w64-mingw32-gcc';

describe.skipIf(!hasTool(MINGW))(`the structures of virtdisk.h (skipped without ${MINGW})`, () => {
  const flags = ['-std=c11', '-D_WIN32_WINNT=0x0A00', '-DCOMPARE_WITH_VIRTDISK_H', '-Wall', '-Werror', '-fsyntax-only'];

  it('are those of the double, by size and offset', () => {
    expect(tool(MINGW, ...flags, join(DOUBLE_SOURCES, 'layout.c'))).toBe('');
  });

  it('would be noticed if one differed', async () => {
    const source = await readFile(join(DOUBLE_SOURCES, 'layout.c'), 'utf8');
    const folder = await makeScratch('layout');
    try {
      const wrong = join(folder, 'layout.c');
      await writeFile(
        wrong,
        source.replace('ChangeTrackingState.MostRecentId, 16', 'ChangeTrackingState.MostRecentId, 20'),
      );
      expect(() => tool(MINGW, ...flags, '-I', DOUBLE_SOURCES, wrong)).toThrow(/static assertion failed/);
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
    expect(assertedLayout().size).toBeGreaterThan(30);
  });

  it('make a DLL with the exports of virtdisk.dll', async () => {
    const folder = await makeScratch('virtdisk-dll');
    try {
      const exports = tool('x86_64-w64-mingw32-objdump', '-p', await buildWindowsDouble(folder));
      for (const name of ['OpenVirtualDisk', 'QueryChangesVirtualDisk', 'AttachVirtualDisk', 'TakeSnapshotVhdSet'])
        expect(exports).toContain(`] ${name}\n`);
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  });
});

describe.skipIf(!hasTool('pwsh'))('the C# of module/Helper (skipped without pwsh)', () => {
  let shell: PowerShell;
  beforeAll(async () => {
    shell = startPowerShell({});
    await shell.run(COMPILE_HELPER, HELPER_SOURCES);
  });
  afterAll(() => shell?.close());

  it('compile as C# 5 without a warning; the compiler would refuse newer C# and unsafe code', async () => {
    const compile = (source: string) =>
      shell.run(`Add-Type -TypeDefinition $data -CompilerOptions '-langversion:5'; 'compiled'`, source);
    expect(await compile('public static class Five { public static int F() { return 5; } }')).toBe('compiled');
    for (const newer of [
      'public static class A { public static string F(int x) { return $"v{x}"; } }',
      'public static class B { public static int? F(string x) { return x?.Length; } }',
      'public static class C { public static int F() => 1; }',
      'public static class D { public static string F() { return nameof(D); } }',
      'public static class E { public static bool F(string x) { return int.TryParse(x, out var y); } }',
      'public static class F { public static unsafe int G(int* x) { return *x; } }',
    ])
      await expect(compile(newer), newer).rejects.toThrow(ScriptError);
  });

  /** C# structures that carry the names of C, and the one that stands for two. */
  const STRUCTURES: Record<string, string> = {
    TAKE_SNAPSHOT_VHDSET_PARAMETERS: 'SNAPSHOT_VHDSET_PARAMETERS',
    DELETE_SNAPSHOT_VHDSET_PARAMETERS: 'SNAPSHOT_VHDSET_PARAMETERS',
  };
  const OF_ANOTHER_HEADER = ['OVERLAPPED'];
  /** Read from a buffer by offset, so there is no structure to measure. */
  const BY_OFFSET = 'GET_VIRTUAL_DISK_INFO';

  it('have structures of the same size and offsets', async () => {
    const wanted = [...assertedLayout()].filter(([name]) => !name.startsWith(BY_OFFSET));
    const found = await shell.run<Record<string, number>>(
      `$native = [HyperVBackup.VirtDisk].Assembly.GetType('HyperVBackup.VirtDiskNative')
       $result = @{ OVERLAPPED = [Runtime.InteropServices.Marshal]::SizeOf([type][Threading.NativeOverlapped]) }
       foreach ($type in $native.GetNestedTypes('NonPublic') + [HyperVBackup.NetworkShare].GetNestedTypes('NonPublic')) {
         if (-not $type.IsValueType) { continue }
         $result[$type.Name] = [Runtime.InteropServices.Marshal]::SizeOf([type]$type)
         foreach ($field in $type.GetFields()) {
           $result[$type.Name + '.' + $field.Name] = [int][Runtime.InteropServices.Marshal]::OffsetOf($type, $field.Name)
         }
       }
       $result`,
    );
    const misses: string[] = [];
    for (const [name, bytes] of wanted) {
      const [structure, ...members] = name.split('.');
      const own = STRUCTURES[structure!] ?? structure!;
      const key = [own, ...members.slice(-1)].join('.');
      if (key in found) expect(found[key], name).toBe(bytes);
      else if (!OF_ANOTHER_HEADER.includes(structure!)) misses.push(name);
    }
    // Members that the code does not use.
    expect(misses).toEqual([]);
    expect(found.OPEN_VIRTUAL_DISK_PARAMETERS).toBe(44);
    expect(found['OPEN_VIRTUAL_DISK_PARAMETERS.SnapshotId']).toBe(28);
    expect(found.ATTACH_VIRTUAL_DISK_PARAMETERS).toBe(24);
  });

  it('read GET_VIRTUAL_DISK_INFO at the offsets of C', async () => {
    const layout = assertedLayout();
    const found = await shell.run<Record<string, number>>(
      `$native = [HyperVBackup.VirtDisk].Assembly.GetType('HyperVBackup.VirtDiskNative')
       $result = @{}
       foreach ($name in 'InfoUnion', 'ParentPathOffset', 'NewerChangesOffset', 'MostRecentIdOffset') {
         $result[$name] = $native.GetField($name, 'NonPublic,Static').GetRawConstantValue()
       }
       $result`,
    );
    expect(found).toEqual({
      InfoUnion: layout.get(`${BY_OFFSET}.Size.VirtualSize`),
      ParentPathOffset: layout.get(`${BY_OFFSET}.ParentLocation.ParentLocationBuffer`),
      NewerChangesOffset: layout.get(`${BY_OFFSET}.ChangeTrackingState.NewerChanges`),
      MostRecentIdOffset: layout.get(`${BY_OFFSET}.ChangeTrackingState.MostRecentId`),
    });
  });
});

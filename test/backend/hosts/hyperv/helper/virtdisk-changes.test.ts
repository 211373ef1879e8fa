import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type PowerShell, startPowerShell } from '../../../support/powershell.ts';
import { scratchForSuite } from '../../../support/scratch.ts';
import {
  buildVirtDiskDouble,
  COMPILE_HELPER,
  describeDisk,
  HELPER_SOURCES,
  type Lines,
  missingForDouble,
} from '../../../support/virtdisk-double.ts';

const ID = 'rctX:5bfde23b:ce75:4303:b54f:6c18394f105c:00000001';
const V = '[HyperVBackup.VirtDisk]';
const K = 1024;

type Range = [offset: number, length: number];
type Answer = {
  Count: number;
  ChangedBytes: number;
  Pages: number;
  Received: number;
  Coarsened: boolean;
  ranges: Range[];
};

describe.skipIf(missingForDouble.length > 0)(
  'virtdisk: changed ranges and reading (skipped without Linux, gcc and pwsh)',
  () => {
    let shell: PowerShell;
    let folder: string;
    let names = 0;
    const disk = (lines: Lines, ranges?: Record<string, Range[]>, more?: string[]) =>
      describeDisk(join(folder, `disk ${++names}.vhdx`), lines, ranges, more);
    beforeAll(async () => {
      folder = await scratchForSuite('virtdisk-changes');
      shell = startPowerShell(await buildVirtDiskDouble(join(folder, 'double')));
      await shell.run(COMPILE_HELPER, HELPER_SOURCES);
    });
    afterAll(() => shell?.close());

    /** Asks for all that changed. @param page ranges that fit into one page */
    async function query(path: string, page = 65536, limit = 1 << 22, id = ID): Promise<Answer> {
      const answer = await shell.run<Answer & { packed: string }>(
        `$h = ${V}::OpenRead($data.path)
       try {
         $q = [HyperVBackup.ChangeQuery]::new($h, $data.id); $q.PageSize = $data.page; $q.Limit = $data.limit
         $r = $q.Run($null, [Threading.CancellationToken]::None)
         @{ Count = $r.Count; ChangedBytes = $r.ChangedBytes; Pages = $r.Pages; Received = $r.Received; Coarsened = $r.Coarsened; packed = $r.ToBase64() }
       } finally { $h.Dispose() }`,
        { path, page, limit, id },
      );
      const bytes = Buffer.from(answer.packed, 'base64');
      const ranges: Range[] = [];
      for (let at = 0; at < bytes.length; at += 16)
        ranges.push([Number(bytes.readBigUInt64LE(at)), Number(bytes.readBigUInt64LE(at + 8))]);
      expect(ranges).toHaveLength(answer.Count);
      return { ...answer, ranges };
    }
    const failure = (path: string, page?: number, id?: string) =>
      query(path, page, undefined, id).then(
        (): Record<string, unknown> => ({}),
        (error) => error.details as Record<string, unknown>,
      );

    it('none, one, the whole disk', async () => {
      expect((await query(await disk({ tracking: 'on' }, {}, [`id ${ID}`]))).ranges).toEqual([]);
      expect((await query(await disk({}, { [ID]: [[64 * K, 4 * K]] }))).ranges).toEqual([[64 * K, 4 * K]]);
      expect((await query(await disk({ size: 1 << 20 }, { [ID]: [[0, 1 << 20]] }))).ranges).toEqual([[0, 1 << 20]]);
    });

    it('touching and overlapping ranges become one; empty ones go', async () => {
      const path = await disk(
        {},
        {
          [ID]: [
            [0, 4 * K],
            [4 * K, 4 * K],
            [6 * K, 10 * K],
            [32 * K, 0],
            [64 * K, K],
          ],
        },
      );
      const answer = await query(path);
      expect(answer.ranges).toEqual([
        [0, 16 * K],
        [64 * K, K],
      ]);
      expect(answer.ChangedBytes).toBe(17 * K);
    });

    it('300,000 ranges over many pages: none lost, well under 2 s', async () => {
      const count = 300_000;
      const path = await disk({ size: 4 * 2 ** 40 }, {}, [
        'tracking on',
        `id ${ID}`,
        `ranges 8192 ${13 * 64 * K} 4096 ${count}`,
      ]);
      const start = performance.now();
      const answer = await query(path, 1000);
      const taken = performance.now() - start;
      expect(answer).toMatchObject({ Count: count, ChangedBytes: count * 4096, Received: count });
      expect(answer.Pages).toBe(300);
      for (let i = 0; i < count; i++)
        if (answer.ranges[i]![0] !== 8192 + i * 13 * 64 * K) throw new Error(`range ${i}`);
      const bare = await shell.run<number>(
        // Of the processor's time: how busy the machine is must not matter.
        `$before = [Diagnostics.Process]::GetCurrentProcess().TotalProcessorTime
        $null = ${V}::QueryChanges($data, '${ID}').ToBase64()
        ([Diagnostics.Process]::GetCurrentProcess().TotalProcessorTime - $before).TotalMilliseconds`,
        path,
      );
      console.log(
        `300,000 ranges: ${Math.round(bare)} ms of the helper's processor time; 300 pages, with the way here: ${Math.round(taken)} ms`,
      );
      expect(bare).toBeLessThan(2000);
    });

    describe('whatever Windows does that is not documented, no change is lost', () => {
      const size = 16 << 20;
      // Pseudo-random, with touching neighbours, one at each end, and a tail that is no multiple of 64 KiB.
      const changed: Range[] = [[0, 4 * K]];
      for (let at = 12 * K, i = 1; at < size - 200 * K; i++) {
        const length = 4 * K * (1 + ((i * 7919) % 5));
        changed.push([at, length]);
        at += length + (i % 6 === 0 ? 0 : 4 * K * (1 + ((i * 104729) % 23)));
      }
      changed.push([size - 4 * K, 4 * K]);
      const united: Range[] = [];
      for (const [offset, length] of changed) {
        const last = united.at(-1);
        if (last && last[0] + last[1] === offset) last[1] += length;
        else united.push([offset, length]);
      }
      const cases: [string, string[], number][] = [];
      for (const end of ['range', 'next'])
        for (const code of ['0', '234'])
          for (const full of ['accepted', 'refused']) {
            const assumed = [`assume page-end ${end}`, `assume page-code ${code}`, `assume full-length ${full}`];
            cases.push([assumed.join(', '), assumed, 7]);
          }
      cases.push(['one range a page', ['max-ranges 1'], 100]);
      cases.push(['little processed at a time', [`max-processed ${68 * K}`], 100]);
      cases.push([
        'little processed, few ranges',
        [`max-processed ${516 * K}`, 'max-ranges 3', 'assume full-length refused'],
        100,
      ]);
      cases.push(['ranges of a page in reverse', ['assume odd reversed'], 50]);

      it.each(cases)('%s', async (_, lines, page) => {
        const answer = await query(await disk({ size }, { [ID]: changed }, lines), page);
        expect(answer.ranges).toEqual(united);
        expect(answer.Coarsened).toBe(false);
      });
    });

    it('ByteLength equal to the size: one page where it is accepted, halves where it is refused', async () => {
      const full = await disk({ size: 1 << 30 }, { [ID]: [[0, K]] }, ['assume full-length accepted']);
      const halves = await disk({ size: (1 << 30) + 512 }, { [ID]: [[1 << 30, 512]] }, ['assume full-length refused']);
      expect((await query(full)).Pages).toBe(1);
      const answer = await query(halves);
      expect(answer.Pages).toBe(2);
      expect(answer.ranges).toEqual([[1 << 30, 512]]);
    });

    it.each([
      ['nothing processed', 'assume odd nothing-processed', 'processed nothing'],
      ['nothing processed on the third page', 'fail QueryChangesVirtualDisk 0xFFFFFFFF 2', 'processed nothing'],
      ['more processed than asked for', 'assume odd too-much-processed', 'more than the'],
      ['more ranges than room', 'assume odd too-many-ranges', 'room'],
      ['a range behind the end', 'assume odd range-behind-end', 'end'],
    ])('an answer that cannot be is an error, never an end: %s', async (_, line, text) => {
      const path = await disk(
        {},
        {
          [ID]: [
            [0, K],
            [4 * K, K],
            [8 * K, K],
            [16 * K, K],
          ],
        },
        [line],
      );
      const details = await failure(path, 1);
      expect(details).toMatchObject({ ProjectCode: 'TRACKING_INCONSISTENT', ChainBroken: true, Code: 0 });
      expect(details.Message).toContain(text);
    });

    it('an error in the middle is an error of all', async () => {
      const path = await disk(
        {},
        {
          [ID]: [
            [0, K],
            [4 * K, K],
            [8 * K, K],
          ],
        },
        ['fail QueryChangesVirtualDisk 0xC03A0022 2'],
      );
      expect(await failure(path, 1)).toMatchObject({ ProjectCode: 'TRACKING_CHANGED_OFFLINE' });
    });

    it('ids that nobody knows, and tracking that is off', async () => {
      const path = await disk({}, { [ID]: [[0, K]] }, ['id-error rctX:old 0xC03A0029']);
      expect(await failure(path, 10, 'rctX:unknown')).toMatchObject({
        Symbol: 'ERROR_VHD_MISSING_CHANGE_TRACKING_INFORMATION',
        ProjectCode: 'TRACKING_ID_INVALID',
      });
      expect(await failure(path, 10, 'rctX:old')).toMatchObject({ Symbol: 'ERROR_VHD_INVALID_CHANGE_TRACKING_ID' });
      expect(await failure(path, 10, '')).toMatchObject({ ProjectCode: 'TRACKING_ID_INVALID', Code: 0 });
      expect(await failure(path, 10, `${ID}\0x`)).toMatchObject({ ProjectCode: 'TRACKING_ID_INVALID', Code: 0 });
      const off = await disk({ tracking: 'off' });
      expect(await failure(off)).toMatchObject({
        Symbol: 'ERROR_VHD_CHANGE_TRACKING_DISABLED',
        ProjectCode: 'TRACKING_LOST',
      });
    });

    it('a list that would grow too long names more than changed, never less', async () => {
      const path = await disk({ size: 2 ** 40 }, {}, ['tracking on', `id ${ID}`, `ranges 0 ${1 << 20} 4096 5000`]);
      const answer = await query(path, 100, 1000);
      expect(answer.Coarsened).toBe(true);
      expect(answer.Count).toBeLessThanOrEqual(1000);
      let at = 0;
      for (let i = 0; i < 5000; i++) {
        const offset = i * (1 << 20);
        while (answer.ranges[at]![0] + answer.ranges[at]![1] <= offset) at++;
        const [start, length] = answer.ranges[at]!;
        if (start > offset || start + length < offset + 4096) throw new Error(`range ${i} is lost`);
      }
    });

    it('progress after each page, and cancelling between pages', async () => {
      const path = await disk(
        { size: 1 << 20 },
        {
          [ID]: [
            [0, K],
            [4 * K, K],
            [8 * K, K],
          ],
        },
      );
      const seen = await shell.run<string[]>(
        `$h = ${V}::OpenRead($data); $script:seen = @()
       $q = [HyperVBackup.ChangeQuery]::new($h, '${ID}'); $q.PageSize = 2
       $null = $q.Run([Action[uint64, uint64]] { param($a, $b) $script:seen += "$a/$b" }, [Threading.CancellationToken]::None)
       $h.Dispose(); , $script:seen`,
        path,
      );
      expect(seen).toEqual([`${5 * K}/${1 << 20}`, `${1 << 20}/${1 << 20}`]);
      const cancelled = await shell
        .run(
          `$c = [Threading.CancellationTokenSource]::new()
         $h = ${V}::OpenRead($data); $q = [HyperVBackup.ChangeQuery]::new($h, '${ID}'); $q.PageSize = 1
         try { $q.Run([Action[uint64, uint64]] { $c.Cancel() }, $c.Token) } finally { $h.Dispose() }`,
          path,
        )
        .catch((error) => error.details);
      expect(cancelled).toMatchObject({ ProjectCode: 'CANCELLED', Symbol: 'ERROR_CANCELLED' });
    });

    describe('reading through the attached handle', () => {
      const size = (3 << 20) + 4096 + 512;
      const content = Buffer.alloc(size);
      for (let i = 0; i < size; i += 4) content.writeUInt32LE((i * 2654435761) >>> 0, i);
      const readable = async (lines: Lines = {}, more: string[] = []) => {
        const file = join(folder, 'content.img');
        await writeFile(file, content);
        return disk({ size, content: file, ...lines }, {}, more);
      };
      const READ = `
      $h = ${V}::OpenRead($data.path)
      try {
        ${V}::AttachForReading($h)
        $reader = [HyperVBackup.VirtDiskReader]::new($h)
        try {
          foreach ($part in $data.parts) {
            $stream = [IO.MemoryStream]::new()
            $reader.CopyTo($stream, $part[0], $part[1], $null, [Threading.CancellationToken]::None)
            [Convert]::ToBase64String($stream.ToArray())
          }
        } finally { $reader.Dispose() }
      } finally { $h.Dispose() }`;

      it.each([
        ['pending', 512, '0'],
        ['immediate', 512, '0'],
        ['pending', 512, '65536'],
        ['pending', 4096, '0'],
      ])('any offset and length (%s, sectors of %i, at most %s bytes a read)', async (how, sector, most) => {
        const path = await readable({ sector }, [`assume read ${how}`, `assume max-read ${most}`]);
        const parts: Range[] = [
          [0, 512],
          [1, 1],
          [511, 2],
          [4095, 8193],
          [1 << 20, 1 << 20],
          [0, size],
          [size - 1, 1],
          [size, 0],
        ];
        const read = await shell.run<string[]>(READ, { path, parts });
        parts.forEach(([offset, length], i) => {
          expect(
            Buffer.from(read[i]!, 'base64').equals(content.subarray(offset, offset + length)),
            `${offset}+${length}`,
          ).toBe(true);
        });
      });

      it('behind the end, errors at once and errors later', async () => {
        const read = async (more: string[], parts: Range[] = [[0, 4096]]) =>
          shell.run(READ, { path: await readable({}, more), parts }).catch((error) => error.details);
        expect(await read([], [[size - 1, 2]])).toMatchObject({ ProjectCode: 'DISK_OUT_OF_RANGE' });
        expect(await read([], [[2 ** 52, 1]])).toMatchObject({ ProjectCode: 'DISK_OUT_OF_RANGE' });
        expect(await read(['fail ReadFile 1117'])).toMatchObject({
          Symbol: 'ERROR_IO_DEVICE',
          ProjectCode: 'IO_ERROR',
        });
        expect(await read(['fail ReadFile.result 23'])).toMatchObject({ Symbol: 'ERROR_CRC', ProjectCode: 'IO_ERROR' });
        expect(await read(['fail AttachVirtualDisk 1314'])).toMatchObject({ ProjectCode: 'ACCESS_DENIED' });
        expect(await read(['fail ReadFile.result 38'])).toMatchObject({ ProjectCode: 'DISK_OUT_OF_RANGE' });
      });

      it('an attached disk is nobody else’s; closing the handle detaches it', async () => {
        const path = await readable();
        const answer = await shell.run<Record<string, unknown>>(
          `function Fault($action) { try { $null = & $action; 'none' } catch { $_.Exception.InnerException.Symbol + $_.Exception.InnerException.ProjectCode } }
         $a = ${V}::OpenRead($data); $b = ${V}::OpenRead($data)
         $result = @{ notAttached = Fault { [HyperVBackup.VirtDiskReader]::new($a) }; path = Fault { ${V}::GetPhysicalPath($a) } }
         ${V}::AttachForReading($a)
         $result.second = Fault { ${V}::AttachForReading($b) }
         $result.hidden = Fault { ${V}::GetPhysicalPath($a) }
         $result.loaded = ${V}::GetInfo($data).IsLoaded
         $result.writing = Fault { ${V}::EnableChangeTracking($data) }
         ${V}::Detach($a); $result.detachedTwice = Fault { ${V}::Detach($a) }
         ${V}::AttachAsLocalDisk($a); $result.local = ${V}::GetPhysicalPath($a)
         $a.Dispose()
         ${V}::AttachForReading($b); $b.Dispose()
         $result.free = Fault { ${V}::EnableChangeTracking($data) }
         $result`,
          path,
        );
        expect(answer).toEqual({
          notAttached: 'INTERNAL',
          path: 'ERROR_NOT_FOUNDIO_ERROR',
          second: 'ERROR_SHARING_VIOLATIONHOST_BUSY',
          hidden: 'ERROR_NOT_FOUNDIO_ERROR',
          loaded: true,
          writing: 'ERROR_SHARING_VIOLATIONHOST_BUSY',
          detachedTwice: 'ERROR_NOT_FOUNDIO_ERROR',
          local: '\\\\.\\PhysicalDrive7',
          free: 'none',
        });
      });
    });
  },
);

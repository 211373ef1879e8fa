/**
 * Reading attached disks: the shipped C# over the double of virtdisk.dll, sectors through the pipe, content compared.
 */
import { appendFile, open, readFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { HyperVHost, ReadingOptions } from '../../../../backend/src/hosts/hyperv/index.ts';
import type { RecoveryCheckpoint } from '../../../../backend/src/hosts/port.ts';
import { makeScratch } from '../../support/scratch.ts';
import { missingForDouble } from '../../support/virtdisk-double.ts';
import { content } from '../fixture.ts';
import { openDouble } from './hyperv-double.ts';
import { HyperVWorld, MIB } from './hyperv-world.ts';

const request = { consistency: 'crash' as const, allowCrashConsistent: false, label: 'attached' };

describe.skipIf(missingForDouble.length > 0)('Hyper-V read attached (skipped without Linux, gcc and pwsh)', () => {
  let world: HyperVWorld;
  beforeAll(async () => {
    const settings = { WMI_DOUBLE_CONTENT: '1' };
    world = await HyperVWorld.create(await makeScratch('hyperv-attached'), [8 * MIB, 4 * MIB], {
      native: true,
      settings,
    });
    await world.write(0, 0, Buffer.alloc(3 * MIB, 1));
    for (let n = 0; n < 50; n++) await world.write(1, n * 65536 + 512, Buffer.alloc(1024, n + 1));
  });
  afterAll(() => world?.close());

  /** @param work on the disks of a checkpoint, which is removed afterwards */
  async function frozen(
    reading: ReadingOptions,
    work: (host: HyperVHost, checkpoint: RecoveryCheckpoint) => Promise<void>,
  ): Promise<void> {
    const host = openDouble(world.double, undefined, { reading });
    try {
      const checkpoint = await host.createRecoveryCheckpoint(world.vmId, request);
      try {
        await work(host, checkpoint);
      } finally {
        await host.removeCheckpoint(checkpoint.id);
      }
    } finally {
      await host.close();
    }
  }

  it('a full and incrementals, when it is asked for', async () => {
    for (let run = 0; run < 3; run++) {
      await world.write(0, 5 * MIB + run * 4096, Buffer.alloc(700, run + 1));
      await world.write(1, 3 * MIB, Buffer.alloc(512 * 1024, run + 1));
      const result = await world.backup({ readMethod: 'attached' });
      expect(result.warnings).toEqual([]);
      expect(result.disks.map(({ mode, method }) => `${mode} ${method}`)).toEqual(
        Array(2).fill(`${run === 0 ? 'full' : 'incremental'} attached`),
      );
      expect(await world.holds(result.restorePointId)).toBe(true);
    }
  });

  it('any alignment, many at once, nothing behind the end; detached when it is closed', async () => {
    await frozen({ readMethod: 'attached' }, async (host, checkpoint) => {
      for (let twice = 0; twice < 2; twice++) {
        const disk = await host.openDisk(checkpoint, 1);
        expect((await content(disk)).equals(world.models[1]!)).toBe(true);
        const places = Array.from({ length: 60 }, (_, n) => ({
          offset: n * 65_521 + n,
          length: 1 + ((n * 7919) % 70_000),
        }));
        await Promise.all(
          places.map(async ({ offset, length }) => {
            const target = Buffer.alloc(length);
            await disk.read(offset, target);
            expect(target.equals(world.models[1]!.subarray(offset, offset + length))).toBe(true);
          }),
        );
        await expect(disk.read(4 * MIB - 1, Buffer.alloc(2))).rejects.toMatchObject({ code: 'DISK_OUT_OF_RANGE' });
        await disk.close();
      }
    });
  });

  it('a file that our reader refuses: attached, with the reason', async () => {
    await frozen({}, async (host, checkpoint) => {
      const { path } = checkpoint.disks[0]!;
      const before = await readFile(path);
      const file = await open(path, 'r+');
      try {
        // Both headers: Windows' own driver would be as lost, the double does not look.
        await file.write(Buffer.alloc(4096, 0xff), 0, 4096, 65536);
        await file.write(Buffer.alloc(4096, 0xff), 0, 4096, 131072);
        const disk = await host.openDisk(checkpoint, 0);
        expect(disk.reading).toEqual({
          method: 'attached',
          why: expect.stringMatching(/cannot be read directly \(DISK_/),
        });
        expect((await content(disk)).equals(world.models[0]!)).toBe(true);
        await disk.close();
      } finally {
        await file.write(before, 0, 200_000, 0);
        await file.close();
      }
    });
    await frozen({ readMethod: 'native' }, async (host, checkpoint) => {
      const disk = await host.openDisk(checkpoint, 0);
      expect(disk.reading).toMatchObject({ method: 'native' });
      await disk.close();
    });
  });

  it('what Windows refuses is an error with its code, and the next read goes on', async () => {
    await frozen({ readMethod: 'attached' }, async (host, checkpoint) => {
      const { path } = checkpoint.disks[0]!;
      await appendFile(`${path}.rct.txt`, 'fail ReadFile 1117 2\n');
      const disk = await host.openDisk(checkpoint, 0);
      const target = Buffer.alloc(4096);
      await disk.read(0, target);
      await disk.read(4096, target);
      await expect(disk.read(8192, target)).rejects.toMatchObject({
        message: expect.stringMatching(/ReadFile/),
        data: { path },
      });
      await disk.close();
      await appendFile(`${path}.rct.txt`, 'loaded yes\n');
      await expect(host.openDisk(checkpoint, 0)).rejects.toMatchObject({ data: { path } });
    });
  });

  it('the helper dies: an error, and the next disk is read by another', async () => {
    const helpers: number[] = [];
    await frozen({ readMethod: 'attached' }, async (host, checkpoint) => {
      const disk = await host.openDisk(checkpoint, 0);
      await disk.read(0, Buffer.alloc(4096));
      helpers.push(host.helperPid!);
      process.kill(helpers[0]!, 'SIGKILL');
      await expect(disk.read(0, Buffer.alloc(4 * MIB))).rejects.toMatchObject({ code: 'HELPER_FAILED' });
      await disk.close();
      const again = await host.openDisk(checkpoint, 0);
      expect((await content(again)).equals(world.models[0]!)).toBe(true);
      await again.close();
      expect(host.helperPid).not.toBe(helpers[0]);
    });
  });

  it('cannot be asked for of another host', async () => {
    await expect(world.backup({ readMethod: 'attached' }, 'hyperv:NODE7')).rejects.toMatchObject({
      code: 'NOT_SUPPORTED',
      message: expect.stringMatching(/cannot be attached here/),
    });
    expect(await world.checkpoints()).toEqual([]);
  });
});

describe('the pipe', () => {
  it('lets nobody in who does not know the secret', async () => {
    const { AttachedDisk } = await import('../../../../backend/src/hosts/hyperv/reading/attached-disk.ts');
    let asked: { pipe: string; token: string } | undefined;
    const request = async (_method: string, params: { pipe: string; token: string }) => {
      asked = params;
      const stranger = connect(asked.pipe);
      const gone = new Promise((resolve) => stranger.once('close', resolve));
      stranger.write(Buffer.alloc(32));
      await gone;
      throw new Error('the helper refuses');
    };
    const helper = { request } as never;
    const open = AttachedDisk.open({
      helper,
      path: 'x',
      reading: { method: 'attached', why: '' },
      stillThere: async () => {},
    });
    await expect(open).rejects.toThrow('the helper refuses');
    const late = connect(asked!.pipe);
    await expect(new Promise((_, reject) => late.once('error', reject))).rejects.toMatchObject({ code: 'ENOENT' });
  });
});

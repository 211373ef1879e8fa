/** A disk of 64 TiB takes an incremental like a small one. Figures are printed; only what cannot vary is asserted. */
import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { cli, ok } from '../support/cli.ts';
import { scratchForEach } from '../support/scratch.ts';
import { hasTool, tool } from '../support/tools.ts';
import { World } from './world.ts';

describe.skipIf(!hasTool('qemu-img'))('a 64 TiB disk (needs qemu-img)', () => {
  const scratch = scratchForEach('huge');

  it('is read by what changed, and stored by what changed', async () => {
    const world = await World.create(await scratch());
    const results: Record<string, { newBytes: number; readBytes: number; durationMs: number }> = {};
    for (const size of ['64T', '64G']) {
      const image = join(world.folder, `${size}.vhdx`);
      tool('qemu-img', 'create', '-q', '-f', 'vhdx', '-o', 'block_size=32M', image, size);
      world.vm(size, image);
      const write = ['vm', 'write', '--host', world.host, '--vm', size, '--random'];
      ok([...write, '64', '--length', '1M', '--seed', '5']);
      expect(world.backup(size).mode).toBe('full');
      ok([...write, '256', '--length', '4096', '--seed', '6']);
      const result = world.backup(size);
      expect(result.mode).toBe('incremental');
      results[size] = { ...result.disks[0], durationMs: result.durationMs };
    }
    const [huge, small] = [results['64T']!, results['64G']!];
    console.log(
      `incremental of 1 MiB: 64 TiB ${huge.durationMs} ms, ${huge.newBytes} bytes; 64 GiB ${small.durationMs} ms, ${small.newBytes} bytes`,
    );
    // One more level of block map above the same scattered change.
    expect(huge.readBytes).toBeLessThanOrEqual(small.readBytes * 1.1);
    expect(huge.newBytes).toBeLessThan(small.newBytes * 3);
    expect(world.verify()).toBe(true);

    // A raw image of it is more than ext4 can hold; where the file system can, it is sparse.
    const [point] = ok(['list', '--repository', world.repository, '--vm', '64T'], world).points;
    const to = join(world.folder, 'out');
    const exported = cli(
      ['export', '--repository', world.repository, '--point', point.id, '--to', to, '--format', 'raw'],
      world,
    );
    if (exported.status === 0) expect((await stat(exported.json.files[0].path)).size).toBe(2 ** 46);
    else {
      expect(exported.json.error.code).toBe('FILE_TOO_LARGE');
      expect(await readdir(to)).toEqual([]);
    }
  });
});

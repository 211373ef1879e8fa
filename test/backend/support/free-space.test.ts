/** What is refused for want of room, and what is not: only what cannot fit for certain. */
import { statfsSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { describe, expect, it } from 'vitest';
import { countStored, freeSpace, type Need, requireFree } from '../../../backend/src/support/free-space.ts';

const EXT4 = 0xef53;
const facts = (more: object) => async () => ({
  type: EXT4,
  bsize: 4096,
  blocks: 1000,
  bfree: 100,
  bavail: 100,
  ...more,
});

async function outcome(needs: Need[], free: { bytes: number; certain: boolean } | null) {
  const warnings: string[] = [];
  const warn = (message: string) => void warnings.push(message);
  try {
    await requireFree('/there', needs, { advice: 'Make room.', warn, free: async () => free });
    return warnings.length === 0 ? 'fits' : warnings.join();
  } catch (error) {
    return error as { code: string; advice: string; message: string; data: Record<string, unknown> };
  }
}

describe('free space', () => {
  it('is what the file system reports', async () => {
    const { bavail, bfree, bsize } = statfsSync(tmpdir());
    const found = await freeSpace(tmpdir());
    expect(found!.bytes).toBeGreaterThan(bavail * bsize * 0.5);
    expect(found!.bytes).toBeLessThan(bfree * bsize * 2);
  });

  it('counts what is kept back for root where this is root', async () => {
    const found = await freeSpace('/', facts({ bfree: 300 }));
    expect(found).toEqual({ bytes: (process.geteuid?.() === 0 ? 300 : 100) * 4096, certain: true });
  });

  it('is unknown where it is not reported, or not to be believed', async () => {
    const failing = async () => {
      throw Object.assign(new Error('ENOSYS'), { code: 'ENOSYS' });
    };
    expect(await freeSpace('/none', failing)).toBe(null);
    for (const odd of [
      { blocks: 0, bfree: 0, bavail: 0 },
      { bavail: -1, bfree: -1 },
      { bfree: 2000, bavail: 2000 },
    ])
      expect(await freeSpace('/odd', facts(odd))).toBe(null);
    expect(await freeSpace('/full', facts({ bfree: 0, bavail: 0 }))).toEqual({ bytes: 0, certain: true });
  });

  it('is not certain where less may be stored than was written', async () => {
    // btrfs and SMB, which Node reports with and without a sign.
    for (const type of [0x9123683e, 0xff534d42 | 0, 0x6969])
      expect(await freeSpace('/elastic', facts({ type }))).toMatchObject({ certain: false });
    expect(await freeSpace('\\\\server\\share', facts({}))).toMatchObject({ certain: false });
  });

  it('lets pass what just fits, and refuses one byte more with all figures', async () => {
    const free = { bytes: 1000, certain: true };
    expect(await outcome([{ most: 400 }, { most: 600 }], free)).toBe('fits');
    const refused = await outcome([{ most: 400 }, { most: 601 }], free);
    expect(refused).toMatchObject({
      code: 'DISK_FULL',
      advice: 'Make room.',
      data: { path: '/there', needed: 1001, free: 1000, missing: 1 },
    });
    expect((refused as { message: string }).message).toMatch(
      /1001 bytes are needed, 1000 are free in \/there; 1 are missing/,
    );
  });

  it('goes on where nothing is known, and warns where it is not certain', async () => {
    expect(await outcome([{ most: 2 ** 50 }], null)).toBe('fits');
    expect(await outcome([{ most: 2000 }], { bytes: 1000, certain: false })).toMatch(/2000 bytes .* may not fit/);
  });

  it('looks closer before it refuses, and only then', async () => {
    const asked: number[] = [];
    const need = (most: number, least: number, exact: number): Need => ({
      most,
      least,
      count: async (limit) => {
        asked.push(limit);
        return exact;
      },
    });
    const free = { bytes: 1000, certain: true };
    expect(await outcome([need(1000, 0, 1000)], free)).toBe('fits');
    expect(asked).toEqual([]);
    expect(await outcome([need(3000, 1001, 1)], free)).toMatchObject({ code: 'DISK_FULL' });
    expect(asked).toEqual([]);
    expect(await outcome([need(3000, 10, 400), need(3000, 10, 600)], free)).toBe('fits');
    expect(asked.splice(0)).toEqual([1000, 600]);
    expect(await outcome([need(3000, 10, 401), need(3000, 10, 600), need(1, 0, 1)], free)).toMatchObject({
      data: { needed: 6001, missing: 5001 },
    });
    expect(asked).toEqual([1000, 599]);
  });

  it('counts no zeros, and no further than it must', async () => {
    let given = 0;
    async function* pieces() {
      for (let i = 0; i < 10; i++) {
        given += 1;
        const piece = Buffer.alloc(3 * 65536);
        piece[65536] = 1;
        yield piece;
      }
    }
    expect(await countStored(pieces(), 1e9)).toBe(10 * 4096);
    given = 0;
    expect(await countStored(pieces(), 4096)).toBe(2 * 4096);
    expect(given).toBe(2);
  });
});

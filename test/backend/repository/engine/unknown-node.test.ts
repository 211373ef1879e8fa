/**
 * On a version of Node that nobody has tried, its native zstd calls are left alone: the documented ones do the work.
 */
import { zstdCompressSync } from 'node:zlib';
import { expect, it, vi } from 'vitest';
import { decompressInto } from '../../../../backend/src/repository/engine/decompress.ts';

vi.mock('../../../../backend/src/repository/engine/kept-contexts.ts', () => ({ knowsNativeZstd: () => false }));

it('decompresses nothing past the documented calls', () => {
  expect(decompressInto(zstdCompressSync(Buffer.alloc(1000, 7)), Buffer.alloc(1000))).toBe(-1);
});

it('knows the version that is shipped, and no later one', async () => {
  const { knowsNativeZstd } = await vi.importActual<
    typeof import('../../../../backend/src/repository/engine/kept-contexts.ts')
  >('../../../../backend/src/repository/engine/kept-contexts.ts');
  expect([
    knowsNativeZstd(),
    knowsNativeZstd('24.21.0'),
    knowsNativeZstd('25.0.0'),
    knowsNativeZstd('240.0.0'),
  ]).toEqual([true, true, false, false]);
});

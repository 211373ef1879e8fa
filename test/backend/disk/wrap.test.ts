import { expect, it } from 'vitest';
import type { BlockDevice, Extent } from '../../../backend/src/disk/device.ts';
import { wrapDevice } from '../../../backend/src/disk/index.ts';

/** Has its state to itself, so that a method that is called without its device fails. */
class Ones implements BlockDevice {
  readonly size = 4096;
  readonly logicalSectorSize = 512;
  readonly physicalSectorSize = 4096;
  #closed = false;

  async read(_offset: number, target: Uint8Array): Promise<void> {
    target.fill(this.#closed ? 9 : 1);
  }

  async *extents(offset = 0, length = this.size - offset): AsyncGenerator<Extent> {
    yield { offset, length, kind: this.#closed ? 'zero' : 'data' };
  }

  async close(): Promise<void> {
    this.#closed = true;
  }
}

async function all(extents: AsyncIterable<Extent>): Promise<Extent[]> {
  const found: Extent[] = [];
  for await (const extent of extents) found.push(extent);
  return found;
}

it('a wrapped device does its own things, and all else as the device does', async () => {
  const device = new Ones();
  const wrapped = wrapDevice(device, {
    physicalSectorSize: 512,
    read: async (offset, target) => {
      await device.read(offset, target);
      target[0] = 2;
    },
  });
  expect([wrapped.size, wrapped.logicalSectorSize, wrapped.physicalSectorSize]).toEqual([4096, 512, 512]);
  const bytes = new Uint8Array(3);
  await wrapped.read(0, bytes);
  expect([...bytes]).toEqual([2, 1, 1]);
  expect(await all(wrapped.extents())).toEqual([{ offset: 0, length: 4096, kind: 'data' }]);
  expect(await all(wrapped.extents(512, 1024))).toEqual([{ offset: 512, length: 1024, kind: 'data' }]);
  await wrapped.close();
  await wrapped.read(0, bytes);
  expect([...bytes]).toEqual([2, 9, 9]);
});

/** `node convert.ts SOURCE TARGET raw|vhdx`: our reader and writer alone, for the bench; durable when it ends. */
import { createRawWriter, createVhdxWriter, openDisk } from '../../backend/src/disk/index.ts';

const CHUNK = 4 * 1024 * 1024;
const [source, target, format] = process.argv.slice(2) as [string, string, string];
const disk = await openDisk(source);
const writer = await (format === 'vhdx' ? createVhdxWriter : createRawWriter)(target, { size: disk.size });
// Two buffers: one is read while the other is written.
const buffers = [Buffer.alloc(CHUNK), Buffer.alloc(CHUNK)];
let writing: Promise<void> = Promise.resolve();
let turn = 0;
for await (const extent of disk.extents()) {
  if (extent.kind === 'zero') continue;
  for (let at = 0; at < extent.length; at += CHUNK) {
    const part = buffers[turn++ % 2]!.subarray(0, Math.min(CHUNK, extent.length - at));
    await disk.read(extent.offset + at, part);
    await writing;
    writing = writer.write(extent.offset + at, part);
  }
}
await writing;
await writer.finish();
await disk.close();

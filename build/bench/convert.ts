/** `node convert.cjs SOURCE TARGET raw|vhdx`: our reader and writer alone, for the bench; durable when it ends. */
import { copyContent, createRawWriter, createVhdxWriter, openDisk } from '../../backend/src/disk/index.ts';

async function convert(source: string, target: string, format: string): Promise<void> {
  const disk = await openDisk(source);
  const writer = await (format === 'vhdx' ? createVhdxWriter : createRawWriter)(target, { size: disk.size });
  await copyContent(disk, writer);
  await writer.finish();
  await disk.close();
}

const [source, target, format] = process.argv.slice(2) as [string, string, string];
void convert(source, target, format);

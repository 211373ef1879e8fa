/** Mutations of raw images: everything is content, whatever it looks like, unless it is another format by its mark. */
import { damage } from './damage.ts';
import type { DiskMutator, FileImage } from './mutant.ts';
import { below, pattern, pick } from './random.ts';

const PATH = 'disk.img';
const SECTOR = 512;
const MARKS = [
  'vhdxfile',
  'conectix',
  'QFI\xfb',
  'QED\0',
  'KDMV',
  '# Disk DescriptorFile',
  '\x7f\x10\xda\xbe',
  'cxsparse',
];
const ORIGINALS = [pattern(1, 20_000), pattern(2, 64 * SECTOR), pattern(3, 1), Buffer.alloc(0), Buffer.alloc(100_000)];

export function rawMutator(): DiskMutator {
  return (random) => {
    let bytes = damage(pick(random, ORIGINALS), random);
    const what = [`damaged, ${bytes.length} bytes`];
    const marked = random() < 0.4 && bytes.length > 0;
    if (marked) {
      const at = pick(random, [0, 0x40, bytes.length - SECTOR, bytes.length - SECTOR + 1, below(random, bytes.length)]);
      const mark = pick(random, MARKS);
      bytes = Buffer.from(bytes);
      bytes.write(mark, Math.min(bytes.length, Math.max(0, at)), 'latin1');
      what.push(`${JSON.stringify(mark)} at ${at}`);
    }
    const file: FileImage = { bytes, size: bytes.length };
    const content = Buffer.alloc(Math.ceil(bytes.length / SECTOR) * SECTOR);
    bytes.copy(content);
    return {
      what,
      path: PATH,
      files: new Map([[PATH, file]]),
      parent: undefined,
      expect: marked ? { kind: 'any' } : { kind: 'content', content },
    };
  };
}

/** VHD structures: what is rendered parses again, and is what Microsoft's and others' files hold. */
import { describe, expect, it } from 'vitest';
import { vhdChecksum } from '../../../../backend/src/disk/vhd/format/checksum.ts';
import { GIB, TYPE_DYNAMIC, TYPE_FIXED } from '../../../../backend/src/disk/vhd/format/constants.ts';
import { parseDynamicHeader, renderDynamicHeader } from '../../../../backend/src/disk/vhd/format/dynamic-header.ts';
import { parseFooter, renderFooter } from '../../../../backend/src/disk/vhd/format/footer.ts';
import { decodeLocator, decodeUtf16 } from '../../../../backend/src/disk/vhd/format/parent-locator.ts';
import { geometryOf } from '../../../../backend/src/disk/vhd/geometry.ts';
import { footerOf, ID } from '../../../fuzz/vhd-builder.ts';

describe('VHD structures', () => {
  it('footer', () => {
    for (const type of [TYPE_FIXED, TYPE_DYNAMIC]) {
      const footer = footerOf(123 * GIB, type, { savedState: true });
      const bytes = renderFooter(footer);
      expect(bytes.length).toBe(512);
      expect(parseFooter(bytes)).toEqual({ footer, checksumValid: true });
      expect(bytes.toString('hex', 16, 24)).toBe(type === TYPE_FIXED ? 'ffffffffffffffff' : '0000000000000200');
      bytes[100]! ^= 1;
      expect(parseFooter(bytes)).toMatchObject({ checksumValid: false });
      bytes[0]! ^= 1;
      expect(parseFooter(bytes)).toBeNull();
    }
  });

  it("Hyper-V's own footer", () => {
    // Of a 127 GiB disk made by Windows Server 2012 R2.
    const bytes = Buffer.alloc(512);
    bytes.write(
      '636f6e656374697800000002000100000000000000000200' +
        '1e598ef777696e20000600035769326b0000001fc00000000000001fc0000000fefe10ff00000003' +
        'ffffe9db6d2d5fc8eebade4c8ceede3a12db7c98',
      'hex',
    );
    const parsed = parseFooter(bytes)!;
    expect(parsed.checksumValid).toBe(true);
    expect(parsed.footer).toMatchObject({
      creator: 'win',
      creatorVersion: 0x0006_0003,
      creatorHost: 'Wi2k',
      currentSize: 136_365_211_648,
      geometry: { cylinders: 65_278, heads: 16, sectorsPerTrack: 255 },
      uniqueId: '6d2d5fc8-eeba-de4c-8cee-de3a12db7c98',
      type: TYPE_DYNAMIC,
    });
    expect(renderFooter(parsed.footer).equals(bytes)).toBe(true);
  });

  it('dynamic header', () => {
    const header = {
      tableOffset: 1536,
      version: 0x0001_0000,
      tableEntries: 77,
      blockSize: 2 ** 21,
      parentId: ID,
      parentTime: Date.UTC(2021, 5, 1),
      parentName: Buffer.alloc(512, 'x'),
      locators: Array.from({ length: 8 }, (_, index) => ({
        platform: 'W2ru',
        length: 30 + index,
        offset: 4096 * index,
      })),
    };
    const bytes = renderDynamicHeader(header);
    expect(bytes.length).toBe(1024);
    expect(parseDynamicHeader(bytes)).toEqual({ header, checksumValid: true });
    expect(bytes.readUInt32BE(36)).toBe(vhdChecksum(bytes, 36));
  });

  it.each([
    [104_448, 3, 4, 17],
    [10_485_760, 301, 4, 17],
    [GIB, 2080, 16, 63],
    [136_365_211_648, 65_278, 16, 255],
    [2040 * GIB, 65_535, 16, 255],
    [512, 0, 4, 17],
  ])('geometry of %i bytes', (size, cylinders, heads, sectorsPerTrack) => {
    expect(geometryOf(size)).toEqual({ cylinders, heads, sectorsPerTrack });
  });

  it('no geometry is larger than its disk', () => {
    for (let size = 512; size < 200 * GIB; size = Math.ceil((size * 1.37) / 512) * 512) {
      const { cylinders, heads, sectorsPerTrack } = geometryOf(size);
      const product = cylinders * heads * sectorsPerTrack * 512;
      expect(product).toBeLessThanOrEqual(size);
      expect(cylinders).toBeLessThanOrEqual(65_535);
      if (size < 127 * GIB) expect(size - product).toBeLessThan(heads * sectorsPerTrack * 512);
    }
  });
});

describe('parent locators', () => {
  const utf16 = (text: string): Buffer => Buffer.from(text, 'utf16le');
  it.each([
    ['W2ru', utf16('.\\base.vhd'), 'relative', '.\\base.vhd'],
    ['W2ru', utf16('.\\base.vhd').swap16(), 'relative', '.\\base.vhd'],
    ['W2ku', utf16('C:\\Disks\\übergröße.vhd'), 'absolute', 'C:\\Disks\\übergröße.vhd'],
    ['W2ku', utf16('\\\\server\\share\\base.vhd\0\0junk'), 'absolute', '\\\\server\\share\\base.vhd'],
    ['W2ku', utf16('.\\base.vhd'), 'relative', '.\\base.vhd'],
    ['Wi2r', Buffer.from('..\\base.vhd\0'), 'relative', '..\\base.vhd'],
    ['Wi2k', Buffer.from('D:\\base.vhd'), 'absolute', 'D:\\base.vhd'],
    ['MacX', Buffer.from('file://localhost/Users/me/My%20Disk.vhd'), 'absolute', '/Users/me/My Disk.vhd'],
    ['MacX', Buffer.from('file:///disks/100%.vhd'), 'absolute', '/disks/100%.vhd'],
    ['MacX', Buffer.from('file://./vhd-uuid.vhd'), 'relative', './vhd-uuid.vhd'],
  ])('%s', (platform, bytes, kind, path) => {
    expect(decodeLocator(platform, bytes)).toEqual({ kind, path });
  });

  it("an alias of the Mac's: the name", () => {
    const alias = Buffer.alloc(150);
    alias.writeUInt16BE(2, 6);
    alias[50] = 8;
    alias.write('base.vhd', 51);
    expect(decodeLocator('Mac ', alias)).toEqual({ kind: 'relative', path: 'base.vhd' });
    expect(decodeLocator('Mac ', alias.subarray(0, 55))).toBeNull();
  });

  it('what is no path', () => {
    for (const [platform, text] of [
      ['W2ru', ''],
      ['W2ru', '\0base.vhd'],
      ['W2ku', 'base\nvhd'],
      ['????', 'base.vhd'],
    ] as const) {
      expect(decodeLocator(platform, utf16(text))).toBeNull();
    }
    expect(decodeUtf16(Buffer.from([0x41]), 'be')).toBeNull();
  });

  it('names without a zero byte keep the byte order that is usual for the field', () => {
    const japanese = utf16('\u4eee\u60f3');
    expect(decodeUtf16(japanese, 'le')).toBe('\u4eee\u60f3');
    expect(decodeUtf16(Buffer.from(japanese).swap16(), 'be')).toBe('\u4eee\u60f3');
  });
});

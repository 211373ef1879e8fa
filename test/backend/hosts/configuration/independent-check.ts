/**
 * The rules of HyperVStorage 4.0, checked without the code under test: every checksum with a bitwise CRC of its own,
 * every place, every filling. Holds for files that Hyper-V wrote, so it may judge ours.
 */

/** CRC-32 with the four bytes at `field` as zeros, bit by bit. */
function crc(bytes: Buffer, field: number): number {
  let value = 0xffffffff;
  for (let at = 0; at < bytes.length; at++) {
    value ^= at >= field && at < field + 4 ? 0 : bytes[at]!;
    for (let bit = 0; bit < 8; bit++) value = value & 1 ? (value >>> 1) ^ 0xedb88320 : value >>> 1;
  }
  return ~value >>> 0;
}

const FIXED: Record<number, number> = { 3: 8, 4: 8, 5: 8, 8: 4, 9: 12 };

interface Object {
  type: number;
  offset: number;
  size: number;
}

/** @returns one sentence for each rule that is broken */
export function brokenRules(file: Uint8Array): string[] {
  const bytes = Buffer.from(file);
  const broken: string[] = [];
  const rule = (holds: boolean, what: string): void => {
    if (!holds) broken.push(what);
  };

  const headers = [0, 0x1000].map((at) => bytes.subarray(at, at + 46));
  for (const [index, header] of headers.entries()) {
    rule(header.readUInt32LE(0) === 0x01282014, `header ${index}: signature`);
    rule(header.readUInt32LE(4) === crc(header, 4), `header ${index}: checksum`);
    rule(header.readUInt32LE(10) === 0x0400, `header ${index}: version`);
    rule(header.readUInt32LE(22) === 0x1000, `header ${index}: alignment`);
    rule(
      bytes.subarray(index * 0x1000 + 46, (index + 1) * 0x1000).every((byte) => byte === 0),
      `header ${index}: padding`,
    );
  }
  const [first, second] = headers as [Buffer, Buffer];
  rule(Math.abs(first.readUInt16LE(8) - second.readUInt16LE(8)) === 1, 'headers: sequence numbers');

  const newer = first.readUInt16LE(8) > second.readUInt16LE(8) ? first : second;
  const log = { offset: Number(newer.readBigUInt64LE(26)), size: Number(newer.readBigUInt64LE(34)) };
  const logHeader = bytes.subarray(log.offset, log.offset + 34);
  rule(log.offset % 0x1000 === 0 && log.size % 0x1000 === 0, 'log: alignment');
  rule(logHeader.readUInt32LE(0) === 0x01110003, 'log: signature');
  rule(logHeader.readUInt32LE(4) === crc(logHeader, 4), 'log: checksum');
  rule(logHeader.readUInt32LE(8) === 0, 'log: not empty');
  rule(logHeader.readUInt32LE(13) === Math.floor((newer.readUInt32LE(42) - 34) / 28), 'log: most entries');

  const objects = checkObjects(bytes, rule);
  const places = [{ offset: 0, size: 0x2000 }, log, ...objects.filter(({ type }) => type !== 4)];
  places.sort((a, b) => a.offset - b.offset);
  for (const [index, place] of places.entries()) {
    const before = places[index - 1];
    rule(!before || before.offset + before.size <= place.offset, `overlap at ${place.offset.toString(16)}`);
  }
  checkKeys(bytes, objects, rule);
  return broken;
}

type Rule = (holds: boolean, what: string) => void;

function checkObjects(bytes: Buffer, rule: Rule): Object[] {
  const objects: Object[] = [];
  for (let table: number | undefined = 0x2000; table !== undefined; ) {
    rule(bytes.readUInt32LE(table) === 0x01110001, 'object table: signature');
    const count: number = bytes.readUInt32LE(table + 4);
    rule(count === Math.floor((0x1000 - 8) / 18), 'object table: count');
    objects.push({ type: 1, offset: table, size: 0x1000 });
    let next: number | undefined;
    for (let index = 0; index < count; index++) {
      const entry = bytes.subarray(table + 8 + index * 18, table + 26 + index * 18);
      const [type, offset, size] = [entry[0]!, Number(entry.readBigUInt64LE(5)), entry.readUInt32LE(13)];
      rule(entry.readUInt32LE(1) === crc(entry, 1), `object ${index}: checksum`);
      rule(type === 0 ? offset === 0 && size === 0 && entry[17] === 0 : entry[17] === 1, `object ${index}: flags`);
      if (type === 0) continue;
      rule(offset % 0x1000 === 0 && size % 0x1000 === 0, `object ${index}: alignment`);
      rule(type === 4 || offset + size <= bytes.length, `object ${index}: outside the file`);
      rule((type === 1) === (index === count - 1), `object ${index}: only the last one names a table`);
      if (type === 1) next = offset;
      else objects.push({ type, offset, size });
    }
    table = next;
  }
  return objects;
}

function checkKeys(bytes: Buffer, objects: Object[], rule: Rule): void {
  const children = new Map<string, number[]>();
  const nodes = new Map<string, number>();
  const indexes = new Set<number>();
  const longs = new Set(objects.filter(({ type }) => type === 3).map(({ offset }) => offset));
  for (const { offset: at, size } of objects.filter(({ type }) => type === 2)) {
    const table = bytes.subarray(at, at + size);
    const index = table.readUInt16LE(2);
    rule(table.readUInt16LE(0) === 2 && index > 0 && !indexes.has(index), `key table ${index}: header`);
    rule(table.readUInt32LE(6) === crc(table.subarray(0, 10), 6), `key table ${index}: checksum`);
    indexes.add(index);
    let offset = 10;
    while (offset < size) {
      const entry = table.subarray(offset);
      const [type, flags, length] = [entry[0]!, entry[1]!, entry.readUInt32LE(2)];
      const place = `${index}:${offset}`;
      if (type === 1) rule(length > 21 && offset + length <= size, `free entry ${place}: size`);
      else {
        const name = entry.subarray(21, 21 + entry[20]!);
        const data = entry.subarray(21 + name.length, length);
        const value = (flags & 1) !== 0 ? 12 : (FIXED[type] ?? 4 + data.readUInt32LE(0));
        const inline = type === 6 || type === 7 ? value - 4 : 0;
        rule(name.length > 1 && name.indexOf(0) === name.length - 1, `key ${place}: name`);
        rule((flags & 1) !== 0 || inline < 2048, `key ${place}: too long to be in a table`);
        rule((flags & 1) === 0 || longs.has(Number(data.readBigUInt64LE(4))), `key ${place}: pointer`);
        rule(entry.readUInt32LE(12) === crc(entry.subarray(0, 21 + name.length + value), 12), `key ${place}: checksum`);
        if (type === 9) nodes.set(place, data.readUInt32LE(8));
        const parent = `${entry.readUInt16LE(6)}:${entry.readUInt32LE(8)}`;
        children.set(parent, [...(children.get(parent) ?? []), entry.readUInt32LE(16)]);
      }
      offset += length;
      rule(length >= 21, `key ${place}: size`);
      if (length < 21) return;
    }
    rule(offset === size, `key table ${index}: filled to ${offset} of ${size}`);
  }
  for (const parent of children.keys()) rule(parent === '0:0' || nodes.has(parent), `parent ${parent} is missing`);
  for (const [place, next] of nodes) {
    const numbers = children.get(place) ?? [];
    rule(Math.min(1, ...numbers) === 1 && new Set(numbers).size === numbers.length, `node ${place}: insertion numbers`);
    rule(next === (numbers.length === 0 ? 0 : Math.max(...numbers) + 1), `node ${place}: next insertion number`);
  }
}

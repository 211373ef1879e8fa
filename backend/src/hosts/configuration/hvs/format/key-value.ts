/** How values lie in an entry of a key table: fixed sizes bare, strings and arrays after a 32-bit length in bytes. */
import type { HvsType, HvsValue } from '../values.ts';
import { FILE_OBJECT_POINTER_SIZE, KEY, NODE_DATA_SIZE } from './constants.ts';

const TYPES = new Map<number, HvsType>([
  [KEY.int, 'int'],
  [KEY.uint, 'uint'],
  [KEY.double, 'double'],
  [KEY.string, 'string'],
  [KEY.array, 'array'],
  [KEY.bool, 'bool'],
  [KEY.node, 'node'],
]);
const FIXED: Partial<Record<HvsType, number>> = { int: 8, uint: 8, double: 8, bool: 4, node: NODE_DATA_SIZE };

/** @returns undefined for a free entry and for types that are not known */
export const typeOf = (type: number): HvsType | undefined => TYPES.get(type);

/**
 * Bytes of the value that begins `data`, the padding behind it left out.
 * @param data what follows the name
 * @returns null when the value does not fit
 */
export function valueSize(type: HvsType, inFileObject: boolean, data: Buffer): number | null {
  let size = inFileObject ? FILE_OBJECT_POINTER_SIZE : FIXED[type];
  if (size === undefined) {
    if (data.length < 4) return null;
    size = 4 + data.readUInt32LE(0);
  }
  return size <= data.length ? size : null;
}

/** @param data a value as it lies in the table, without padding. @returns null when a string has half a character */
export function decodeInline(type: HvsValue['type'], data: Buffer): HvsValue | null {
  switch (type) {
    case 'int':
      return { type, value: data.readBigInt64LE(0) };
    case 'uint':
      return { type, value: data.readBigUInt64LE(0) };
    case 'double':
      return { type, value: data.readDoubleLE(0) };
    case 'bool':
      return { type, value: data.readInt32LE(0) !== 0 };
    default:
      return decodeLong(type, data.subarray(4));
  }
}

/**
 * A string or array without its length. Hyper-V ends no string with NUL, other writers do: one NUL at the end is
 * dropped.
 * @returns null when a string has half a character
 */
export function decodeLong(type: 'string' | 'array', data: Buffer): HvsValue | null {
  if (type === 'array') return { type, value: Uint8Array.from(data) };
  if (data.length % 2 !== 0) return null;
  const value = data.toString('utf16le');
  return { type, value: value.endsWith('\0') ? value.slice(0, -1) : value };
}

/** Number of a type in an entry. */
export const typeNumber = (type: HvsType): number => KEY[type];

/** A string or array without its length; null for the types of a fixed size. */
export function longBytes(value: HvsValue): Buffer | null {
  if (value.type === 'string') return Buffer.from(value.value, 'utf16le');
  return value.type === 'array' ? Buffer.from(value.value) : null;
}

/** A value as it lies in a key table. */
export function encodeInline(value: HvsValue): Buffer {
  const long = longBytes(value);
  if (long) {
    const length = Buffer.alloc(4);
    length.writeUInt32LE(long.length, 0);
    return Buffer.concat([length, long]);
  }
  const data = Buffer.alloc(FIXED[value.type]!);
  if (value.type === 'int') data.writeBigInt64LE(BigInt.asIntN(64, value.value), 0);
  else if (value.type === 'uint') data.writeBigUInt64LE(BigInt.asUintN(64, value.value), 0);
  else if (value.type === 'double') data.writeDoubleLE(value.value, 0);
  else if (value.type === 'bool') data.writeInt32LE(value.value ? 1 : 0, 0);
  return data;
}

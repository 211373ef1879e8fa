/**
 * Numbers of the HyperVStorage format 4.0, that `.vmcx`, `.vmrs` and `.vsv` files have. Sources: microsoft/openvmm
 * `support/hvs_file/FORMAT.md`, and files that Hyper-V wrote; docs/vmcx.md says which of the two each rule rests on.
 * Integers are little-endian, structures are packed, offsets and sizes are bytes.
 */
export const FILE_SIGNATURE = 0x01282014;
/** `major << 8 | minor`. */
export const FORMAT_4_0 = 0x0400;
/** The two copies of the file header. */
export const HEADER_OFFSETS = [0, 0x1000] as const;
export const HEADER_SIZE = 46;
export const MIN_ALIGNMENT = 0x1000;
export const MAX_ALIGNMENT = 0x10000;

export const OBJECT_TABLE_SIGNATURE = 0x01110001;
/** Where the first object table lies, whatever the alignment. Nothing but the headers lies before it. */
export const OBJECT_TABLE_OFFSET = 0x2000;
export const OBJECT_TABLE_HEADER_SIZE = 8;
export const OBJECT_ENTRY_SIZE = 18;
/** What an entry of an object table is about; 5 to 7 are named in field tools and were never seen in a file. */
export const OBJECT = { empty: 0, objectTable: 1, keyTable: 2, fileObject: 3, free: 4, lastKnown: 7 } as const;
export const OBJECT_IN_USE = 0x01;

export const KEY_TABLE_SIGNATURE = 0x0002;
export const KEY_TABLE_HEADER_SIZE = 10;
/** Size of the key tables that Hyper-V makes. */
export const KEY_TABLE_SIZE = 0x1000;
export const KEY_ENTRY_HEADER_SIZE = 21;
export const KEY = { free: 1, int: 3, uint: 4, double: 5, string: 6, array: 7, bool: 8, node: 9 } as const;
/** The value is a file object's size and offset. */
export const KEY_FILE_OBJECT = 0x01;
/** Set on keys that distinguish siblings of one name (`guid`, `typecode`). */
export const KEY_SUBCOMPONENT = 0x02;
export const FILE_OBJECT_POINTER_SIZE = 12;
export const NODE_DATA_SIZE = 12;
/** Strings and arrays of this many bytes or more are stored as file objects. */
export const FILE_OBJECT_THRESHOLD = 2048;
/** A key's name with its final NUL. */
export const MAX_NAME_BYTES = 255;

export const LOG_SIGNATURE = 0x01110003;
export const LOG_HEADER_SIZE = 34;
export const LOG_ENTRY_SIZE = 28;

/** Ours: what a file may ask of memory and time. Real configuration files stay far below. */
export const LIMITS = {
  /** Entries of all object tables. */
  objects: 1 << 19,
  objectTables: 1 << 12,
  keyTableBytes: 32 << 20,
  keys: 1 << 18,
  /** Nodes above a key. */
  depth: 64,
  /** The log's region. */
  logBytes: 64 << 20,
  /** One value, and all values of a tree that is loaded at once. */
  valueBytes: 64 << 20,
} as const;

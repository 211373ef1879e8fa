/** Keys and their values, as a tree: what a file holds, and what one is made from. */

/** Integers have 64 bits. Strings are UTF-16 and may hold anything, unpaired surrogates too. */
export type HvsValue =
  | { type: 'int'; value: bigint }
  | { type: 'uint'; value: bigint }
  | { type: 'double'; value: number }
  | { type: 'bool'; value: boolean }
  | { type: 'string'; value: string }
  | { type: 'array'; value: Uint8Array };

export type HvsType = HvsValue['type'] | 'node';

interface Named {
  /** At most 254 bytes of UTF-8, without NUL and slash. Siblings may share a name: Hyper-V writes arrays so. */
  name: string;
  /** The key distinguishes siblings of one name. */
  subcomponent?: boolean;
}

export type HvsLeaf = Named & HvsValue;
/** Children are in their order of insertion. */
export type HvsNode = Named & { type: 'node'; children: HvsItem[] };
export type HvsItem = HvsLeaf | HvsNode;

export const node = (name: string, ...children: HvsItem[]): HvsNode => ({ name, type: 'node', children });
export const int = (name: string, value: number | bigint): HvsLeaf => ({ name, type: 'int', value: BigInt(value) });
export const uint = (name: string, value: number | bigint): HvsLeaf => ({ name, type: 'uint', value: BigInt(value) });
export const double = (name: string, value: number): HvsLeaf => ({ name, type: 'double', value });
export const bool = (name: string, value: boolean): HvsLeaf => ({ name, type: 'bool', value });
export const text = (name: string, value: string): HvsLeaf => ({ name, type: 'string', value });
export const bytes = (name: string, value: Uint8Array): HvsLeaf => ({ name, type: 'array', value });

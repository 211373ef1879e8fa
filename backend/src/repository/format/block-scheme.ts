/**
 * How a repository names its blocks and nodes, and what a record's page list is (docs/format.md §4). The one place that
 * distinguishes version 1 (no pages) from version 2, and plain ids from keyed ones. Plain data, so that workers can
 * have it.
 */
import { createHmac, hash } from 'node:crypto';
import type { RepositoryConfig } from './config.ts';
import { ID_LENGTH, RECORD_HEADER_LENGTH } from './constants.ts';
import { type RepositoryKeys, TAG_LENGTH } from './keys.ts';
import { secretKey } from './secret-keys.ts';

export interface BlockScheme {
  /** Bytes. */
  blockSize: number;
  /** Bytes; 0 in version 1: records have no page list, and a block id is the hash of its content. */
  pageSize: number;
  /** 32 bytes in an encrypted repository. */
  idKey: Uint8Array | null;
}

/** @param keys of an encrypted repository */
export const schemeOf = (config: RepositoryConfig, keys: RepositoryKeys | null): BlockScheme => ({
  blockSize: config.blockSize,
  pageSize: config.pageSize,
  // Memory of its own: a view would take all of what it looks at along to the workers.
  idKey: keys ? Uint8Array.from(keys.idKey) : null,
});

const BLOCK_DOMAIN = Buffer.from('HVBKBLK2', 'latin1');
const NODE_DOMAIN = Buffer.from('HVBNODE1', 'latin1');

/** Pages of a block whose raw length is given; 0 in version 1. */
export const pagesOf = (scheme: BlockScheme, rawLength: number): number =>
  scheme.pageSize === 0 ? 0 : Math.ceil(rawLength / scheme.pageSize);

/** Bytes of the page list of a block whose raw length is given. */
export const listLength = (scheme: BlockScheme, rawLength: number): number => pagesOf(scheme, rawLength) * ID_LENGTH;

/** Bytes of a bitmap of so many pages. */
export const bitmapLength = (pages: number): number => Math.ceil(pages / 8);

/** Most bytes a record of a block takes, header and tag included. */
export const recordRoom = (scheme: BlockScheme): number => {
  const pages = pagesOf(scheme, scheme.blockSize);
  return RECORD_HEADER_LENGTH + pages * ID_LENGTH + bitmapLength(pages) + scheme.blockSize + TAG_LENGTH;
};

/** @param named the page list; in version 1 the block's content without trailing zeros */
export function blockId(scheme: BlockScheme, named: Uint8Array): Buffer {
  if (scheme.pageSize === 0 && scheme.idKey === null) return hash('sha256', named, 'buffer');
  return digest(scheme.idKey, BLOCK_DOMAIN, named);
}

export const nodeId = (scheme: BlockScheme, encoded: Uint8Array): Buffer => digest(scheme.idKey, NODE_DOMAIN, encoded);

function digest(key: Uint8Array | null, domain: Buffer, bytes: Uint8Array): Buffer {
  if (key !== null) return createHmac('sha256', secretKey(key)).update(domain).update(bytes).digest();
  // What is hashed is short: joining it costs less than a hash object.
  return hash('sha256', Buffer.concat([domain, bytes]), 'buffer');
}

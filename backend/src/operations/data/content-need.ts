/**
 * What the content of a disk will take as an image, from the block maps alone; block by block only where that may not
 * fit.
 */

import type { ContentReader, ContentRef } from '../../repository/port/contents.ts';
import type { Repository } from '../../repository/port/repository.ts';
import { isHvError } from '../../support/errors.ts';
import { countStored, type Need } from '../../support/free-space.ts';

/** Every writer of images stores at least this much of a block that is not all zeros. Bytes. */
const LEAST_OF_A_BLOCK = 65536;
/** Bytes read at a time. */
const CHUNK = 4 * 1024 * 1024;

export interface NeedOptions {
  /** Only what differs from this. */
  base?: ContentRef;
  /** What cannot be read takes no room; how much lies behind it is not known before. */
  allowHoles?: boolean;
  signal?: AbortSignal;
}

/** @throws REPOSITORY_DAMAGED unless holes are allowed */
export async function contentNeed(repository: Repository, content: ContentRef, options: NeedOptions): Promise<Need> {
  const reader = await repository.openContent(content);
  let most = 0;
  try {
    for await (const { length } of dataRuns(repository, reader, options)) most += length;
  } catch (error) {
    if (!options.allowHoles || !isHvError(error, 'REPOSITORY_DAMAGED')) throw error;
  } finally {
    await reader.close();
  }
  // The last block may be shorter.
  const blocks = options.base ? 0 : Math.floor(most / repository.blockSize);
  return { most, least: blocks * LEAST_OF_A_BLOCK, count: (limit) => count(repository, content, options, limit) };
}

async function* dataRuns(repository: Repository, reader: ContentReader, { base }: NeedOptions) {
  const ranges = base ? repository.differences(base, reader.ref) : [{ offset: 0, length: reader.size }];
  for await (const { offset, length } of ranges)
    for await (const run of reader.extents(offset, length)) if (run.kind === 'data') yield run;
}

async function count(
  repository: Repository,
  content: ContentRef,
  options: NeedOptions,
  limit: number,
): Promise<number> {
  const { signal, allowHoles, base } = options;
  const reader = await repository.openContent(content);
  try {
    const pieces = base
      ? piecesOf(repository, reader, options)
      : datasOf(reader.stream({ signal, onDamage: allowHoles ? () => undefined : undefined }));
    return await countStored(pieces, limit, signal);
  } finally {
    await reader.close();
  }
}

async function* datasOf(stream: AsyncIterable<{ data: Buffer }>): AsyncGenerator<Buffer> {
  for await (const { data } of stream) yield data;
}

async function* piecesOf(repository: Repository, reader: ContentReader, options: NeedOptions): AsyncGenerator<Buffer> {
  const buffer = Buffer.alloc(CHUNK);
  try {
    for await (const { offset, length } of dataRuns(repository, reader, options)) {
      for (let at = 0; at < length; at += CHUNK) {
        const piece = buffer.subarray(0, Math.min(CHUNK, length - at));
        await reader.read(offset + at, piece);
        yield piece;
      }
    }
  } catch (error) {
    if (!options.allowHoles || !isHvError(error, 'REPOSITORY_DAMAGED')) throw error;
  }
}

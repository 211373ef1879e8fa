/** Reading a small content whole. */

import type { ContentRef } from '../../repository/port/contents.ts';
import type { Repository } from '../../repository/port/repository.ts';
import { HvError } from '../../support/errors.ts';

/** Configuration files are kilobytes to some megabytes; what claims more is damage or an attack. Bytes. */
const LARGEST = 256 * 1024 * 1024;

/** @throws REPOSITORY_DAMAGED */
export async function readWhole(repository: Repository, content: ContentRef): Promise<Uint8Array> {
  if (content.size > LARGEST) {
    throw new HvError('REPOSITORY_DAMAGED', `A configuration file claims to be ${content.size} bytes long.`, {
      advice: 'Restore the point with --kind data, which does not need the configuration files.',
    });
  }
  const reader = await repository.openContent(content);
  try {
    const data = new Uint8Array(content.size);
    await reader.read(0, data);
    return data;
  } finally {
    await reader.close();
  }
}

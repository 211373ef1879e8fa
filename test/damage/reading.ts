/**
 * Reads every restore point of a repository as a machine does that has never seen it, and holds it against what was
 * backed up.
 */
import { SqliteCatalog } from '../../backend/src/catalog/sqlite-catalog.ts';
import { openRepository } from '../../backend/src/operations/open-repository.ts';
import { openStoredRepository } from '../../backend/src/repository/open.ts';
import type { ContentRef } from '../../backend/src/repository/port/contents.ts';
import type { Repository } from '../../backend/src/repository/port/repository.ts';
import { FolderStorage } from '../../backend/src/repository/storage/folder/folder.ts';
import { toHvError } from '../../backend/src/support/errors.ts';
import { digest } from './template.ts';

export interface Reading {
  /** Restore points whose disk was read whole and right. */
  right: Set<string>;
  /** Listed or asked for, and refused: the error's code. */
  refused: Map<string, string>;
  /** Read without an error, and not what was backed up. */
  wrong: string[];
  /** Why the repository does not open; absent when it does. */
  closed?: string;
}

/**
 * @param expected SHA-256 of disk 0 by restore point
 * @param machine this one, or one that has never seen the repository
 */
export async function readAll(
  location: string,
  passphrase: string | undefined,
  expected: ReadonlyMap<string, string>,
  machine: 'this' | 'another',
): Promise<Reading> {
  const reading: Reading = { right: new Set(), refused: new Map(), wrong: [] };
  let repository: Repository;
  try {
    repository = await (machine === 'this'
      ? openRepository(location, { passphrase })
      : openFresh(location, passphrase));
  } catch (error) {
    reading.closed = toHvError(error).code;
    return reading;
  }
  try {
    for (const [id, wanted] of expected) {
      try {
        const got = await diskDigest(repository, id);
        if (got === wanted) reading.right.add(id);
        else reading.wrong.push(id);
      } catch (error) {
        reading.refused.set(id, toHvError(error).code);
      }
    }
  } finally {
    await repository.close();
  }
  return reading;
}

/** Nothing is remembered, and decoding needs no threads. */
async function openFresh(location: string, passphrase: string | undefined): Promise<Repository> {
  const storage = new FolderStorage(location);
  try {
    return await openStoredRepository(storage, {
      catalog: (id) => new SqliteCatalog(null, id),
      passphrase,
      workers: 0,
    });
  } catch (error) {
    await storage.close();
    throw error;
  }
}

async function diskDigest(repository: Repository, id: string): Promise<string> {
  const { body } = await repository.readManifest(id);
  const { content } = (body as { disks: { content: ContentRef }[] }).disks[0]!;
  const reader = await repository.openContent(content);
  try {
    const disk = Buffer.alloc(content.size);
    for await (const { offset, data } of reader.stream()) data.copy(disk, offset);
    return digest(disk);
  } finally {
    await reader.close();
  }
}

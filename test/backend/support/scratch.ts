/** Scratch folders that go away with the test. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach } from 'vitest';

/** A folder for the file's or suite's lifetime: call inside `describe` or at the top. @returns its path once made */
export async function makeScratch(name: string): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), `hvb-${name}-`));
  return folder;
}

/** Registers a folder that is made now and removed after all tests of the suite. */
export async function scratchForSuite(name: string): Promise<string> {
  const folder = await makeScratch(name);
  afterAll(() => rm(folder, { recursive: true, force: true, maxRetries: 20, retryDelay: 100 }));
  return folder;
}

/** Registers folders that are removed after each test. */
export function scratchForEach(name: string): () => Promise<string> {
  const made: string[] = [];
  afterEach(async () => {
    for (const folder of made.splice(0)) await rm(folder, { recursive: true, force: true });
  });
  return async () => {
    const folder = await makeScratch(name);
    made.push(folder);
    return folder;
  };
}

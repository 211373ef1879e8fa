/**
 * Things that tests compile and that do not change from test to test: made once, kept under a name that has the hash of
 * all their sources in it. So two runs, or two workers of one, never see each other's half-made files, and a changed
 * source never meets an old result.
 */
import { createHash, randomUUID } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { mkdir, readdir, rename, rm, stat } from 'node:fs/promises';
import { join, resolve } from 'node:path';

const ROOT = resolve(import.meta.dirname, '../../..');
const FOLDER = join(ROOT, 'build', 'out', 'made-once');
/** Results of sources that nobody has any more are removed after this long, ms. */
const KEPT_MS = 86_400_000;

/**
 * @param sources files, and folders with all that is in them
 * @param make fills the folder that it is given @returns the filled folder's path
 */
export async function madeOnce(
  name: string,
  sources: string[],
  make: (folder: string) => void | Promise<void>,
): Promise<string> {
  const folder = join(FOLDER, `${name}-${hashOf(sources)}`);
  if (existsSync(folder)) return folder;
  const fresh = `${folder}.${randomUUID()}`;
  await mkdir(fresh, { recursive: true });
  try {
    await make(fresh);
    // Another worker may have been faster: what it made is the same.
    await rename(fresh, folder).catch((error: unknown) => {
      if (!existsSync(folder)) throw error;
    });
  } finally {
    await rm(fresh, { recursive: true, force: true });
  }
  for (const entry of await readdir(FOLDER)) {
    const path = join(FOLDER, entry);
    const age = await stat(path).then(
      (info) => Date.now() - info.mtimeMs,
      () => 0,
    );
    if (entry.startsWith(`${name}-`) && age > KEPT_MS) await rm(path, { recursive: true, force: true });
  }
  return folder;
}

function hashOf(sources: string[]): string {
  const hash = createHash('sha256').update(process.version);
  const add = (path: string): void => {
    if (statSync(path).isDirectory()) {
      for (const name of readdirSync(path).toSorted()) add(join(path, name));
      return;
    }
    const data = readFileSync(path);
    hash.update(`${path.slice(ROOT.length)}\0${data.length}\0`).update(data);
  };
  for (const source of sources) add(source);
  return hash.digest('hex').slice(0, 16);
}

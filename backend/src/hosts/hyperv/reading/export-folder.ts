/**
 * Where exports lie while they are read: folders of our own below one that the host can write to, each with a record
 * beside it that says whose it is. The folder itself stays empty for the host, which may want that.
 */
import { mkdir, readdir, readFile, rm, stat, statfs } from 'node:fs/promises';
import * as z from 'zod';
import { HvError, toHvError } from '../../../support/errors.ts';
import { removeFile, writeFileDurably } from '../../../support/file.ts';
import { makeFolder } from '../../../support/make-folder.ts';
import { isLeftBehind, ownerHere } from '../../../support/owner.ts';
import { ulid } from '../../../support/ulid.ts';
import { OwnerRecord } from '../owner-record.ts';
import { pathsOf, reachable } from '../paths.ts';

/** Below the host's folder for virtual disks, unless another folder is named. */
export const DEFAULT_NAME = 'hvbackup-export';
/** What an export must leave free: the checkpoint grows meanwhile. Bytes. */
const KEPT_FREE = 2 ** 30;

const ExportRecord = z.object({
  schema: z.literal(1),
  owner: OwnerRecord,
  vmId: z.string(),
  checkpointId: z.string(),
  startedAt: z.string(),
});
type ExportRecord = z.infer<typeof ExportRecord>;

const RECORD_NAME = /^(hvbackup-[0-9A-Z]{26})\.json$/;

/** One export's folder. */
export class ExportFolder {
  /** As the host names it. */
  readonly path: string;
  /** As this machine reaches it. */
  readonly here: string;
  readonly #record: string;

  private constructor(path: string, server: string | undefined) {
    this.path = path;
    this.here = reachable(path, server);
    this.#record = `${this.here}.json`;
  }

  /**
   * Makes the folder, its record first.
   * @param root as the host names it
   * @throws EXPORT_FAILED when this machine cannot make it there
   */
  static async create(
    root: string,
    server: string | undefined,
    of: { vmId: string; checkpointId: string },
  ): Promise<ExportFolder> {
    const folder = new ExportFolder(pathsOf(root).join(root, `hvbackup-${ulid()}`), server);
    const startedAt = new Date().toISOString();
    const record: ExportRecord = { schema: 1, owner: ownerHere(), ...of, startedAt };
    try {
      await makeFolder(reachable(root, server));
      await writeFileDurably(folder.#record, Buffer.from(JSON.stringify(record)));
      await mkdir(folder.here);
      return folder;
    } catch (error) {
      const cause = toHvError(error, root);
      if (cause.code === 'DISK_FULL') throw cause;
      throw new HvError('EXPORT_FAILED', `The export folder cannot be used: ${root} (${cause.message})`, {
        advice: 'Name a folder that both the host and this machine can write to (--export-folder, -ExportFolder).',
        data: { path: root },
        cause,
      });
    }
  }

  /**
   * Removes the folder, then its record. What is still in use stays for the next run.
   * @returns why it could not be removed
   */
  async remove(): Promise<string | null> {
    return removeBoth(this.here, this.#record);
  }
}

async function removeBoth(folder: string, record: string): Promise<string | null> {
  try {
    await rm(folder, { recursive: true, force: true, maxRetries: 3, retryDelay: 200 });
    await removeFile(record);
    return null;
  } catch (error) {
    return toHvError(error, folder).message;
  }
}

/**
 * Removes what processes that are proven dead left below `root`, and what this machine left a week ago. Others may
 * be at work.
 * @returns sentences for the result
 */
export async function removeLeftovers(root: string, server: string | undefined): Promise<string[]> {
  const { join } = pathsOf(root);
  const notes: string[] = [];
  for (const name of await readdir(reachable(root, server)).catch(() => [])) {
    const stem = RECORD_NAME.exec(name)?.[1];
    if (stem === undefined) continue;
    const folder = reachable(join(root, stem), server);
    const record = `${folder}.json`;
    const text = await readFile(record, 'utf8').catch(() => '');
    const left = ExportRecord.safeParse(parsed(text)).data;
    if (!left || !isLeftBehind(left.owner, left.startedAt)) continue;
    const problem = await removeBoth(folder, record);
    notes.push(
      problem === null
        ? `The export that an interrupted backup (started ${left.startedAt}) had left in ${folder} was removed.`
        : `The export that an interrupted backup left in ${folder} cannot be removed yet (${problem}); the next backup tries again.`,
    );
  }
  return notes;
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

/**
 * Whether an export fits, before the host begins it. A folder whose space cannot be asked for is left to the host.
 * @param needed bytes, at most @throws DISK_FULL
 */
export async function requireSpace(folder: ExportFolder, needed: number): Promise<void> {
  const info = await statfs(folder.here).catch(() => null);
  if (info === null) return;
  const free = info.bavail * info.bsize;
  if (free >= needed + KEPT_FREE) return;
  throw new HvError(
    'DISK_FULL',
    `The export needs up to ${needed} bytes in ${folder.path}, and ${free} are free (1 GiB must stay free).`,
    {
      advice: 'Free space there, or name another folder (--export-folder, -ExportFolder).',
      data: { path: folder.path, needed, free },
    },
  );
}

/**
 * Bytes that an export of these frozen disks can take: the lengths of their files where those can be asked for, else
 * their sizes.
 */
export async function exportedBytes(
  disks: readonly { path: string; size: number }[],
  server: string | undefined,
): Promise<number> {
  let sum = 0;
  for (const { path, size } of disks) {
    const info = await stat(reachable(path, server)).catch(() => null);
    // Of a differencing file the parents come along.
    sum += info?.isFile() && !/\.avhdx?$/i.test(path) ? info.size : size;
  }
  return sum;
}

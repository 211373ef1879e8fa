/**
 * Which reference points of a host this machine has made. Records in the repository say so too, but anyone who can
 * write to a repository without encryption can name any reference point of the host there, another product's as well:
 * only what is noted here is removed.
 */
import { readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import * as z from 'zod';
import type { RecoveryCheckpoint, ReferencePoint } from '../../hosts/port.ts';
import { toHvError } from '../../support/errors.ts';
import { writeFileDurably } from '../../support/file.ts';
import { makeFolderSync } from '../../support/make-folder.ts';
import { stateFolder } from '../../support/state-directory.ts';
import { isUlid } from '../../support/ulid.ts';

const Note = z.object({
  vmId: z.string(),
  /** Null before the checkpoint has become one: then the ids of its frozen disks are what it will be known by. */
  referencePointId: z.string().nullable(),
  disks: z.array(z.object({ diskId: z.string(), rctId: z.string() })),
});
type Note = z.infer<typeof Note>;

export class ReferenceNotes {
  readonly #repositoryId: string;
  readonly #vmId: string;

  constructor(repository: { id: string }, vmId: string) {
    this.#repositoryId = repository.id;
    this.#vmId = vmId;
  }

  /** Before `checkpoint`, which is ours, is converted: the conversion may be the last thing this process does. */
  async expect(pointId: string, checkpoint: RecoveryCheckpoint): Promise<void> {
    const disks = checkpoint.disks.flatMap(({ id, rctId }) => (rctId === null ? [] : [{ diskId: id, rctId }]));
    await this.#write(pointId, { referencePointId: null, disks });
  }

  /** The reference point of the restore point is ours. */
  async made(pointId: string, reference: ReferencePoint): Promise<void> {
    await this.#write(pointId, { referencePointId: reference.id, disks: reference.disks });
  }

  isOurs(reference: ReferencePoint): boolean {
    return [...this.#all()].some(([, note]) => isOf(note, reference));
  }

  /** Forgets those whose reference point is none of `present`. */
  keepOnly(present: readonly ReferencePoint[]): void {
    for (const [pointId, note] of this.#all())
      if (!present.some((reference) => isOf(note, reference))) rmSync(this.#path(pointId), { force: true });
  }

  *#all(): Generator<[pointId: string, note: Note]> {
    for (const name of this.#names()) {
      const note = read(this.#path(name));
      if (note?.vmId === this.#vmId) yield [name, note];
    }
  }

  #names(): string[] {
    try {
      return readdirSync(this.#folder()).filter(isUlid);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
      throw toHvError(error, this.#folder());
    }
  }

  async #write(pointId: string, note: Pick<Note, 'referencePointId' | 'disks'>): Promise<void> {
    try {
      const folder = this.#folder();
      makeFolderSync(folder, 0o700);
      await writeFileDurably(join(folder, pointId), JSON.stringify({ vmId: this.#vmId, ...note } satisfies Note));
    } catch {
      // A backup does not fail for it: the reference point is then left on the host, and the backup that would remove
      // it warns.
    }
  }

  #folder(): string {
    return join(stateFolder('references'), `${this.#repositoryId}-${this.#vmId}`);
  }

  #path(pointId: string): string {
    return join(this.#folder(), pointId);
  }
}

function isOf(note: Note, reference: ReferencePoint): boolean {
  if (note.referencePointId !== null) return note.referencePointId === reference.id;
  const frozen = new Map(note.disks.map(({ diskId, rctId }) => [diskId, rctId]));
  return reference.disks.length > 0 && reference.disks.every(({ diskId, rctId }) => frozen.get(diskId) === rctId);
}

/** @returns null when it is gone, or cannot be read: then nothing says that it is ours */
function read(path: string): Note | null {
  try {
    return Note.safeParse(JSON.parse(readFileSync(path, 'utf8'))).data ?? null;
  } catch {
    return null;
  }
}

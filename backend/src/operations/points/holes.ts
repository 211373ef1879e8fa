/** Unreadable ranges of a damaged restore point, restored as zeros because that was allowed. */
import type { Hole } from '../../schema/holes.ts';
import { HvError, hex } from '../../support/errors.ts';
import type { Point } from './point.ts';

const MAX_HOLES = 10_000;

export class HoleReport {
  readonly #holes: Hole[] = [];
  #more = 0;
  #bytes = 0;
  #last: Hole | undefined;
  /** Whether anything was left out. */
  damaged = false;

  /** To be called by disk; within a disk in any order that a stream's slots come in. */
  add(disk: number, offset: number, length: number): void {
    this.damaged = true;
    this.#bytes += length;
    const last = this.#last;
    if (last && last.disk === disk && last.offset + last.length === offset) {
      last.length += length;
      return;
    }
    this.#last = { disk, offset, length };
    if (this.#holes.length < MAX_HOLES) this.#holes.push(this.#last);
    else this.#more += 1;
  }

  /** Ascending, neighbours joined. */
  get result(): { damaged: boolean; holes: Hole[]; moreHoles: number; holeBytes: number } {
    const joined: Hole[] = [];
    for (const hole of this.#holes.toSorted((a, b) => a.disk - b.disk || a.offset - b.offset)) {
      const last = joined.at(-1);
      if (last && last.disk === hole.disk && last.offset + last.length === hole.offset) last.length += hole.length;
      else joined.push({ ...hole });
    }
    return { damaged: this.damaged, holes: joined, moreHoles: this.#more, holeBytes: this.#bytes };
  }
}

/** REPOSITORY_DAMAGED met while reading a restore point, with VM, disk and offset added; any other error as it is. */
export function namingDamage(error: unknown, { manifest, body }: Point, disk?: number): unknown {
  if (!(error instanceof HvError) || error.code !== 'REPOSITORY_DAMAGED') return error;
  const { diskOffset } = error.data;
  const place = typeof diskOffset === 'number' ? ` from ${hex(diskOffset)}` : '';
  const what = disk === undefined ? 'its configuration' : `disk ${disk}${place}`;
  return new HvError(
    'REPOSITORY_DAMAGED',
    `Restore point ${manifest.id} of ${body.vm.name} is damaged: ${what} cannot be read. ${error.message}`,
    {
      advice:
        `See all of its damage with "hvbackup verify --point ${manifest.id}"; use another restore point, ` +
        'or restore what can be read with --skip-unreadable.',
      data: { ...error.data, pointId: manifest.id, vmName: body.vm.name, ...(disk === undefined ? {} : { disk }) },
      cause: error,
    },
  );
}

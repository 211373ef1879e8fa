/**
 * What readers at work have pinned (docs/format.md §5, rule 11): prune keeps it, whether the restore points are listed
 * or not.
 */
import { isHvError } from '../../support/errors.ts';
import { machineLabel } from '../../support/machine-label.ts';
import type { RepositoryCore } from '../core.ts';
import { isReadPin } from '../format/names.ts';
import type { ContentRef } from '../port/contents.ts';
import type { SessionState } from '../sessions/session-registry.ts';

export interface PinnedPoint {
  /** Id of the restore point. */
  point: string;
  contents: readonly ContentRef[];
  /** For people: who reads, and since when by his clock. */
  reader: string;
}

/**
 * @param sessions listed after the restore points were: a reader that pinned one that is not in that listing is in this
 *   one
 * @returns null when it cannot be determined what a reader needs: nothing must be deleted then
 */
export async function pinnedPoints(
  core: RepositoryCore,
  sessions: readonly SessionState[],
): Promise<PinnedPoint[] | null> {
  const found: PinnedPoint[] = [];
  for (const { alive, objects, document } of sessions) {
    if (!alive) continue;
    const reader = `${document.owner} on ${machineLabel(document.machine)} since ${document.createdAt}`;
    for (const name of objects) {
      if (!isReadPin(name)) continue;
      const points = await readPin(core, name);
      if (points === null) return null;
      for (const { point, contents } of points) found.push({ point, contents, reader });
    }
  }
  return found;
}

/** @returns nothing when the reader has ended, null when it cannot be read */
async function readPin(core: RepositoryCore, name: string): Promise<Pick<PinnedPoint, 'point' | 'contents'>[] | null> {
  try {
    const pin = (await core.documents.find(name)) as { points?: unknown } | null;
    if (pin === null) return [];
    if (!Array.isArray(pin.points) || !pin.points.every((one) => Array.isArray(one?.contents))) return null;
    return pin.points as Pick<PinnedPoint, 'point' | 'contents'>[];
  } catch (error) {
    if (isHvError(error, 'REPOSITORY_DAMAGED', 'IO_ERROR', 'NOT_SUPPORTED')) return null;
    throw error;
  }
}

/** Says once of each restore point that was removed while it is read what that means for its space. */
export class PinWarnings {
  readonly #warn: ((message: string) => void) | undefined;
  readonly #said = new Set<string>();

  constructor(warn: ((message: string) => void) | undefined) {
    this.#warn = warn;
  }

  /** @param pins of restore points that are not listed */
  removed(pins: readonly PinnedPoint[]): void {
    for (const { point, reader } of pins) {
      if (this.#said.has(`${point} ${reader}`)) continue;
      this.#said.add(`${point} ${reader}`);
      this.#warn?.(`Restore point ${point} is being read by ${reader}; its space comes back when that ends.`);
    }
  }

  unreadable(): void {
    this.#warn?.(
      'What an active reader needs cannot be determined: its record below sessions/ cannot be read. Nothing was deleted.',
    );
  }
}

/** Which restore points of a repository are held, as its users were told. */
import { placeHold } from '../../backend/src/operations/points/hold-point.ts';
import { forgetHolds, isHeld, requireNotHeld, setHold } from '../../backend/src/operations/points/holds.ts';
import type { StoredRepository } from '../../backend/src/repository/repository.ts';
import { isHvError } from '../../backend/src/support/errors.ts';
import { pick } from '../fuzz/random.ts';

/** `unsure`: holding or releasing it was begun, and its success was not reported. */
type State = 'held' | 'released' | 'unsure';

export class HoldBook {
  readonly #states = new Map<string, State>();
  readonly #random: () => number;
  /** How often a restore point was seen to be held, or not, as it must. */
  checked = 0;

  constructor(random: () => number) {
    this.#random = random;
  }

  /** Holds one of `ids`, or releases it; now and then again what is so already. */
  async change(repository: StoredRepository, ids: readonly string[]): Promise<void> {
    if (ids.length === 0) return;
    const id = pick(this.#random, ids);
    const held = this.#random() < 0.6;
    // Asked for what it is already, it may not be lost meanwhile.
    if (this.#states.get(id) !== (held ? 'held' : 'released')) this.#states.set(id, 'unsure');
    if (held) await placeHold(repository, id);
    else await setHold(repository.records, id, false);
    this.#states.set(id, held ? 'held' : 'released');
  }

  /**
   * As operations remove. @param begun called when nothing but a hold of this moment can keep it any more
   * @returns false when it is held
   */
  async remove(repository: StoredRepository, id: string, begun: () => void): Promise<boolean> {
    try {
      await requireNotHeld(repository, id);
    } catch (error) {
      if (isHvError(error, 'POINT_HELD')) return false;
      throw error;
    }
    if (this.#states.get(id) === 'held') throw new Error(`restore point ${id} is held and could be removed`);
    begun();
    await repository.removeManifest(id, { confirm: () => requireNotHeld(repository, id) }).catch((error) => {
      if (!isHvError(error, 'POINT_NOT_FOUND')) throw error;
    });
    this.#states.delete(id);
    await forgetHolds(repository.records, id);
    return true;
  }

  /**
   * @param listed ids of the restore points there are.
   * @throws when one is held and must not be, or the other way round
   */
  async inspect(repository: StoredRepository, listed: ReadonlySet<string>): Promise<void> {
    for (const [id, state] of this.#states) {
      if (state === 'unsure' || !listed.has(id)) continue;
      if ((await isHeld(repository.records, id)) !== (state === 'held'))
        throw new Error(`restore point ${id} was acknowledged as ${state} and is not`);
      this.checked += 1;
    }
  }
}

/** A second repository on the same disk that restore points are copied to: what it must list, and what it may. */
import { copyAll } from '../../backend/src/operations/copy/copy.ts';
import { checkedPoint } from '../../backend/src/operations/points/points.ts';
import type { StoredRepository } from '../../backend/src/repository/repository.ts';
import { below, pick } from '../fuzz/random.ts';
import { HoldBook } from './hold-book.ts';
import { type ModelPoint, requireContent } from './points.ts';

export class Twin {
  /** Acknowledged as copied and not asked to be removed since. */
  readonly #copies = new Set<string>();
  readonly #removed = new Set<string>();
  readonly holds: HoldBook;
  readonly #random: () => number;

  constructor(random: () => number) {
    this.#random = random;
    this.holds = new HoldBook(random);
  }

  /** Holds a copy, or releases it. */
  async hold(to: StoredRepository): Promise<void> {
    await this.holds.change(to, [...this.#copies]);
  }

  /** Copies what is not there; now and then a copy is removed first. */
  async copy(from: StoredRepository, to: StoredRepository): Promise<void> {
    if (this.#copies.size > 1 && below(this.#random, 3) === 0) await this.#remove(to);
    const points = (await from.listManifests()).map(checkedPoint);
    const wanted = points.filter(() => this.#random() < 0.7);
    const results = await copyAll({ from, to, compression: 'fast', context: {} }, wanted);
    // What is said to be there must be there, whoever put it there.
    for (const { id, action, reason } of results)
      if (action === 'copied' || (action === 'skipped' && reason === 'it is there already')) this.#copies.add(id);
  }

  async #remove(to: StoredRepository): Promise<void> {
    const id = pick(this.#random, [...this.#copies]);
    if (!(await this.holds.remove(to, id, () => void this.#copies.delete(id)))) return;
    this.#removed.add(id);
    await to.prune();
  }

  /**
   * @param known whatever was ever published in the first repository
   * @returns restore points read back
   * @throws when one is missing, came back, is wrong, or is held and must not be (or the other way round), or check
   *   finds something
   */
  async inspect(to: StoredRepository, known: ReadonlyMap<string, ModelPoint>): Promise<number> {
    const listed = new Set<string>();
    for (const { id, contents } of await to.listManifests()) {
      if (this.#removed.has(id)) throw new Error(`copy of ${id} was removed and is listed`);
      const point = known.get(id);
      if (point === undefined) throw new Error(`copy of ${id} comes from nowhere`);
      await requireContent(to, contents[0]!, point.content);
      listed.add(id);
    }
    for (const id of this.#copies)
      if (!listed.has(id)) throw new Error(`copy of ${id} was acknowledged and is not listed`);
    await this.holds.inspect(to, listed);
    const { damages } = await to.check();
    if (damages.length > 0) throw new Error(`check of the copies: ${damages.map((one) => one.message).join('; ')}`);
    return listed.size;
  }
}

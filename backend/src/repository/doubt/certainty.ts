/**
 * Deleting needs certainty (docs/format.md §6): every listing that decides over it is held against something that does
 * not come from that listing, and what does not fit stops everything before anything is gone.
 */

import { isHvError } from '../../support/errors.ts';
import type { RepositoryCore } from '../core.ts';
import { readSpareConfig, UNUSABLE } from '../documents/spares.ts';
import { parseConfig, type RepositoryConfig } from '../format/config.ts';
import { CONFIG_NAME } from '../format/constants.ts';
import { markFolder, sessionFolder, withoutSlash } from '../format/names.ts';
import type { Doubt } from '../port/doubt.ts';
import type { SessionHandle } from '../sessions/session-handle.ts';
import type { SessionState } from '../sessions/session-registry.ts';
import type { Storage } from '../storage/storage.ts';
import { changedContents } from './changed-contents.ts';
import { doubtful } from './doubt.ts';
import { doubtfulNames } from './doubtful-names.ts';
import { expectedPoints, missingPoints } from './missing-points.ts';
import { unexplainedPacks } from './unexplained-packs.ts';

export class Certainty {
  /** All that has been found out, each once. */
  readonly doubts: Doubt[] = [];
  readonly #core: RepositoryCore;
  readonly #goOn: boolean;

  /** @param options.goOn doubts are noted, and nothing is thrown: for a look, or because a person has said so */
  constructor(core: RepositoryCore, options: { goOn?: boolean } = {}) {
    this.#core = core;
    this.#goOn = options.goOn ?? false;
  }

  /**
   * Everything that can be asked beforehand.
   * @throws REPOSITORY_DOUBTFUL
   */
  async require(): Promise<void> {
    const core = this.#core;
    const found: Doubt[] = [];
    await this.requireSameRepository();
    found.push(...core.placeDoubts, ...(await doubtfulNames(core)));
    const expected = await expectedPoints(core);
    const present = new Set(await this.#list());
    found.push(...(await missingPoints(core, expected, present)));
    const names = [...present];
    if (names.length === 0 && ![...expected.values()].some(({ by }) => by === 'ledger'))
      found.push(...(await unexplainedPacks(core)));
    found.push(...(await changedContents(core, await core.manifests.withoutRemoved(names))));
    this.#note(found);
  }

  /**
   * Names of the manifests that lie there, for a decision over what is deleted.
   * @throws REPOSITORY_DOUBTFUL when one is missing that was published and not removed
   */
  async present(): Promise<string[]> {
    const expected = await expectedPoints(this.#core);
    const present = new Set(await this.#list());
    this.#note(await missingPoints(this.#core, expected, present));
    return [...present];
  }

  /**
   * A listing of sessions must have that of this process.
   * @throws REPOSITORY_DOUBTFUL; REPOSITORY_SESSION_EXPIRED when it is gone because others treated it as expired
   */
  async requireSession(states: readonly SessionState[], self: SessionHandle): Promise<void> {
    if (states.some(({ document }) => document.id === self.id)) return;
    await self.requireThere();
    const message = 'the listing of sessions/ lacks the session of this process, so there may be others as well';
    this.#note([{ kind: 'listing', path: withoutSlash(sessionFolder(self.id)), message }]);
  }

  /** @throws REPOSITORY_DOUBTFUL when a mark that was just made is not listed */
  requireMark(listed: readonly { id: string }[], mark: string): void {
    if (listed.some(({ id }) => id === mark)) return;
    const message = 'the listing of marks/ lacks the mark that was just made';
    this.#note([{ kind: 'listing', path: withoutSlash(markFolder(mark)), message }]);
  }

  /**
   * Reads the configuration again.
   * @throws REPOSITORY_DOUBTFUL, also when the person said to go on: it would be another repository
   */
  async requireSameRepository(): Promise<void> {
    const { storage, config } = this.#core;
    const refuse = (message: string): never => {
      throw doubtful(storage.location, [{ kind: 'configuration', path: CONFIG_NAME, message }]);
    };
    const now = (await readNow(storage)) ?? refuse(`${CONFIG_NAME} cannot be read any more, nor its second copy`);
    if (now.id !== config.id || JSON.stringify(now) !== JSON.stringify(config))
      refuse(`${CONFIG_NAME} is not the one that was opened: another repository lies there now`);
  }

  /** Twice: an object that only one listing lacks is there. */
  async #list(): Promise<string[]> {
    const { manifests } = this.#core;
    const first = await manifests.present();
    const second = await manifests.present();
    const there = new Set(second);
    const missed = first.filter((name) => !there.has(name));
    return missed.length === 0 ? second : [...second, ...missed];
  }

  #note(found: readonly Doubt[]): void {
    const before = new Set(this.doubts.map(keyOf));
    this.doubts.push(...found.filter((doubt) => !before.has(keyOf(doubt))));
    if (found.length > 0 && !this.#goOn) throw doubtful(this.#core.storage.location, found);
  }
}

/** @returns the configuration as it is now; its second copy counts where it cannot be read, as when opening */
async function readNow(storage: Storage): Promise<RepositoryConfig | null> {
  try {
    return parseConfig(await storage.get(CONFIG_NAME), storage.location);
  } catch (error) {
    if (!isHvError(error, ...UNUSABLE, 'REPOSITORY_VERSION')) throw error;
    const spare = await readSpareConfig(storage);
    return spare && parseConfig(spare, storage.location);
  }
}

const keyOf = ({ kind, path }: Doubt): string => `${kind} ${path}`;

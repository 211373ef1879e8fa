/**
 * Distinguishes a folder that never was from one that cannot be seen for a moment: a share that stumbles, a folder that
 * was moved away while a command runs. An empty listing of such a one would say that nothing lies in it (docs/format.md
 * §1).
 */
import path from 'node:path';
import { HvError } from '../../../support/errors.ts';
import { isPassing } from '../../format/names.ts';
import type { StorageEntry } from '../storage.ts';
import type { Files } from './files.ts';

export class PresentFolders {
  readonly #location: string;
  readonly #files: Files;
  readonly #config: string;
  /** The repository's configuration was read here: it is there for ever. */
  isRepository = false;
  /** Folders at the top that were there once. */
  readonly #seen = new Set<string>();

  /** @param config name of the configuration file */
  constructor(location: string, files: Files, config: string) {
    this.#location = location;
    this.#files = files;
    this.#config = config;
  }

  /**
   * What lies in a folder; nothing when there is none and never was.
   * @param prefix within the repository, `/` at its end; '' for the repository itself
   * @throws IO_ERROR with `object: 'listing'` in its data
   */
  async entries(prefix: string): Promise<StorageEntry[]> {
    let found = await this.#files.entries(this.#path(prefix));
    if (found.length === 0 && !isPassing(prefix)) {
      if (await this.#files.exists(this.#path(prefix))) found = await this.#files.entries(this.#path(prefix));
      else await this.#requireNever(prefix);
      if (found.length === 0 && this.#seen.has(prefix)) await this.#requireNoFile(prefix);
    }
    if (found.length > 0 && isTop(prefix)) this.#seen.add(prefix);
    return found;
  }

  async #requireNever(prefix: string): Promise<void> {
    if (prefix === '') {
      if (this.isRepository) this.#refuse(prefix);
      return;
    }
    const above = prefix.slice(0, prefix.lastIndexOf('/', prefix.length - 2) + 1);
    const name = prefix.slice(above.length, -1);
    const siblings = above === '' ? await this.#files.entries(this.#location) : await this.entries(above);
    const lostRoot = above === '' && this.isRepository && !siblings.some((entry) => entry.name === this.#config);
    if (lostRoot) this.#refuse('');
    if (this.#seen.has(prefix)) this.#refuse(prefix);
    if (!siblings.some((entry) => entry.name === name && entry.kind === 'folder')) return;
    // Another process may have made it meanwhile: then it can be seen now.
    if (!(await this.#files.exists(this.#path(prefix)))) this.#refuse(prefix);
  }

  /** A file in the place of a folder that was there would list as an empty one. A link may lead to a folder. */
  async #requireNoFile(prefix: string): Promise<void> {
    const name = prefix.slice(0, -1);
    const siblings = await this.#files.entries(this.#location);
    if (siblings.some((entry) => entry.name === name && entry.kind === 'file')) this.#refuse(prefix);
  }

  #refuse(prefix: string): never {
    const folder = this.#path(prefix);
    const what = prefix === '' ? 'The repository' : 'A folder of the repository';
    throw new HvError('IO_ERROR', `${what} that was there cannot be found now: ${folder}`, {
      advice:
        'Check that the disk or share is connected, and that no other process moves or removes folders of the repository.',
      // The repository as a whole may come back with its share: that is waited for (docs/storage.md).
      data: {
        object: 'listing',
        folder: prefix,
        path: folder,
        errno: 'ENOENT',
        ...(prefix === '' ? { gone: true } : {}),
      },
    });
  }

  #path(prefix: string): string {
    return prefix === '' ? this.#location : path.join(this.#location, ...prefix.slice(0, -1).split('/'));
  }
}

const isTop = (prefix: string): boolean => prefix !== '' && prefix.indexOf('/') === prefix.length - 1;

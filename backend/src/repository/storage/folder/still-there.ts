/**
 * Whether the repository that was opened is still what lies at its place. A share that was unmounted leaves an empty
 * folder behind, and a repository that was deleted none: what is written there then lies on the wrong disk, and reads
 * as a repository of its own.
 */
import path from 'node:path';
import { HvError, isHvError } from '../../../support/errors.ts';
import { CONFIG_NAME } from '../../format/constants.ts';
import { spareOf } from '../../format/names.ts';
import type { Files } from './files.ts';

/** Either of them is proof. Without both, what puts them there must be able to. */
const PROOFS = [CONFIG_NAME, spareOf(CONFIG_NAME)];

export class StillThere {
  readonly #location: string;
  readonly #files: Files;
  #opened = false;

  constructor(location: string, files: Files) {
    this.#location = location;
    this.#files = files;
  }

  /** An object was read: when it was the configuration, this is a repository from now on. */
  noteRead(name: string): void {
    this.#opened ||= PROOFS.includes(name);
  }

  /** Before something of this name is written. @throws REPOSITORY_NOT_FOUND with `gone` in its data */
  async require(name: string): Promise<void> {
    if (!this.#opened || PROOFS.includes(name)) return;
    for (const proof of PROOFS) if (await this.#files.exists(path.join(this.#location, ...proof.split('/')))) return;
    throw new HvError(
      'REPOSITORY_NOT_FOUND',
      `The repository is not there any more: it was deleted or moved, or its disk or share was unmounted: ${this.#location}`,
      {
        advice: 'Connect the disk or mount the share, and run the command again; nothing was written in its place.',
        data: { location: this.#location, gone: true },
      },
    );
  }

  /** What an error that nothing is there means when the repository has gone; the error itself otherwise. */
  async explain(name: string, error: unknown): Promise<unknown> {
    if (!isHvError(error, 'FILE_NOT_FOUND', 'NOT_A_DIRECTORY')) return error;
    return this.require(name).then(
      () => error,
      (gone) => gone,
    );
  }
}

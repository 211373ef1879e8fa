/**
 * Which repository this machine last saw at a place: memory of restore points goes by the repository's id, and another
 * repository, an empty one for instance, would have nothing to be held against (docs/format.md §9). One small file a
 * place.
 */
import { hash, randomBytes } from 'node:crypto';
import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { makeFolderSync } from '../support/make-folder.ts';

export class PlaceMemory {
  readonly #path: string;
  readonly #location: string;

  /** @param folder created when missing. @param location absolute path of the repository */
  constructor(folder: string, location: string) {
    // Where names differ by case alone they are one place.
    this.#location = process.platform === 'win32' ? location.toLowerCase() : location;
    this.#path = join(folder, `place-${hash('sha256', this.#location).slice(0, 32)}.json`);
  }

  /** Id of the repository; null when none is remembered. */
  get repositoryId(): string | null {
    try {
      const { location, repositoryId } = JSON.parse(readFileSync(this.#path, 'utf8'));
      return location === this.#location && typeof repositoryId === 'string' ? repositoryId : null;
    } catch {
      // Missing, or cut: then it is noted again.
      return null;
    }
  }

  /** Best effort: where nothing can be written, nothing is noticed. */
  note(repositoryId: string): void {
    const temporary = `${this.#path}.${randomBytes(4).toString('hex')}.tmp`;
    try {
      makeFolderSync(dirname(this.#path), 0o700);
      writeFileSync(temporary, JSON.stringify({ location: this.#location, repositoryId }), { mode: 0o600 });
      renameSync(temporary, this.#path);
    } catch {
      // Said by the memory of restore points, which lies beside it.
    }
  }
}

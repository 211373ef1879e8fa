/** A file in the making: under a temporary name beside its final one until it is complete and durable. */

import { HvError } from '../support/errors.ts';
import {
  exists,
  type FileOpener,
  openFile,
  publishFile,
  type RandomAccessFile,
  removeFile,
  temporaryName,
} from '../support/file.ts';

export class NewFile {
  readonly path: string;
  readonly file: RandomAccessFile;
  #state: 'open' | 'published' | 'gone' = 'open';

  private constructor(path: string, file: RandomAccessFile) {
    this.path = path;
    this.file = file;
  }

  /** @throws FILE_EXISTS when the final name is taken already */
  static async create(path: string, opener: FileOpener = openFile): Promise<NewFile> {
    if (await exists(path)) {
      throw new HvError('FILE_EXISTS', `The file exists already: ${path}`, {
        advice: 'Choose another name, or remove the file first.',
        data: { path },
      });
    }
    return new NewFile(path, await opener(temporaryName(path), 'create'));
  }

  /** Content durable, then the name, then the folder. @throws FILE_EXISTS when the name was taken meanwhile */
  async publish(): Promise<void> {
    await this.file.sync();
    await this.file.close();
    await publishFile(this.file.path, this.path);
    this.#state = 'published';
  }

  /** Removes what was written. Idempotent; does nothing once published. */
  async abort(): Promise<void> {
    if (this.#state !== 'open') return;
    this.#state = 'gone';
    await this.file.close().catch(() => undefined);
    await removeFile(this.file.path);
  }
}

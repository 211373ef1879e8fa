/**
 * Room on the volume that a folder lies on. The reserve is a file of random bytes, which no file system compresses
 * away: a process that makes a full repository smaller deletes it first, as that takes a few writes (docs/format.md
 * §1).
 */
import { randomBytes } from 'node:crypto';
import path from 'node:path';
import { isHvError } from '../../../support/errors.ts';
import { RESERVE_LENGTH, RESERVE_NAME } from '../../format/constants.ts';
import type { SetAside, StorageRoom } from '../storage.ts';
import type { Files } from './files.ts';
import { placeFile } from './place-file.ts';

/** Less than this beside it: the reserve would take what backups need. */
const LEFT_BESIDE = 3 * RESERVE_LENGTH;

export class FolderRoom implements StorageRoom {
  readonly #location: string;
  readonly #files: Files;
  readonly #temporaryPath: () => string;

  /** @param temporaryPath of a new file below `tmp/`, which is there */
  constructor(location: string, files: Files, temporaryPath: () => string) {
    this.#location = location;
    this.#files = files;
    this.#temporaryPath = temporaryPath;
  }

  get #reserve(): string {
    return path.join(this.#location, RESERVE_NAME);
  }

  async free(): Promise<number | null> {
    return (await this.#files.free?.(this.#location).catch(() => null)) ?? null;
  }

  async keepReserve(): Promise<boolean> {
    if ((await this.#files.stat(this.#reserve)) !== undefined) return true;
    const free = await this.free();
    if (free === null || free < RESERVE_LENGTH + LEFT_BESIDE) return false;
    const temporary = this.#temporaryPath();
    try {
      const file = await this.#files.open(temporary, 'create');
      try {
        await file.writeFully(0, randomBytes(RESERVE_LENGTH));
        await file.sync();
      } finally {
        await file.close();
      }
      // Another machine may make it at the same time: whose comes second is dropped.
      if (await placeFile(temporary, this.#reserve, path.dirname(temporary), this.#files)) return true;
      await this.#files.remove(temporary);
      return true;
    } catch (error) {
      await this.#files.remove(temporary).catch(() => undefined);
      if (isHvError(error, 'DISK_FULL')) return false;
      throw error;
    }
  }

  async giveUpReserve(): Promise<number> {
    const stat = await this.#files.stat(this.#reserve);
    if (stat === undefined) return 0;
    try {
      await this.#files.remove(this.#reserve);
      await this.#files.syncFolder(this.#location);
      return stat.size;
    } catch (error) {
      if (isHvError(error, 'ACCESS_DENIED', 'IO_ERROR')) return 0;
      throw error;
    }
  }

  async setAside(name: string): Promise<SetAside | null> {
    const target = path.join(this.#location, ...name.split('/'));
    const stat = await this.#files.stat(target);
    if (stat === undefined) return null;
    const aside = this.#temporaryPath();
    await this.#files.rename(target, aside);
    await this.#files.syncFolder(path.dirname(target));
    return {
      bytes: stat.size,
      putBack: async () => {
        await placeFile(aside, target, path.dirname(aside), this.#files);
      },
      delete: () => this.#files.remove(aside),
    };
  }
}

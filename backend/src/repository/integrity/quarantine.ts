/**
 * Quarantines objects that cannot be read: their bytes are kept below `quarantine/`, and the place they were in the way
 * of is free.
 */
import { isHvError } from '../../support/errors.ts';
import type { RepositoryCore } from '../core.ts';
import { Folder, isRenewal, manifestOfEntry, sessionOf } from '../format/names.ts';
import { keepAside } from '../storage/keep-aside.ts';

export class Quarantine {
  /** Old paths of what was quarantined. */
  readonly dropped: string[] = [];
  /** Objects looked at. */
  objects = 0;
  readonly #core: RepositoryCore;
  readonly #dryRun: boolean;

  constructor(core: RepositoryCore, options: { dryRun?: boolean }) {
    this.#core = core;
    this.#dryRun = options.dryRun ?? false;
  }

  /** Copies an object's bytes. @returns false when even they cannot be read */
  async keep(name: string): Promise<boolean> {
    return this.#dryRun || keepAside(this.#core.storage, name);
  }

  /** Takes an object that was kept from its place. On append-only storage it stays there as well. */
  async drop(name: string): Promise<void> {
    this.dropped.push(name);
    if (this.#dryRun) return;
    await this.#core.storage.delete(name).catch((error) => {
      if (!isHvError(error, 'ACCESS_DENIED', 'IO_ERROR')) throw error;
    });
  }

  /**
   * An unreadable session counts as alive: its end is unknown. It gets a renewal that does.
   */
  async sessions(): Promise<void> {
    const { storage, sessions } = this.#core;
    const newest = new Map<string, string>();
    for (const { name } of await storage.list(Folder.sessions)) {
      const id = sessionOf(name);
      if (id !== null && isRenewal(name)) newest.set(id, name);
    }
    for (const name of newest.values()) {
      this.objects += 1;
      if (!(await this.#isUnreadable(name))) continue;
      if (!(await this.keep(name))) continue;
      this.dropped.push(name);
      if (this.#dryRun) continue;
      await sessions.replaceUnreadable(name);
      await storage.delete(name).catch(() => undefined);
    }
  }

  /** Without its mark a pack is garbage like any other: the next prune marks it again. */
  async marks(): Promise<void> {
    for (const { name } of await this.#core.storage.list(Folder.marks)) {
      this.objects += 1;
      if ((await this.#isUnreadable(name)) && (await this.keep(name))) await this.drop(name);
    }
  }

  /** An entry that cannot be read is written again from the manifest that it is about. */
  async ledger(): Promise<void> {
    const { storage, manifests, ledger } = this.#core;
    for (const { name } of await storage.list(Folder.ledger)) {
      this.objects += 1;
      if (!(await this.#isUnreadable(name)) || !(await this.keep(name))) continue;
      await this.drop(name);
      const about = manifestOfEntry(name);
      if (this.#dryRun || about === null) continue;
      const manifest = await manifests.get(about, { fresh: true }).catch(absent);
      if (manifest !== null) await ledger.put(about, manifest);
    }
  }

  async #isUnreadable(name: string): Promise<boolean> {
    try {
      await this.#core.documents.get(name);
      return false;
    } catch (error) {
      if (!isHvError(error, 'REPOSITORY_DAMAGED', 'FILE_NOT_FOUND')) throw error;
      return error.code === 'REPOSITORY_DAMAGED';
    }
  }
}

function absent(error: unknown): null {
  if (isHvError(error, 'FILE_NOT_FOUND', 'REPOSITORY_DAMAGED', 'IO_ERROR')) return null;
  throw error;
}

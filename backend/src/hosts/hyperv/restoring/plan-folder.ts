/** Where the files of a VM that is being built lie: a folder of its own below the host's folder for virtual disks. */
import { rm } from 'node:fs/promises';
import { HvError, toHvError } from '../../../support/errors.ts';
import { writeFileDurably } from '../../../support/file.ts';
import { makeFolder } from '../../../support/make-folder.ts';
import { ulid } from '../../../support/ulid.ts';
import type { PlanRequest } from '../../port.ts';
import { pathsOf, reachable, safeName } from '../paths.ts';

export class PlanFolder {
  /** As the host names it. */
  readonly path: string;
  readonly #server: string | undefined;
  readonly #stem: string;

  private constructor(path: string, stem: string, server: string | undefined) {
    this.path = path;
    this.#stem = stem;
    this.#server = server;
  }

  /** @param root the host's folder for virtual disks */
  static async create(root: string, vmName: string, server: string | undefined): Promise<PlanFolder> {
    if (root === '') {
      throw new HvError('HOST_STATE_CORRUPT', 'The host names no folder for virtual disks.', {
        advice: 'Set it with Set-VMHost -VirtualHardDiskPath.',
      });
    }
    const stem = safeName(vmName);
    const folder = new PlanFolder(pathsOf(root).join(root, `${stem} ${ulid()}`), stem, server);
    try {
      await makeFolder(folder.here(''));
    } catch (error) {
      throw toHvError(error, folder.path);
    }
    return folder;
  }

  /** A name in the folder, as the host has it. */
  on(name: string): string {
    return name === '' ? this.path : pathsOf(this.path).join(this.path, name);
  }

  /** The same as this machine reaches it. */
  here(name: string): string {
    return reachable(this.on(name), this.#server);
  }

  diskName(index: number): string {
    return index === 0 ? `${this.#stem}.vhdx` : `${this.#stem}-disk${index}.vhdx`;
  }

  /** Writes configuration files side by side into `sub`. @returns the `.vmcx`, as the host names it */
  async writeConfiguration(sub: string, files: NonNullable<PlanRequest['configuration']>): Promise<string | undefined> {
    const { join, basename } = pathsOf(this.path);
    await makeFolder(this.here(sub));
    let vmcx: string | undefined;
    for (const file of files) {
      // From a repository: a name, never a path.
      const name = join(sub, basename(file.name.replaceAll('\\', '/')));
      await writeFileDurably(this.here(name), file.data);
      if (file.kind === 'vmcx') vmcx = this.on(name);
    }
    return vmcx;
  }

  async removeConfiguration(sub: string): Promise<void> {
    await rm(this.here(sub), { recursive: true, force: true });
  }

  async remove(): Promise<void> {
    await rm(this.here(''), { recursive: true, force: true });
  }
}

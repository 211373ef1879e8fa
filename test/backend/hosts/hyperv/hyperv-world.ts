/** A Hyper-V host made of doubles, a repository and a guest: whole backups and restores, in this process. */
import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { SqliteCatalog } from '../../../../backend/src/catalog/sqlite-catalog.ts';
import { createSimulatedHost, type SimulatedHost } from '../../../../backend/src/hosts/simulated/index.ts';
import * as operations from '../../../../backend/src/operations/index.ts';
import { openStoredRepository } from '../../../../backend/src/repository/open.ts';
import { FolderStorage } from '../../../../backend/src/repository/storage/folder/folder.ts';
import { BackupVmParams, type BackupVmResult } from '../../../../backend/src/schema/backup.ts';
import { ManifestBody } from '../../../../backend/src/schema/manifest.ts';
import { CreateRepositoryParams } from '../../../../backend/src/schema/repository.ts';
import { RestorePointParams } from '../../../../backend/src/schema/restore.ts';
import { type Behaviour, readState, setBehaviour } from '../../../helper/double/state.ts';
import { type DoubleFolder, type DoubleOptions, shareDouble } from './hyperv-double.ts';

export const MIB = 2 ** 20;

export class HyperVWorld {
  readonly folder: string;
  readonly directory: string;
  readonly repository: string;
  /** The simulated host below: the guest, and the other backup product. */
  readonly sim: SimulatedHost;
  readonly double: DoubleFolder;
  vmId = '';
  models: Buffer[] = [];
  readonly #leave: () => Promise<void>;

  private constructor(
    folder: string,
    directory: string,
    sim: SimulatedHost,
    double: DoubleFolder,
    leave: () => Promise<void>,
  ) {
    this.folder = folder;
    this.directory = directory;
    this.repository = join(folder, 'repository');
    this.sim = sim;
    this.double = double;
    this.#leave = leave;
  }

  static async create(folder: string, sizes = [8 * MIB, 4 * MIB], options: DoubleOptions = {}): Promise<HyperVWorld> {
    const directory = join(folder, 'host');
    const sim = await createSimulatedHost(directory);
    await mkdir(`${directory}.disks`);
    const { double, leave } = await shareDouble(directory, options);
    const world = new HyperVWorld(folder, directory, sim, double, leave);
    const { vm } = await sim.createVm({ name: 'guest', disks: sizes.map((size) => ({ size })) });
    world.vmId = vm.id;
    world.models = sizes.map((size) => Buffer.alloc(size));
    process.env.HVBACKUP_POWERSHELL = world.double.executable;
    process.env.HVBACKUP_STATE_DIR = join(folder, 'state');
    await operations.createRepository(CreateRepositoryParams.parse({ location: world.repository }), {});
    return world;
  }

  behave(behaviour: Behaviour): void {
    setBehaviour(this.directory, behaviour);
  }

  /** Every export that the host was asked for. */
  get exports() {
    return readState(this.directory).exports ?? [];
  }

  /** Names of the methods that were called on the host since the last look. */
  get calls(): string[] {
    return readState(this.directory).calls;
  }

  async write(disk: number, offset: number, data: Buffer): Promise<void> {
    await this.sim.guestWrites(this.vmId, disk, [{ offset, data }]);
    data.copy(this.models[disk]!, offset);
  }

  backup(more: object = {}, host = 'hyperv:'): Promise<BackupVmResult> {
    return operations.backupVm(BackupVmParams.parse({ host, vm: 'guest', repository: this.repository, ...more }), {});
  }

  /** A backup, and a guest's write while its disks are read. The models have it when this returns. */
  async backupWithWrite(
    disk: number,
    offset: number,
    data: Buffer,
  ): Promise<{ result: BackupVmResult; before: Buffer[] }> {
    const before = this.snapshot();
    let writing: Promise<void> | undefined;
    const progress = ({ phase }: { phase: string }): void => {
      if (phase !== 'checkpoint') writing ??= this.write(disk, offset, data);
    };
    const params = BackupVmParams.parse({ host: 'hyperv:', vm: 'guest', repository: this.repository });
    const result = await operations.backupVm(params, { progress });
    await writing;
    return { result, before };
  }

  restore(point: string, more: object = {}) {
    const params = { repository: this.repository, point, host: 'hyperv:', ...more };
    return operations.restorePoint(RestorePointParams.parse(params), {});
  }

  /**
   * The content of each disk of a restore point. On this thread: starting others for a few megabytes takes longest of
   * all.
   */
  async contents(point: string): Promise<Buffer[]> {
    const repository = await openStoredRepository(new FolderStorage(this.repository), {
      catalog: (id) => new SqliteCatalog(join(this.folder, 'reader.sqlite'), id),
      workers: 0,
    });
    try {
      const { disks } = ManifestBody.parse((await repository.readManifest(point)).body);
      const contents: Buffer[] = [];
      for (const { index, content } of disks) {
        if (content === null) continue;
        const reader = await repository.openContent(content);
        contents[index] = Buffer.alloc(reader.size);
        await reader.read(0, contents[index]);
        await reader.close();
      }
      return contents;
    } finally {
      await repository.close();
    }
  }

  /** Whether a restore point holds what the guest's disks held. */
  async holds(point: string, models = this.models): Promise<boolean> {
    const contents = await this.contents(point);
    return contents.length === models.length && contents.every((content, disk) => content.equals(models[disk]!));
  }

  snapshot(): Buffer[] {
    return this.models.map((model) => Buffer.from(model));
  }

  checkpoints(): Promise<string[]> {
    return this.sim.listRecoveryCheckpoints(this.vmId).then((all) => all.map((entry) => entry.id));
  }

  async close(): Promise<void> {
    delete process.env.HVBACKUP_POWERSHELL;
    delete process.env.HVBACKUP_STATE_DIR;
    await this.#leave();
    await this.sim.close();
    // The double's process may still be ending.
    await rm(this.folder, { recursive: true, force: true, maxRetries: 20, retryDelay: 100 });
  }
}

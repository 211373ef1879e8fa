/**
 * A simulated host, a repository and their guests in a scratch folder, driven through the command line; what only prepares a test, and reads
 * disks back, goes to one `hvbackup serve`.
 */
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { cli, ok } from '../support/cli.ts';
import { served } from '../support/served.ts';
import { sha256File } from '../support/sparse.ts';

export class World {
  readonly folder: string;
  readonly host: string;
  readonly repository: string;
  readonly state: string;
  #number = 0;

  private constructor(folder: string, repository = join(folder, 'repository')) {
    this.folder = folder;
    this.host = `sim:${join(folder, 'host')}`;
    this.repository = repository;
    this.state = join(folder, 'state');
  }

  static async create(folder: string, options: { blockSize?: number } = {}): Promise<World> {
    const world = new World(folder);
    await mkdir(folder, { recursive: true });
    await served(world.state, 'host/create', { directory: join(folder, 'host') });
    await served(world.state, 'repository/create', { location: world.repository, blockSize: options.blockSize });
    return world;
  }

  /** The same host with another repository. */
  with(repository: string): World {
    const other = new World(this.folder, repository);
    // Their scratch files lie in one folder.
    other.#number = this.#number + 1000;
    return other;
  }

  /** Creates a VM from images. */
  vm(name: string, ...disks: string[]) {
    return ok(['vm', 'create', '--host', this.host, '--name', name, ...disks.flatMap((disk) => ['--disk', disk])]).vm;
  }

  async rawImage(content: Buffer): Promise<string> {
    const path = join(this.folder, `source-${++this.#number}.raw`);
    await writeFile(path, content);
    return path;
  }

  async write(vm: string, disk: number, offset: number, data: Buffer): Promise<void> {
    const file = join(this.folder, `write-${++this.#number}`);
    await writeFile(file, data);
    const write = { type: 'file', offset, file };
    await served(this.state, 'vm/write', { host: this.host, vm, disk, write });
    await rm(file);
  }

  backup(vm: string, ...more: string[]) {
    return ok(['backup', '--host', this.host, '--vm', vm, '--repository', this.repository, ...more], this).results[0];
  }

  tryBackup(vm: string, ...more: string[]) {
    return cli(['backup', '--host', this.host, '--vm', vm, '--repository', this.repository, ...more], this);
  }

  remove(point: string) {
    return ok(['remove', '--repository', this.repository, '--point', point], this);
  }

  points(): { id: string; vmName: string }[] {
    return ok(['list', '--repository', this.repository], this).points;
  }

  verify(): boolean {
    return (
      ok(['verify', '--repository', this.repository], this).ok &&
      ok(['check', '--repository', this.repository], this).ok
    );
  }

  /** SHA-256 of each disk of a restore point, by way of a raw export. */
  async hashes(point: string): Promise<string[]> {
    const to = join(this.folder, `export-${++this.#number}`);
    const params = { repository: this.repository, point, directory: to, format: 'raw' };
    const { files } = await served(this.state, 'point/export', params);
    const hashes: string[] = [];
    for (const file of files) hashes[file.disk] = await sha256File(file.path);
    await rm(to, { recursive: true, force: true });
    return hashes;
  }
}

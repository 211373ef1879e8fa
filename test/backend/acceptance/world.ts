/**
 * A simulated host, a repository and their guests in a scratch folder, driven through the command line; what only
 * prepares a test, and reads disks back, goes to one `hvbackup serve`.
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
  /** Of an encrypted repository; also in the file `secret` names. */
  readonly passphrase: string | undefined;
  /** Options of the command line that open it. */
  readonly secret: readonly string[];
  /** Beside the environment of the test, for every command from now on. */
  env: NodeJS.ProcessEnv = {};
  #number = 0;

  private constructor(folder: string, repository = join(folder, 'repository'), passphrase?: string) {
    this.folder = folder;
    this.passphrase = passphrase;
    this.secret = passphrase === undefined ? [] : ['--passphrase-file', join(folder, 'passphrase')];
    this.host = `sim:${join(folder, 'host')}`;
    this.repository = repository;
    this.state = join(folder, 'state');
  }

  static async create(folder: string, options: { blockSize?: number; passphrase?: string } = {}): Promise<World> {
    const { blockSize, passphrase } = options;
    const world = new World(folder, undefined, passphrase);
    await mkdir(folder, { recursive: true });
    if (passphrase !== undefined) await writeFile(join(folder, 'passphrase'), passphrase);
    await served(world.state, 'host/create', { directory: join(folder, 'host') });
    await served(world.state, 'repository/create', { location: world.repository, blockSize, passphrase });
    return world;
  }

  /** The same host with another repository. */
  with(repository: string): World {
    const other = new World(this.folder, repository, this.passphrase);
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
    const of = ['--host', this.host, '--vm', vm, '--repository', this.repository, ...this.secret];
    return ok(['backup', ...of, ...more], this).results[0];
  }

  tryBackup(vm: string, ...more: string[]) {
    const of = ['--host', this.host, '--vm', vm, '--repository', this.repository, ...this.secret];
    return cli(['backup', ...of, ...more], this);
  }

  remove(point: string) {
    return ok(['remove', '--repository', this.repository, '--point', point, ...this.secret], this);
  }

  points(): { id: string; vmName: string }[] {
    return ok(['list', '--repository', this.repository, ...this.secret], this).points;
  }

  verify(): boolean {
    return (
      ok(['verify', '--repository', this.repository, ...this.secret], this).ok &&
      ok(['check', '--repository', this.repository, ...this.secret], this).ok
    );
  }

  /** SHA-256 of each disk of a restore point, by way of a raw export. */
  async hashes(point: string): Promise<string[]> {
    const to = join(this.folder, `export-${++this.#number}`);
    const { repository, passphrase } = this;
    const params = { repository, passphrase, point, directory: to, format: 'raw' };
    const { files } = await served(this.state, 'point/export', params);
    const hashes: string[] = [];
    for (const file of files) hashes[file.disk] = await sha256File(file.path);
    await rm(to, { recursive: true, force: true });
    return hashes;
  }
}

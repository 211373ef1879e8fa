/** A simulated host in a scratch folder, with a plain-array model of each of its disks. */
import { join } from 'node:path';
import type { ChangedRange } from '../../../backend/src/disk/device.ts';
import type { RecoveryCheckpoint } from '../../../backend/src/hosts/port.ts';
import {
  createSimulatedHost,
  type GuestWrite,
  openSimulatedHost,
  type SimulatedHost,
} from '../../../backend/src/hosts/simulated/index.ts';
import { changes, frozen } from './fixture.ts';

export const MIB = 2 ** 20;
/** What the simulated host rounds changes to, bytes. */
export const GRANULE = 4096;

export class SimWorld {
  readonly directory: string;
  host: SimulatedHost;
  vmId = '';
  models: Buffer[] = [];

  private constructor(directory: string, host: SimulatedHost) {
    this.directory = directory;
    this.host = host;
  }

  static async create(folder: string, sizes: number[] = [8 * MIB]): Promise<SimWorld> {
    const directory = join(folder, 'host');
    const world = new SimWorld(directory, await createSimulatedHost(directory));
    const { vm } = await world.host.createVm({ name: 'guest', disks: sizes.map((size) => ({ size })) });
    world.vmId = vm.id;
    world.models = sizes.map((size) => Buffer.alloc(size));
    return world;
  }

  async reopen(): Promise<void> {
    await this.host.close();
    this.host = await openSimulatedHost(this.directory);
  }

  async write(disk: number, ...writes: GuestWrite[]): Promise<void> {
    await this.host.guestWrites(this.vmId, disk, writes);
    for (const write of writes) apply(this.models[disk]!, write);
  }

  checkpoint(label = 'test'): Promise<RecoveryCheckpoint> {
    return this.host.createRecoveryCheckpoint(this.vmId, { consistency: 'crash', allowCrashConsistent: true, label });
  }

  /** Checkpoint and convert. @returns RCT ids by disk */
  async backup(): Promise<string[]> {
    const checkpoint = await this.checkpoint();
    await this.host.convertToReferencePoint(checkpoint.id);
    return checkpoint.disks.map((disk) => disk.rctId!);
  }

  frozen(checkpoint: RecoveryCheckpoint, disk = 0): Promise<Buffer> {
    return frozen(this.host, checkpoint, disk);
  }

  changes(checkpoint: RecoveryCheckpoint, rctId: string, disk = 0): Promise<ChangedRange[]> {
    return changes(this.host, checkpoint, disk, rctId);
  }

  /** What the guest would read now. */
  async current(disk = 0): Promise<Buffer> {
    const checkpoint = await this.checkpoint('current');
    const content = await this.frozen(checkpoint, disk);
    await this.host.removeCheckpoint(checkpoint.id);
    return content;
  }

  snapshot(): Buffer[] {
    return this.models.map((model) => Buffer.from(model));
  }
}

export function apply(model: Buffer, write: GuestWrite): void {
  if ('data' in write) Buffer.from(write.data).copy(model, write.offset);
  else model.fill(write.fill, write.offset, write.offset + write.length);
}

/** The code of the error that `action` ends with; undefined when it ends well. */
export async function codeOf(action: Promise<unknown>): Promise<string | undefined> {
  try {
    await action;
    return undefined;
  } catch (error) {
    return (error as { code?: string }).code ?? String(error);
  }
}

/**
 * The frozen content of a disk. It is always right or an error, whatever others do to the files meanwhile:
 * - Once the checkpoint has ended, the files change. Merging begins only after the end was committed, so an answer is
 *   given
 *   only if the checkpoint still stood after it was read.
 * - A merge of an older checkpoint's layer writes below layers that hide it; what was read stays right, but a table
 *   read
 *   half before and half after may look damaged. Then the files are opened again, with no merge under way.
 */
import type { BlockDevice, Extent } from '../../disk/device.ts';
import { HvError, isHvError } from '../../support/errors.ts';
import type { HostContext } from './context.ts';
import { openFrozenChain } from './disk-files.ts';
import { countStrike, pendingFault } from './faults.ts';
import { absolute } from './layout.ts';
import { locked } from './locked.ts';
import { chainOf, checkpointNotFound } from './rows.ts';

interface Identity {
  checkpointId: string;
  vmId: string;
  index: number;
}

export class FrozenDisk implements BlockDevice {
  readonly size: number;
  readonly logicalSectorSize: number;
  readonly physicalSectorSize: number;
  readonly #ctx: HostContext;
  readonly #of: Identity;
  #inner: BlockDevice;
  #reopening: Promise<BlockDevice> | undefined;
  /** Opened before; closed with this one, since reads may still be under way. */
  readonly #former: BlockDevice[] = [];
  #reads = 0;

  private constructor(ctx: HostContext, of: Identity, inner: BlockDevice) {
    this.#ctx = ctx;
    this.#of = of;
    this.#inner = inner;
    this.size = inner.size;
    this.logicalSectorSize = inner.logicalSectorSize;
    this.physicalSectorSize = inner.physicalSectorSize;
  }

  /** Under the lock. @throws CHECKPOINT_NOT_FOUND, DISK_CORRUPT */
  static async open(ctx: HostContext, of: Identity): Promise<FrozenDisk> {
    return new FrozenDisk(ctx, of, await openLayers(ctx, of));
  }

  async read(offset: number, target: Uint8Array): Promise<void> {
    await this.#mayLoseHost();
    await this.#attempt((device) => device.read(offset, target));
  }

  async *extents(offset = 0, length = this.size - offset): AsyncIterable<Extent> {
    const end = offset + length;
    let inner = this.#inner;
    for (let at = offset, failed = false; at < end || length === 0; ) {
      try {
        for await (const extent of inner.extents(at, end - at)) {
          this.#requireStanding();
          at = extent.offset + extent.length;
          failed = false;
          yield extent;
        }
        return;
      } catch (error) {
        this.#requireStanding();
        if (failed || !mayBeMerge(error)) throw error;
        failed = true;
        inner = await this.#reopen(inner);
      }
    }
  }

  async close(): Promise<void> {
    await this.#reopening?.catch(() => undefined);
    for (const device of [...this.#former.splice(0), this.#inner]) await device.close();
  }

  async #attempt<T>(action: (device: BlockDevice) => Promise<T>): Promise<T> {
    const device = this.#inner;
    try {
      const result = await action(device);
      this.#requireStanding();
      return result;
    } catch (error) {
      this.#requireStanding();
      if (!mayBeMerge(error)) throw error;
      const result = await action(await this.#reopen(device));
      this.#requireStanding();
      return result;
    }
  }

  /** Opens the files again unless another call has since `stale` was in use. */
  async #reopen(stale: BlockDevice): Promise<BlockDevice> {
    if (this.#inner !== stale) return this.#inner;
    this.#reopening ??= locked(this.#ctx, () => openLayers(this.#ctx, this.#of))
      .then((device) => {
        this.#former.push(this.#inner);
        this.#inner = device;
        return device;
      })
      .finally(() => {
        this.#reopening = undefined;
      });
    return await this.#reopening;
  }

  #requireStanding(): void {
    const { checkpointId } = this.#of;
    if (!this.#ctx.view.get('SELECT 1 FROM checkpoints WHERE id = ?', checkpointId))
      throw checkpointNotFound(checkpointId);
  }

  async #mayLoseHost(): Promise<void> {
    const { vmId, index, checkpointId } = this.#of;
    const fault = pendingFault(this.#ctx.view, 'host-lost-during-read', vmId, index);
    if (!fault || this.#reads++ < fault.after) return;
    await this.#ctx.lock.run(async () => countStrike(this.#ctx.state, fault.id));
    throw new HvError('HOST_LOST', `The host stopped answering while disk ${index} was read`, {
      advice: 'Run the backup again when the host is back; what was stored is reused.',
      data: { vmId, disk: index, checkpointId },
    });
  }
}

const mayBeMerge = (error: unknown): boolean => isHvError(error, 'DISK_CORRUPT', 'IO_ERROR', 'FILE_NOT_FOUND');

async function openLayers(ctx: HostContext, { checkpointId, index }: Identity): Promise<BlockDevice> {
  const row = ctx.state.get<{ layer: number }>(
    'SELECT layer FROM checkpoint_disks WHERE checkpoint_id = ? AND position = ?',
    checkpointId,
    index,
  );
  if (!row) throw checkpointNotFound(checkpointId);
  return await openFrozenChain(chainOf(ctx.state, row.layer)!.map((layer) => absolute(ctx.root, layer.path)));
}

/**
 * Writing into an existing VHDX, dynamic, fixed or differencing, without its log.
 *
 * What keeps the file valid when it is cut short at any moment, between any two file operations or in the middle of
 * one: 1. A new block is taken at the end of the file, which is extended first: what is not written there yet is zeros.
 * 2. Payload is durable before a sector bitmap bit makes it visible, bits are durable before the BAT entry that makes
 *     them count, and a sector bitmap block is durably in the BAT before a payload entry relies on it.
 *  3. An eight-byte BAT entry never spans a sector, so a torn write leaves old and new entries, each valid.
 *  4. Headers change one after the other, so that one is always valid.
 * Changes to BAT and bitmaps wait in memory for flush(); a cut before it loses writes that were never acknowledged as
 * durable, and at most leaves space at the end of the file that nothing refers to.
 */
import { alignUp, isZero, zeros } from '../../support/bytes.ts';
import { newGuid } from '../../support/guid.ts';
import {
  ALIGNMENT,
  MIB,
  PAYLOAD_FULLY_PRESENT,
  PAYLOAD_PARTIALLY_PRESENT,
  PAYLOAD_ZERO,
  SECTOR_BITMAP_BLOCK_SIZE,
} from './format/constants.ts';
import { updateHeaders } from './headers.ts';
import type { VhdxImage } from './image.ts';

/** Pages of changed tables (64 KiB each) kept before they are written out on the way. */
const MAX_DIRTY_PAGES = 128;

export interface InPlaceOptions {
  /**
   * Leaves the DataWriteGuid as it is, for a caller that plays the part of the hypervisor and sets it itself.
   * Otherwise the first write gives the disk a new one, so that children and change trackers notice.
   */
  keepDataWriteGuid?: boolean;
}

/** Not safe for concurrent calls: the device above takes turns. */
export class VhdxInPlaceWriter {
  readonly #image: VhdxImage;
  readonly #keepDataWriteGuid: boolean;
  #announced = false;
  /** Something was written to the file since the last sync. */
  #unsynced = false;

  constructor(image: VhdxImage, options: InPlaceOptions = {}) {
    this.#image = image;
    this.#keepDataWriteGuid = options.keepDataWriteGuid ?? false;
  }

  get #differencing(): boolean {
    return this.#image.layout.metadata.locator !== null;
  }

  /** Before the first change: new identities of file and content ([MS-VHDX] 2.2.2). */
  async announce(): Promise<void> {
    if (this.#announced) return;
    await this.#updateHeaders(this.#keepDataWriteGuid ? {} : { dataWriteGuid: newGuid() });
  }

  /** Gives the content an identity of the caller's choice; durable when it returns. */
  async setDataWriteGuid(guid: string): Promise<void> {
    await this.#updateHeaders({ dataWriteGuid: guid });
  }

  async #updateHeaders(change: { dataWriteGuid?: string }): Promise<void> {
    const { layout } = this.#image;
    const fileWriteGuid = this.#announced ? layout.headers.header.fileWriteGuid : newGuid();
    layout.headers = await updateHeaders(layout.file, layout.headers, { ...change, fileWriteGuid });
    this.#announced = true;
  }

  /**
   * @param offset bytes; in a differencing disk offset and length are whole sectors, elsewhere anything
   */
  async write(offset: number, data: Uint8Array): Promise<void> {
    await this.#eachBlock(offset, data.length, async (block, within, at, length) => {
      await this.#writeBlock(block, within, data.subarray(at, at + length));
    });
  }

  /** As write() with zeros, without allocating where the disk reads as zeros already. */
  async writeZeros(offset: number, length: number): Promise<void> {
    await this.#eachBlock(offset, length, async (block, within, _at, part) => {
      if (await this.#zeroWholeBlock(block, within, part)) return;
      for (let done = 0; done < part; done += MIB) {
        await this.#writeBlock(block, within + done, zeros(Math.min(MIB, part - done)));
      }
    });
  }

  async #eachBlock(
    offset: number,
    length: number,
    visit: (block: number, within: number, at: number, length: number) => Promise<void>,
  ): Promise<void> {
    const { blockSize } = this.#image.layout.geometry;
    for (let at = 0; at < length; ) {
      const block = Math.floor((offset + at) / blockSize);
      const within = offset + at - block * blockSize;
      const part = Math.min(length - at, blockSize - within);
      await visit(block, within, at, part);
      at += part;
    }
  }

  async #writeBlock(block: number, within: number, data: Uint8Array): Promise<void> {
    const { table } = this.#image;
    const entry = await table.payload(block);
    if (entry.content === 'here' || entry.content === 'mixed') {
      await this.#writePayload(entry.fileOffset + within, data);
      if (entry.content === 'mixed') await this.#markPresent(block, within, data.length, false);
      return;
    }
    if (isZero(data)) {
      if (entry.content === 'zero' || (await this.#zeroWholeBlock(block, within, data.length))) return;
    }
    // A block that read as zeros becomes wholly present: the new space around the data is zeros. One that was the
    // parent's becomes so only when all of it is written.
    const whole = entry.content === 'zero' || this.#isWhole(block, within, data.length);
    if (!whole) await this.#ensureBitmap(block);
    const fileOffset = await this.#allocate(this.#image.layout.geometry.blockSize);
    await this.#writePayload(fileOffset + within, data);
    if (!whole) await this.#markPresent(block, within, data.length, true);
    await table.setPayload(block, whole ? PAYLOAD_FULLY_PRESENT : PAYLOAD_PARTIALLY_PRESENT, fileOffset);
    await this.#relieve();
  }

  /** A block of the parent's that becomes zeros as a whole needs no space. @returns whether it was one */
  async #zeroWholeBlock(block: number, within: number, length: number): Promise<boolean> {
    const { content } = await this.#image.table.payload(block);
    if (content === 'zero') return true;
    if (content !== 'parent' || !this.#isWhole(block, within, length)) return false;
    await this.announce();
    await this.#image.table.setPayload(block, PAYLOAD_ZERO, 0);
    await this.#relieve();
    return true;
  }

  /** The last block counts as whole when it is written up to the end of the disk. */
  #isWhole(block: number, within: number, length: number): boolean {
    const { size, blockSize } = this.#image.layout.geometry;
    return within === 0 && length >= Math.min(blockSize, size - block * blockSize);
  }

  async #writePayload(fileOffset: number, data: Uint8Array): Promise<void> {
    await this.announce();
    this.#unsynced = true;
    await this.#image.file.writeFully(fileOffset, data);
  }

  async #markPresent(block: number, within: number, length: number, fresh: boolean): Promise<void> {
    const { sectorSize } = this.#image.layout.geometry;
    await this.#image.bitmaps.set(block, within / sectorSize, (within + length) / sectorSize, fresh);
    if (!fresh) await this.#relieve();
  }

  async #ensureBitmap(block: number): Promise<void> {
    const { table, layout } = this.#image;
    const chunk = Math.floor(block / layout.geometry.chunkRatio);
    if ((await table.bitmap(chunk)) !== null) return;
    const fileOffset = await this.#allocate(SECTOR_BITMAP_BLOCK_SIZE);
    await this.#sync();
    await table.setBitmap(chunk, fileOffset);
  }

  /** Fresh zeros at the end of the file. @returns their file offset */
  async #allocate(length: number): Promise<number> {
    await this.announce();
    const { layout } = this.#image;
    const fileOffset = alignUp(layout.fileSize, ALIGNMENT);
    await layout.file.truncate(fileOffset + length);
    layout.fileSize = fileOffset + length;
    this.#unsynced = true;
    return fileOffset;
  }

  async #sync(): Promise<void> {
    await this.#image.file.sync();
    this.#unsynced = false;
  }

  async #relieve(): Promise<void> {
    if (this.#image.table.dirtyPages + this.#image.bitmaps.dirtyPages > MAX_DIRTY_PAGES) await this.flush();
  }

  /** Payload, then bitmaps, then BAT, each durable before the next. */
  async flush(): Promise<void> {
    const { table, bitmaps } = this.#image;
    if (this.#unsynced) await this.#sync();
    if (bitmaps.dirtyPages > 0) {
      await bitmaps.writeBack();
      await this.#sync();
    }
    if (table.dirtyPages > 0) {
      await table.writeBack();
      await this.#sync();
    }
  }

  /** Whether anything differs from before: identities, payload or tables. */
  get changed(): boolean {
    return this.#announced;
  }

  /** Whether the disk has a parent, so that writes must be whole sectors. */
  get wholeSectors(): boolean {
    return this.#differencing;
  }
}

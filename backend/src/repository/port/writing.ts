/** One writer's work: contents, and the restore point that names them. */
import type { OperationContext } from '../../support/progress.ts';
import type { ContentRef } from './contents.ts';
import type { ManifestEnvelope } from './points.ts';

export type CompressionLevel = 'fast' | 'default' | 'strong';

export interface ContentStats {
  /** Bytes stored for this content: block records and node records, headers included. */
  newBytes: number;
  /** Of these, the tree nodes. */
  nodeBytes: number;
  /** Blocks handed in that were not zero. */
  dataBlocks: number;
  /** Of these, the ones that had to be stored. */
  newBlocks: number;
  zeroBlocks: number;
}

/** Fills `buffer` with the content of the block run it was asked for. */
export type FillBlocks = (buffer: Buffer) => Promise<void>;

/** Parts of a block that changed since the base; everything else of it is as it was. */
export interface BlockPatch {
  index: number;
  /** Of the content, bytes; ascending, within the block. */
  ranges: readonly { offset: number; length: number }[];
}

/** Fills `target` with the content at `offset`, bytes. */
export type ReadContent = (offset: number, target: Buffer) => Promise<void>;

/** Builds one content, over a base when given: only what is handed in changes. */
export interface ContentWriter {
  /**
   * Blocks `indices` (strictly ascending, also from call to call); `fill` gets indices.length × blockSize bytes and
   * fills them in that order (the last block of the content zero-padded). Returns as soon as the buffer is filled and
   * handed on: reading, hashing, compressing and storing overlap. At most `maxRun` blocks a call.
   */
  write(indices: readonly number[], fill: FillBlocks): Promise<void>;
  /**
   * Blocks of which only parts changed, ascending as in write(). What is read of them is what it takes: the changed
   * pages as a rule, the whole block where no delta can be made. Returns when all is handed on.
   * @param read may be called, also several times at once, until finish() or drain() is over
   */
  patch(patches: readonly BlockPatch[], read: ReadContent): Promise<void>;
  /** Blocks [first, first+count) are zeros. */
  zero(first: number, count: number): Promise<void>;
  /** Waits for everything in flight. The content is durable only once the session published something that names it. */
  finish(): Promise<{ ref: ContentRef; stats: ContentStats }>;
  /**
   * Waits until nothing is in flight any more, whatever became of it. Afterwards nothing can be handed in. Idempotent.
   */
  drain(): Promise<void>;
}

export interface SessionOptions extends OperationContext {
  compression?: CompressionLevel;
  /** Shown to other machines: who writes. */
  owner?: string;
}

/** One writer's work: sessions of several machines may run at once and never overwrite each other. */
export interface WriteSession {
  readonly id: string;
  /** Largest number of blocks one write() takes. */
  readonly maxRun: number;
  /**
   * Blocks of `base` that no sound record holds any more, ascending. An incremental that hands them in too, from the
   * disk as it is now, has them whole again. Costs nothing unless damage is known or packs are missing.
   * @throws REPOSITORY_DAMAGED when the block map cannot be read: nothing can be built on it
   */
  damagedBlocks(base: ContentRef): Promise<number[]>;
  /** @param base content to build over; must have the same size rules as the repository (any size is allowed) */
  openContent(size: number, base?: ContentRef): Promise<ContentWriter>;
  /**
   * blocks durable → index durable → manifest published (put-if-absent). Before: renew the session, re-read indexes and
   * deletion marks, store again what is marked or gone. After it returns, the point is listed and restorable. One that
   * lies there and cannot be read is replaced.
   * @param options.revive takes the tombstone of an earlier removal back, once the manifest is durable
   * @returns bytes of the manifest and of the indexes published by this session so far
   * @throws REPOSITORY_SESSION_EXPIRED, DISK_FULL; REPOSITORY_DAMAGED with `storesAnew` in its data when packs that
   *   were relied on turn out to be gone or unreadable: that is recorded, and another session stores anew what was in
   *   them
   */
  publish(
    manifest: ManifestEnvelope,
    options?: { revive?: boolean },
  ): Promise<{ manifestBytes: number; indexBytes: number }>;
  /**
   * Makes durable what was stored, without a restore point: of contents that are listed already and had lost it. It
   * stays while a listed restore point needs it.
   */
  keep(): Promise<void>;
  /** Ends the session. What was stored without a manifest stays and is found by the next backup (not damage). */
  close(): Promise<void>;
}

/** Cuts runs of any alignment into whole clusters. */
import { isZero } from '../../support/bytes.ts';
import { blockParts } from '../runs.ts';
import type { Qcow2Geometry } from './geometry.ts';

/** A whole guest cluster, not all zeros. */
export interface GuestCluster {
  number: number;
  data: Uint8Array;
  /**
   * Put together from parts: `data` is overwritten when the next cluster is asked for. Otherwise it is the caller's.
   */
  transient: boolean;
}

export class ClusterInput {
  readonly #size: number;
  /** A cluster that only parts are known of yet; the rest is zeros so far. */
  readonly #partial: Buffer;
  #number = -1;

  constructor({ clusterSize }: Qcow2Geometry) {
    this.#size = clusterSize;
    this.#partial = Buffer.alloc(clusterSize);
  }

  /** The clusters that a run completes. Runs ascend: what comes before this one's first cluster is complete too. */
  *add(offset: number, data: Uint8Array): Generator<GuestCluster> {
    for (const { block: number, within, part } of blockParts(offset, data, this.#size)) {
      if (number !== this.#number) yield* this.finish();
      if (isZero(part)) continue;
      if (part.length === this.#size) yield { number, data: part, transient: false };
      else {
        this.#number = number;
        this.#partial.set(part, within);
      }
    }
  }

  /** The cluster that was begun, if there is one: nothing more of it will come. */
  *finish(): Generator<GuestCluster> {
    if (this.#number < 0) return;
    yield { number: this.#number, data: this.#partial, transient: true };
    this.#number = -1;
    this.#partial.fill(0);
  }
}

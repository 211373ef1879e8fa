/** Which disks and files of which restore points are lost, and where: bounded lists of what may be endless. */

import type { ContentRef } from '../../repository/port/contents.ts';
import type { Repository } from '../../repository/port/repository.ts';
import type { PointLoss } from '../../schema/verify.ts';
import { isoDate } from '../../support/clock.ts';
import type { OperationContext } from '../../support/progress.ts';
import type { Point } from './point.ts';

export const MAX_DAMAGES = 1000;
const MAX_LOSSES = 1000;
const MAX_RANGES = 100;

/** A content of a restore point, and which one it is. */
export interface Use {
  content: ContentRef;
  point: Point;
  /** Absent for a configuration file. */
  disk?: number;
  /** Absent for a disk. */
  configuration?: string;
}

/** Everything a restore point holds. */
export function usesOf(point: Point): Use[] {
  const disks = point.body.disks.flatMap(({ content, index }) => (content ? [{ content, point, disk: index }] : []));
  return [...disks, ...point.body.configuration.map(({ content, name }) => ({ content, point, configuration: name }))];
}

export class LossReport {
  readonly #uses: readonly Use[];
  readonly #losses = new Map<number, PointLoss>();
  readonly #more = new Set<number>();

  constructor(uses: readonly Use[]) {
    this.#uses = uses;
  }

  /** To be called for each range, coalesced, ascending: index into the uses, bytes. */
  readonly add = (use: number, offset: number, length: number): void => {
    const loss = this.#losses.get(use) ?? this.#open(use);
    if (loss === undefined) return;
    loss.lostBytes += length;
    if (loss.ranges.length < MAX_RANGES) loss.ranges.push({ offset, length });
    else loss.moreRanges += 1;
  };

  get result(): { losses: PointLoss[]; moreLosses: number } {
    return { losses: [...this.#losses.values()], moreLosses: this.#more.size };
  }

  #open(use: number): PointLoss | undefined {
    if (this.#losses.size >= MAX_LOSSES) {
      this.#more.add(use);
      return undefined;
    }
    const { point, disk, configuration } = this.#uses[use]!;
    const { manifest, body } = point;
    const loss: PointLoss = {
      pointId: manifest.id,
      vmId: body.vm.id,
      vmName: body.vm.name,
      createdAt: isoDate(manifest.createdAt),
      ...(disk === undefined ? {} : { disk }),
      ...(configuration === undefined ? {} : { configuration }),
      lostBytes: 0,
      ranges: [],
      moreRanges: 0,
    };
    this.#losses.set(use, loss);
    return loss;
  }
}

/** What restore points lose, as far as structure and known damage show. */
export async function structuralLosses(
  repository: Repository,
  points: readonly Point[],
  context: OperationContext,
): Promise<{ losses: PointLoss[]; moreLosses: number }> {
  const uses = points.flatMap(usesOf);
  const report = new LossReport(uses);
  const contents = uses.map((use) => use.content);
  await repository.losses(contents, { signal: context.signal, onLoss: report.add });
  return report.result;
}

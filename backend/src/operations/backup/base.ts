/**
 * Choosing what an incremental is built on: the newest remaining restore point whose reference point the host still has
 * (docs/backup.md, step 4). Every doubt ends in a full of the disk concerned, with the reason; never in wrong data.
 */
import type { CheckpointDisk, Host, RecoveryCheckpoint } from '../../hosts/port.ts';
import { byOrder, type OrderedPoint } from '../../repository/points/point-order.ts';
import type { ContentRef } from '../../repository/port/contents.ts';
import type { Damage } from '../../repository/port/damage.ts';
import type { ManifestEnvelope, PointPlace } from '../../repository/port/points.ts';
import type { Repository } from '../../repository/port/repository.ts';
import { type ChainRecord, ManifestBody, type ManifestDisk } from '../../schema/manifest.ts';
import type { VmDescription } from '../../schema/vm.ts';
import { HvError, isHvError } from '../../support/errors.ts';
import { readChain } from './chain.ts';

/** Restore points looked at, newest first. */
const POINTS_CONSIDERED = 16;

/** A restore point that an incremental could be built on. */
export interface BaseCandidate {
  pointId: string;
  body: ManifestBody;
  /** Null when the job died between sealing and recording: then only the frozen ids are known. */
  chain: ChainRecord | null;
}

/** What to do with one disk. */
export type DiskPlan =
  | { mode: 'full'; reason: string }
  | { mode: 'incremental'; basePointId: string; base: ContentRef; changes: { offset: number; length: number }[] };

/** What the repository has of a VM when a backup of it looks for its base. */
export interface FoundBases {
  /** Newest first. */
  candidates: BaseCandidate[];
  /** Why there is none. */
  reason: string;
  warnings: string[];
}

/**
 * A candidate is right whatever its date: what counts is that the host still has its reference point.
 * @param order of the VM's restore points, oldest first
 * @param unreadable those that are missing in it because they cannot be read
 */
export async function findBases(
  repository: Repository,
  host: Host,
  vm: VmDescription,
  order: readonly PointPlace[],
  unreadable: Damage[] = [],
): Promise<FoundBases> {
  const damages = new Map(unreadable.map((damage) => [damage.path, damage]));
  if (order.length === 0) {
    const reason =
      damages.size > 0 ? 'no restore point of this VM can be read' : 'first backup of this VM in this repository';
    return { candidates: [], reason, warnings: damageWarnings(damages) };
  }
  const present = new Set((await host.listReferencePoints(vm.id)).map((point) => point.id));
  const problems: string[] = [];
  const records = await readChain(repository.records, vm.id, problems);
  const chain = new Map(records.map((record) => [record.pointId, record]));
  const places = new Map(order.map((point) => [point.id, point]));
  // A point before the newest record has had its reference point, and that was retired.
  const recorded = records.map(({ pointId, sequence }) => places.get(pointId) ?? { id: pointId, sequence });
  const newestRecorded = recorded.sort(byOrder).at(-1);
  const withReference = new Set(records.filter((r) => present.has(r.referencePointId)).map((r) => r.pointId));
  const chosen = order.filter(({ id }, i) => i >= order.length - POINTS_CONSIDERED || withReference.has(id));
  const onDamage = (damage: Damage): void => void damages.set(damage.path, damage);
  const ids = chosen.map(({ id }) => id).reverse();
  const manifests = await repository.readManifests(vm.id, ids, { onDamage });
  if (manifests.length === 0 && damages.size > 0) {
    const reason = 'no restore point of this VM can be read';
    return { candidates: [], reason, warnings: damageWarnings(damages) };
  }
  const candidates: BaseCandidate[] = [];
  let reason =
    problems.length > 0
      ? `the record of which reference point belongs to which restore point cannot be read: ${problems[0]}`
      : 'the host has no reference point of the remaining restore points';
  for (const manifest of manifests) {
    const parsed = ManifestBody.safeParse(manifest.body);
    if (!parsed.success) continue;
    // Its reference point belongs to the repository it was copied from, and comes and goes with that.
    if (parsed.data.copiedFrom) continue;
    const record = chain.get(manifest.id) ?? null;
    // Without a record (the job died before it could write it) only the ids of the frozen disks speak, and only on the
    // host they were read on. With one that cannot be read it is unknown which points these are.
    const usable = record
      ? present.has(record.referencePointId)
      : problems.length === 0 && isAfter(manifest, newestRecorded) && parsed.data.hostUri === host.uri;
    if (!usable) continue;
    // The list may come from this machine's catalog; what is built on is read from the repository.
    const body = await storedBody(repository, manifest, onDamage);
    if (body === null || body.copiedFrom) {
      reason = 'the restore point to build on cannot be read from the repository';
      continue;
    }
    if (body.vm.lastAppliedCheckpoint !== vm.lastAppliedCheckpoint) {
      reason = 'a checkpoint was applied to the VM since the last backup';
      continue;
    }
    candidates.push({ pointId: manifest.id, body, chain: record });
  }
  const unread = problems.map((problem) => `A chain record of this VM cannot be read: ${problem}.`);
  return { candidates, reason, warnings: [...damageWarnings(damages), ...unread] };
}

/** @returns null when it cannot be read, is of a kind that this version does not know, or was removed meanwhile */
async function storedBody(
  repository: Repository,
  manifest: ManifestEnvelope,
  onDamage: (damage: Damage) => void,
): Promise<ManifestBody | null> {
  try {
    return ManifestBody.safeParse((await repository.readStored(manifest)).body).data ?? null;
  } catch (error) {
    if (isHvError(error, 'FILE_NOT_FOUND')) return null;
    if (!isHvError(error, 'REPOSITORY_DAMAGED', 'IO_ERROR')) throw error;
    onDamage({ object: 'manifest', path: `${manifest.group}/${manifest.id}`, message: error.message });
    return null;
  }
}

const damageWarnings = (damages: ReadonlyMap<string, Damage>): string[] =>
  [...damages.values()].map(
    ({ path, message }) => `A restore point of this VM cannot be read (${path}: ${message}): run "hvbackup check".`,
  );

const isAfter = (point: OrderedPoint, other: OrderedPoint | undefined): boolean =>
  other === undefined || byOrder(point, other) > 0;

/** Decides for one disk, asking the host what changed since each candidate until one answers completely. */
export async function planDisk(
  host: Host,
  checkpoint: RecoveryCheckpoint,
  disk: CheckpointDisk,
  candidates: readonly BaseCandidate[],
  signal?: AbortSignal,
): Promise<DiskPlan> {
  let reason: string | null = null;
  for (const candidate of candidates) {
    const base = candidate.body.disks.find((entry) => entry.id === disk.id && entry.content !== null);
    const problem = base ? baseProblem(base, disk) : missingReason(candidate.body, disk);
    if (problem !== null || !base?.content) {
      reason ??= problem;
      continue;
    }
    const rctId = trackingId(candidate, base);
    if (rctId === null) {
      reason ??= 'the disk was not tracked at the last backup';
      continue;
    }
    try {
      const changes = await collectChanges(host, checkpoint, disk, rctId, candidate.chain?.referencePointId, signal);
      return { mode: 'incremental', basePointId: candidate.pointId, base: base.content, changes };
    } catch (error) {
      if (!(error instanceof HvError && error.code.startsWith('TRACKING_'))) throw error;
      reason ??= `${error.code}: ${error.message}`;
    }
  }
  return { mode: 'full', reason: reason ?? 'no usable base' };
}

function baseProblem(base: ManifestDisk, disk: CheckpointDisk): string | null {
  if (base.size !== disk.size) return `the disk was resized from ${base.size} to ${disk.size} bytes`;
  if (disk.rctId === null) return 'the disk is not tracked, or its tracking id cannot be read';
  return null;
}

/** The candidate has no content under this disk's id: say whether the disk is new or stands in another's place. */
function missingReason(body: ManifestBody, disk: CheckpointDisk): string {
  const same = body.disks.find((entry) => entry.id === disk.id);
  if (same) return 'the disk was left out of the last backup';
  const before = body.disks.find((entry) => entry.path === disk.path || entry.index === disk.index);
  return before
    ? `the disk was replaced (it was ${before.id}, it is ${disk.id})`
    : 'the disk was added since the last backup';
}

/**
 * The one place that decides which id to ask with (docs/hyperv.md, A backup): always the frozen disk's, sealed at the
 * freeze. Where the reference point carries another one, that was sealed later, and what the guest wrote in between
 * would be lost; so the host either answers for the frozen id or the disk is read in full.
 */
function trackingId(candidate: BaseCandidate, base: ManifestDisk): string | null {
  const entry = candidate.chain?.disks.find((disk) => disk.diskId === base.id);
  return entry?.frozenRctId ?? base.rctId;
}

/** All pages, or an error: half an answer would be a restore point that lies. */
async function collectChanges(
  host: Host,
  checkpoint: RecoveryCheckpoint,
  disk: CheckpointDisk,
  rctId: string,
  referencePointId: string | undefined,
  signal: AbortSignal | undefined,
) {
  const changes: { offset: number; length: number }[] = [];
  for await (const page of host.queryChanges(checkpoint, disk.index, rctId, referencePointId, signal)) {
    for (const { offset, length } of page) {
      const last = changes.at(-1);
      if (last && offset === last.offset + last.length) last.length += length;
      else changes.push({ offset, length });
    }
  }
  return changes;
}

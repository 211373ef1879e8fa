/**
 * Chain records: which reference point on the host belongs to which restore point (docs/backup.md, steps 7 and 8). They
 * may be lost without harm: the next backup is then a full.
 */
import type { Host, ReferencePoint } from '../../hosts/port.ts';
import { chainFolder, chainName, parseChainName } from '../../repository/format/names.ts';
import type { OrderedPoint } from '../../repository/points/point-order.ts';
import type { RecordStore } from '../../repository/port/records.ts';
import type { Repository } from '../../repository/port/repository.ts';
import { ChainRecord, type ManifestBody } from '../../schema/manifest.ts';
import { isHvError } from '../../support/errors.ts';
import { listRecords, type Problems, readRecord } from '../read-record.ts';
import type { ReferenceNotes } from './reference-notes.ts';

/** Older records than this many are not looked at: one a backup is enough, the rest is what clean-up left. */
const RECORDS_READ = 64;

/** The newest records of a VM, newest first; those that cannot be read are in `problems`. */
export async function readChain(records: RecordStore, vmId: string, problems?: Problems): Promise<ChainRecord[]> {
  const paths = (await listRecords(records, chainFolder(vmId), problems)).slice(-RECORDS_READ).reverse();
  const chain: ChainRecord[] = [];
  for (const path of paths) {
    const record = ChainRecord.safeParse(await readRecord(records, path, problems));
    if (record.success) chain.push(record.data);
  }
  return chain;
}

/** Writes the next record of the VM. Another writer may take the number first; then the next one is tried. */
export async function appendChain(records: RecordStore, record: ChainRecord): Promise<void> {
  const newest = (await records.list(chainFolder(record.vmId))).at(-1);
  let number = (parseChainName(newest ?? '')?.number ?? 0) + 1;
  for (;;) {
    try {
      await records.put(chainName(record.vmId, number), record);
      return;
    } catch (error) {
      if (!isHvError(error, 'FILE_EXISTS')) throw error;
      number++;
    }
  }
}

/** The record that ties the sealed restore point to the reference point made from its checkpoint. */
export function chainRecord(point: OrderedPoint, body: ManifestBody, reference: ReferencePoint): ChainRecord {
  const referenceIds = new Map(reference.disks.map((disk) => [disk.diskId, disk.rctId]));
  return {
    schema: 1,
    pointId: point.id,
    ...(point.sequence === undefined ? {} : { sequence: point.sequence }),
    vmId: body.vm.id,
    hostUri: body.hostUri,
    createdAt: reference.createdAt,
    referencePointId: reference.id,
    disks: body.disks
      .filter((disk) => disk.content !== null)
      .map((disk) => ({
        diskId: disk.id,
        frozenRctId: disk.rctId,
        referenceRctId: referenceIds.get(disk.id) ?? null,
      })),
  };
}

/**
 * Removes the reference points that earlier backups of this VM to this repository left, all but `keep`, then their
 * records where the storage lets us. Others' reference points are never touched, nor is one whose record cannot be
 * read. In a repository without encryption the record could be forged: there only what this machine noted is
 * removed.
 * @returns sentences for the result's warnings
 */
export async function retireReferencePoints(
  host: Host,
  repository: Pick<Repository, 'records' | 'encrypted'>,
  vmId: string,
  notes: ReferenceNotes,
  keep: string,
): Promise<string[]> {
  const { records, encrypted } = repository;
  const present = new Map((await host.listReferencePoints(vmId)).map((point) => [point.id, point]));
  const remove = async (id: string): Promise<void> => {
    await host.removeReferencePoint(id);
    present.delete(id);
  };
  const unproven: string[] = [];
  let allRead = true;
  for (const path of await records.list(chainFolder(vmId))) {
    const record = ChainRecord.safeParse(await readRecord(records, path));
    allRead &&= record.success;
    if (!record.success || record.data.referencePointId === keep) continue;
    const reference = present.get(record.data.referencePointId);
    if (reference !== undefined && !encrypted && !notes.isOurs(reference)) unproven.push(reference.id);
    else if (reference !== undefined) await remove(reference.id);
    await records.delete(path);
  }
  // Ours without a record: it was lost, or another machine removed it.
  const unnamed = [...present.values()].filter((reference) => reference.id !== keep && notes.isOurs(reference));
  if (allRead) for (const { id } of unnamed) await remove(id);
  notes.keepOnly([...present.values()]);
  return unproven.map(
    (id) =>
      `The reference point ${id} stays on the host: a record of the repository names it, but this machine has no note of having made it ` +
      '(its state folder was lost, another machine made it, or the record was forged).',
  );
}

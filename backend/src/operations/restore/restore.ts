/** Restoring a restore point as a VM: planned, its disks written, then realised all at once. */
import { dirname } from 'node:path';
import { createVhdxWriter } from '../../disk/index.ts';
import type { Host, PlannedVm } from '../../hosts/port.ts';
import type { Repository } from '../../repository/port/repository.ts';
import type { ManifestDisk } from '../../schema/manifest.ts';
import type { RestoredDisk, RestorePointParams, RestorePointResult } from '../../schema/restore.ts';
import type { VmDescription } from '../../schema/vm.ts';
import { HvError, isHvError } from '../../support/errors.ts';
import type { OperationContext } from '../../support/progress.ts';
import { rateLimiter } from '../../support/rate-limiter.ts';
import { contentNeed } from '../data/content-need.ts';
import { readWhole } from '../data/read-whole.ts';
import { type Image, requireRoom } from '../data/target-room.ts';
import { writeDisk } from '../data/write-disk.ts';
import { HoleReport, namingDamage } from '../points/holes.ts';
import type { Point } from '../points/point.ts';
import { hardwareOf, openPointDisk } from '../points/point-disk.ts';
import { readPoint } from '../points/points.ts';
import { whileReading } from '../points/reading.ts';
import { withContent, withHost } from '../with.ts';
import { unplugged } from './unplugged.ts';

/**
 * @throws POINT_NOT_FOUND, VM_EXISTS, VM_RUNNING, SWITCH_NOT_FOUND, SWITCH_AMBIGUOUS, POINT_INCOMPLETE (asked for what
 *   it does not hold), DISK_FULL, REPOSITORY_DAMAGED, …: the host is as it was then
 */
export async function restorePoint(params: RestorePointParams, context: OperationContext): Promise<RestorePointResult> {
  const clock = performance.now();
  return withContent(
    params,
    context,
    async (repository) => {
      const point = await readPoint(repository, params.point);
      return withHost(params, async (host) => {
        const result = await whileReading(repository, [point], 'restore', context, () =>
          restore(repository, point, host, params, context),
        );
        return { ...result, durationMs: Math.round(performance.now() - clock) };
      });
    },
    { limiter: rateLimiter(params.limitRate), signal: context.signal },
  );
}

async function restore(
  repository: Repository,
  point: Point,
  host: Host,
  params: RestorePointParams,
  context: OperationContext,
): Promise<Omit<RestorePointResult, 'durationMs'>> {
  const { body } = point;
  const holes = new HoleReport();
  if (params.kind === 'vm' && body.kind === 'data') {
    throw new HvError(
      'POINT_INCOMPLETE',
      `Restore point ${point.manifest.id} holds disks only, no configuration files.`,
      {
        advice: 'Restore it with --kind data: the VM is then defined anew from the hardware that was recorded.',
        data: { pointId: point.manifest.id },
      },
    );
  }
  const selected = selectDisks(point, params.disks);
  const warnings = body.disks
    .filter((disk) => !selected.includes(disk))
    .map((disk) => `Disk ${disk.index} is not attached: ${disk.skipped ?? 'it was not asked for'}.`);
  const configuration = await readConfiguration(repository, point, params, (warning) => {
    holes.damaged = true;
    warnings.push(warning);
  });
  const kind = configuration ? 'vm' : 'data';
  const replaced = params.replace && !params.newId ? await present(host, body.vm.id) : undefined;
  const vm: VmDescription = {
    ...body.vm,
    disks: body.vm.disks.filter((disk) => selected.some((entry) => entry.index === disk.index)),
  };
  const planned = await host.planVm({
    vm,
    name: params.name,
    newId: params.newId,
    replace: params.replace,
    kind,
    configuration,
    switches: params.switches,
  });
  try {
    await requireDisksFit(repository, point, selected, planned, params, context, warnings);
    const written = new Map<number, number>();
    for (const disk of selected) {
      const onHole = (offset: number, length: number) => holes.add(disk.index, offset, length);
      const bytes = await restoreDisk(
        repository,
        point,
        disk,
        planned,
        context,
        params.allowHoles ? onHole : undefined,
      );
      written.set(disk.index, bytes);
    }
    context.progress?.({ phase: 'realise', vmName: planned.name });
    const restored = await planned.realise();
    const disks: RestoredDisk[] = restored.disks.map((disk, position) => ({
      index: disk.index,
      path: disk.path,
      size: disk.size,
      writtenBytes: written.get(selected[position]?.index ?? disk.index) ?? 0,
    }));
    return {
      restorePointId: point.manifest.id,
      vmId: restored.id,
      vmName: restored.name,
      host: host.uri,
      kind,
      replaced: replaced !== undefined,
      disks,
      networkAdapters: restored.networkAdapters,
      ...holes.result,
      warnings: [
        ...warnings,
        ...planned.warnings,
        ...unplugged(replaced?.networkAdapters ?? [], body.vm.networkAdapters, restored.networkAdapters),
      ],
    };
  } catch (error) {
    await planned.discard();
    throw error;
  }
}

/**
 * Before the first byte: a VM that is replaced stays until the new one is whole, so its disks make no room.
 * @throws DISK_FULL
 */
async function requireDisksFit(
  repository: Repository,
  point: Point,
  disks: readonly ManifestDisk[],
  planned: PlannedVm,
  { allowHoles, replace }: RestorePointParams,
  { signal }: OperationContext,
  warnings: string[],
): Promise<void> {
  const images: Image[] = [];
  for (const disk of disks) {
    const need = await contentNeed(repository, disk.content!, { allowHoles, signal }).catch((error) => {
      throw namingDamage(error, point, disk.index);
    });
    images.push({ ...need, path: planned.diskPath(disk.index), fileBytes: need.most });
  }
  if (images.length === 0) return;
  const leaving = replace ? ' The VM that is replaced keeps its room until the new one is whole.' : '';
  const advice = `Free space there, restore to another host, or only some of the disks.${leaving}`;
  // The folder of the plan goes when it does not fit: the one it lies in is named.
  const folder = dirname(dirname(images[0]!.path));
  await requireRoom(folder, images, { advice, warn: (message) => warnings.push(message) });
}

async function restoreDisk(
  repository: Repository,
  point: Point,
  disk: ManifestDisk,
  planned: PlannedVm,
  context: OperationContext,
  onHole: ((offset: number, length: number) => void) | undefined,
): Promise<number> {
  const hardware = hardwareOf(point, disk);
  const about = { phase: 'restore', vmName: planned.name, disk: disk.index };
  try {
    const source = await openPointDisk(repository, point, disk);
    try {
      const writer = await createVhdxWriter(planned.diskPath(disk.index), {
        size: disk.size,
        blockSize: hardware?.blockSize,
        logicalSectorSize: hardware?.logicalSectorSize,
        physicalSectorSize: hardware?.physicalSectorSize,
      });
      return await writeDisk(source, writer, context, about, onHole);
    } finally {
      await source.close();
    }
  } catch (error) {
    throw namingDamage(error, point, disk.index);
  }
}

/**
 * The disks that were asked for, or all the restore point holds, by index.
 * @throws VM_DISK_NOT_FOUND, POINT_INCOMPLETE
 */
export function selectDisks({ manifest, body }: Point, indexes: readonly number[] | undefined): ManifestDisk[] {
  if (indexes === undefined) return body.disks.filter((disk) => disk.content !== null);
  const ascending = [...new Set(indexes)].sort((a, b) => a - b);
  return ascending.map((index) => {
    const disk = body.disks.find((entry) => entry.index === index);
    if (disk === undefined) {
      const known = body.disks.map((entry) => entry.index).join(', ');
      throw new HvError('VM_DISK_NOT_FOUND', `Restore point ${manifest.id} has no disk ${index}.`, {
        advice: `Ask for one of its disks: ${known || 'it has none'}.`,
        data: { pointId: manifest.id, disk: index },
      });
    }
    if (disk.content === null) {
      throw new HvError('POINT_INCOMPLETE', `Disk ${index} is not in restore point ${manifest.id}: ${disk.skipped}.`, {
        advice: 'Leave it out, or use another restore point.',
        data: { pointId: manifest.id, disk: index },
      });
    }
    return disk;
  });
}

/**
 * The configuration files; undefined when the VM is to be defined anew. Half a configuration is none: where holes are
 * allowed and a file cannot be read, the VM is defined from its description.
 */
async function readConfiguration(
  repository: Repository,
  point: Point,
  { kind, allowHoles }: RestorePointParams,
  onLoss: (warning: string) => void,
) {
  const { body } = point;
  if ((kind ?? body.kind) === 'data') return undefined;
  try {
    return await Promise.all(
      body.configuration.map(async ({ name, kind, content }) => ({
        name,
        kind,
        data: await readWhole(repository, content),
      })),
    );
  } catch (error) {
    const problem = namingDamage(error, point);
    if (!allowHoles || !isHvError(problem, 'REPOSITORY_DAMAGED')) throw problem;
    onLoss(`The configuration files cannot be read: the VM is defined anew from its description. ${problem.message}`);
    return undefined;
  }
}

/** The VM that has the id now; undefined when none has. */
async function present(host: Host, vmId: string): Promise<VmDescription | undefined> {
  return (await host.listVms()).some((vm) => vm.id === vmId) ? await host.getVm(vmId) : undefined;
}

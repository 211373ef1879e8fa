/**
 * The double's process: lines of JSON on standard input and output, over the simulated host in the folder that
 * WMI_DOUBLE_HOST names, by a link that may come to point elsewhere. The PowerShell modules CimDouble and the double of
 * VirtDisk.ps1 are its clients.
 */
import { realpathSync, renameSync, writeFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import type { ChangedRange } from '../../../backend/src/disk/device.ts';
import type { RecoveryCheckpoint } from '../../../backend/src/hosts/port.ts';
import { openSimulatedHost } from '../../../backend/src/hosts/simulated/index.ts';
import { HvError } from '../../../backend/src/support/errors.ts';
import { CimFault } from './embedded.ts';
import { allCheckpoints, type Instance, SERVER, type World } from './instances.ts';
import { invoke, lookAtJob } from './methods.ts';
import { associated, guidIn, instanceOf, instancesOf, matches } from './query.ts';
import { BEFORE_1709, CLASSES, SINCE_1709 } from './schema.ts';
import { type Reference, readBehaviour, readState, setBehaviour, writeState } from './state.ts';
import { setDisk, setSnapshots } from './vhd-sets.ts';

let directory = realpathSync(process.env.WMI_DOUBLE_HOST!);
let host = await openSimulatedHost(directory);

/** Another test, another host: the helper and this process stay, because starting them takes longer than most tests. */
async function followLink(): Promise<void> {
  const now = realpathSync(process.env.WMI_DOUBLE_HOST!);
  if (now === directory) return;
  await host.close();
  directory = now;
  host = await openSimulatedHost(directory);
}

interface Request {
  op: 'instances' | 'get' | 'associated' | 'invoke' | 'class' | 'tracking' | 'changes' | 'connect' | 'share';
  className?: string;
  filter?: string;
  reference?: Reference;
  association?: string;
  resultClass?: string;
  method?: string;
  args?: Record<string, unknown>;
  path?: string;
  rctId?: string;
  /** Id of the session that the call came through. */
  session?: string;
  computerName?: string;
  userName?: string;
  password?: string;
  connect?: boolean;
}

/** Kills the helper (our parent), once, where a test asked for it. */
function killAt(point: string): void {
  const behaviour = readBehaviour(directory);
  if (behaviour.kill !== point) return;
  setBehaviour(directory, { ...behaviour, kill: undefined });
  process.kill(process.ppid, 'SIGKILL');
}

/** No answer while the test says so; none that counts afterwards. */
async function whileHanging(method: string): Promise<void> {
  if (!readBehaviour(directory).hangs?.includes(method)) return;
  process.stdin.once('end', () => process.exit());
  while (readBehaviour(directory).hangs?.includes(method)) await sleep(50);
  throw new CimFault('Failed', 'It hung.');
}

async function answer(request: Request): Promise<unknown> {
  const world: World = { host, state: readState(directory), behaviour: readBehaviour(directory) };
  if (world.behaviour.accessDenied) throw new CimFault('AccessDenied', 'Access denied');
  requireSession(world, request);
  const outward = (instances: Instance[]) => ({ server: SERVER, instances });
  switch (request.op) {
    case 'class': {
      const declared = CLASSES[request.className!];
      if (!declared) throw new CimFault('InvalidClass', `Invalid class ${request.className}`);
      if (BEFORE_1709 && request.className === 'Msvm_VirtualSystemExportSettingData') {
        const properties = Object.entries(declared.properties).filter(([name]) => !SINCE_1709.includes(name));
        return { name: request.className, ...declared, properties: Object.fromEntries(properties) };
      }
      return { name: request.className, ...declared };
    }
    case 'instances': {
      // A filter on the id needs nobody else described.
      const only = guidIn([/^(?:Name|InstanceID) = '([^']*)'$/.exec(request.filter ?? '')?.[1] ?? '']);
      const all = await instancesOf({ ...world, only }, request.className!);
      return outward(request.filter ? all.filter((instance) => matches(instance, request.filter!)) : all);
    }
    case 'get': {
      if (request.reference!.className === 'Msvm_ConcreteJob') {
        const id = request.reference!.keys.InstanceID!;
        killAt(`${world.state.jobs.find((job) => job.id === id)?.method}:look`);
        lookAtJob(world, id);
        writeState(directory, world.state);
      }
      return outward([await instanceOf(world, request.reference!)]);
    }
    case 'associated':
      return outward(await associated(world, request.reference!, request.association, request.resultClass));
    case 'invoke': {
      const method = request.method!;
      await whileHanging(method);
      killAt(`${method}:before`);
      dropAt(world, request, `${method}:before`);
      const result =
        method === 'GetVirtualDiskChanges'
          ? await wmiChanges(world, request.args!)
          : await invoke(world, request.reference!, method, request.args!);
      if (process.env.WMI_DOUBLE_NATIVE && FREEZING.includes(method)) await describeFrozen(world);
      writeState(directory, world.state);
      killAt(`${method}:after`);
      dropAt(world, request, `${method}:after`);
      return result;
    }
    case 'connect':
      return connect(world, request);
    case 'share':
      return { code: share(world, request) };
    case 'tracking': {
      const disk = await frozen(world, request.path!);
      return { enabled: disk?.rctId != null, newerChanges: false, mostRecentId: disk?.rctId ?? null };
    }
    case 'changes': {
      const ranges = await changed(world, request.path!, request.rctId!);
      return { ranges: ranges.list.flatMap(({ offset, length }) => [offset, length]), size: ranges.size };
    }
  }
}

const LOST = ['Failed', 'The WinRM client cannot complete the operation.', 'HRESULT 0x80338126'] as const;

/** A session that has dropped stays so; another one must be made. */
function requireSession(world: World, request: Request): void {
  // These are no calls of WMI.
  if (request.session === undefined || ['share', 'tracking', 'changes'].includes(request.op)) return;
  // One that is not known was opened before the double was put on another world.
  if (world.state.sessions?.[request.session]) throw new CimFault(...LOST);
  dropAt(world, request, request.op);
}

function dropAt(world: World, request: Request, point: string): void {
  const behaviour = readBehaviour(directory);
  if (request.session === undefined || behaviour.drops !== point) return;
  setBehaviour(directory, { ...behaviour, drops: undefined });
  world.state.sessions = { ...world.state.sessions, [request.session]: true };
  writeState(directory, world.state);
  throw new CimFault(...LOST);
}

function connect(world: World, { computerName, userName, password }: Request): { id: string } {
  if (computerName!.startsWith('no-'))
    throw new CimFault('Failed', `WinRM cannot complete the operation: ${computerName}`, 'HRESULT 0x80338126');
  if (computerName!.startsWith('untrusted-'))
    throw new CimFault('Failed', 'The WinRM client cannot process the request.', 'HRESULT 0x803380e4');
  const { accounts } = world.behaviour;
  if (accounts && !userName) throw new CimFault('AccessDenied', 'Access is denied.', 'HRESULT 0x80070005');
  if (accounts && accounts[userName!] !== password)
    throw new CimFault('Failed', 'The user name or password is incorrect.', 'HRESULT 0x8007052e');
  const id = `session ${Object.keys(world.state.sessions ?? {}).length + 1}`;
  world.state.sessions = { ...world.state.sessions, [id]: false };
  world.state.calls.push(`connect ${computerName} ${userName ?? ''}`.trim());
  writeState(directory, world.state);
  return { id };
}

/** @returns Windows' code, as WNetAddConnection2 and WNetCancelConnection2 give it */
function share(world: World, { computerName, userName, password, connect: on }: Request): number {
  world.state.shares ??= {};
  const server = computerName!.toLowerCase();
  const user = world.state.shares[server];
  let code = 0;
  if (!on) {
    if (user === undefined) code = 2250;
    else delete world.state.shares[server];
  } else if (world.behaviour.sharesRefuse) code = world.behaviour.sharesRefuse;
  else if (user !== undefined && user !== userName) code = 1219;
  else if (world.behaviour.accounts && world.behaviour.accounts[userName!] !== password) code = 1326;
  else world.state.shares[server] = userName!;
  writeState(directory, world.state);
  return code;
}

const FREEZING = ['CreateSnapshot', 'DestroySnapshot', 'ConvertToReferencePoint'];
const NATIVE_CODES: Record<string, string> = {
  TRACKING_LOST: '0xC03A0020',
  TRACKING_CHANGED_OFFLINE: '0xC03A0022',
  TRACKING_INCONSISTENT: '0xC03A0024',
  TRACKING_ID_INVALID: '0xC03A0029',
};

/** For the double of virtdisk.dll: what it shall say of each frozen disk, in a file beside it. */
async function describeFrozen(world: World): Promise<void> {
  for (const checkpoint of await allCheckpoints(world)) {
    for (const disk of checkpoint.disks) {
      world.state.rctIds[disk.id] ??= [];
      const known = world.state.rctIds[disk.id]!;
      if (disk.rctId && !known.includes(disk.rctId)) known.push(disk.rctId);
      const points = await host.listReferencePoints(checkpoint.vmId);
      const ids = new Set([...known, ...points.flatMap((point) => point.disks.map((entry) => entry.rctId))]);
      if (process.env.WMI_DOUBLE_CONTENT) await writeContent(checkpoint, disk.index, `${disk.path}.content`);
      const lines = [`size ${disk.size}`, `disk-id ${disk.id}`, 'tracking on', `most-recent ${disk.rctId}`];
      if (process.env.WMI_DOUBLE_CONTENT) lines.push(`content ${disk.path}.content`);
      for (const id of ids) {
        try {
          const ranges: string[] = [];
          for await (const page of host.queryChanges(checkpoint, disk.index, id)) {
            ranges.push(...page.map(({ offset, length }) => `range ${offset} ${length}`));
          }
          lines.push(`id ${id}`, ...ranges);
        } catch (error) {
          if (!(error instanceof HvError)) throw error;
          lines.push(`id-error ${id} ${NATIVE_CODES[error.code] ?? '5'}`);
        }
      }
      writeFileSync(`${disk.path}.rct.txt.new`, `${lines.join('\n')}\n`);
      renameSync(`${disk.path}.rct.txt.new`, `${disk.path}.rct.txt`);
    }
  }
}

/** The sectors that attaching the frozen disk would show. */
async function writeContent(checkpoint: RecoveryCheckpoint, index: number, target: string): Promise<void> {
  const device = await host.openDisk(checkpoint, index);
  const content = Buffer.alloc(device.size);
  await device.read(0, content);
  await device.close();
  writeFileSync(`${target}.new`, content);
  renameSync(`${target}.new`, target);
}

async function frozen(world: World, path: string) {
  for (const checkpoint of await allCheckpoints(world)) {
    const disk = checkpoint.disks.find((entry) => entry.path === path);
    if (disk) return { ...disk, checkpoint };
  }
  return undefined;
}

async function changed(world: World, path: string, rctId: string): Promise<{ list: ChangedRange[]; size: number }> {
  const disk = await frozen(world, path);
  if (!disk) throw new HvError('TRACKING_ID_INVALID', `The disk is not frozen: ${path}`);
  const list: ChangedRange[] = [];
  for await (const page of host.queryChanges(disk.checkpoint, disk.index, rctId)) list.push(...page);
  return { list, size: disk.size };
}

/**
 * What is asked about: a file that is frozen, or a snapshot in a VHD set, for which alone there is a TargetSnapshotId.
 */
async function asked(world: World, args: Record<string, unknown>): Promise<{ list: ChangedRange[]; size: number }> {
  const [path, limit, target] = [String(args.Path), String(args.LimitId), String(args.TargetSnapshotId ?? '')];
  const disk = await setDisk(world, path);
  if (!disk && target) throw new HvError('USAGE', 'TargetSnapshotId is for VHD sets');
  if (!disk) return await changed(world, path, limit);
  const snapshot = (await setSnapshots(world, disk)).find(({ checkpoint }) => checkpoint.id === target.toLowerCase());
  if (!snapshot) throw new HvError('TRACKING_ID_INVALID', `no such snapshot: ${target}`);
  return await changed(world, snapshot.path, limit);
}

async function wmiChanges(world: World, args: Record<string, unknown>) {
  const { refusesWholeLength, processedMost, processesNothing } = world.behaviour;
  world.state.calls.push('GetVirtualDiskChanges');
  const forced = world.behaviour.returns?.GetVirtualDiskChanges;
  if (forced !== undefined) return { returnValue: forced, out: {} };
  let answer: { list: ChangedRange[]; size: number };
  try {
    answer = await asked(world, args);
  } catch (error) {
    if (error instanceof HvError) return { returnValue: 32768, out: {} };
    throw error;
  }
  const [offset, length] = [Number(args.ByteOffset), Number(args.ByteLength)];
  if (offset + length > answer.size || length <= 0) return { returnValue: 32773, out: {} };
  if (refusesWholeLength && length >= answer.size) return { returnValue: 32773, out: {} };
  const processed = processesNothing ? 0 : Math.min(length, processedMost ?? length);
  const end = offset + processed;
  const cut = answer.list
    .map((range) => ({ from: Math.max(range.offset, offset), to: Math.min(range.offset + range.length, end) }))
    .filter(({ from, to }) => to > from);
  return {
    returnValue: 0,
    out: {
      ProcessedByteLength: processed,
      ChangedByteOffsets: cut.map(({ from }) => from),
      ChangedByteLengths: cut.map(({ from, to }) => to - from),
    },
  };
}

for await (const line of createInterface({ input: process.stdin })) {
  let reply: unknown;
  try {
    await followLink();
    reply = { ok: true, value: await answer(JSON.parse(line) as Request) };
  } catch (error) {
    if (error instanceof CimFault)
      reply = { ok: false, native: error.native, message: error.message, messageId: error.messageId };
    else if (error instanceof HvError)
      reply = { ok: false, code: error.code, message: error.message, advice: error.advice };
    else reply = { ok: false, native: 'Failed', message: `the double broke: ${(error as Error).stack}` };
  }
  process.stdout.write(`${JSON.stringify(reply)}\n`);
}
await host.close();

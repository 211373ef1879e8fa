/**
 * The only proof that a process is dead: who it is, and whether that one is gone for certain (docs/format.md §6). What
 * cannot be proven counts as alive here; its session's end, or its age, decides then.
 *
 * A clone of a machine has its host name, its machine id, its folders and its lock files, so none of these
 * distinguishes it apart. The boot id does, except from a copy of the memory. A process of an earlier boot is proven
 * dead only where the hardware is the same.
 */
import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { hostname, networkInterfaces } from 'node:os';
import { join } from 'node:path';

export interface ProcessIdentity {
  /** Host name with boot id and process namespace, or with hardware addresses. */
  machine: string;
  pid: number;
  /** Start time of the process in the system's own units; empty where it cannot be known. */
  start: string;
}

let mine: ProcessIdentity | undefined;

/** Identity of this process. */
export function processIdentity(): ProcessIdentity {
  mine ??= { machine: machineIdentity(), pid: process.pid, start: startOf(process.pid)?.start ?? '' };
  return mine;
}

/** True only when it is certain: same machine, and no such process, or a younger one with its number. */
export function isDead(identity: ProcessIdentity): boolean {
  if (identity.machine !== processIdentity().machine) return false;
  if (identity.pid === process.pid) return identity.start !== processIdentity().start;
  try {
    process.kill(identity.pid, 0);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'ESRCH';
  }
  const found = startOf(identity.pid);
  if (found === undefined) return false;
  return found.ended || (identity.start !== '' && found.start !== identity.start);
}

/**
 * True only when it is certain, also of a process of an earlier boot: then the same machine, with the same hardware,
 * has been started since.
 * @param hardware {@link hardwareName} of its machine then. @param self for tests: this process, and its machine's
 *   hardware
 */
export function isGone(
  identity: ProcessIdentity,
  hardware: string | null,
  self: { identity: ProcessIdentity; hardware: string | null } = {
    identity: processIdentity(),
    hardware: hardwareName(),
  },
): boolean {
  if (identity.machine === self.identity.machine) return isDead(identity);
  if (hardware === null || hardware !== self.hardware) return false;
  const [then, now] = [bootOf(identity.machine), bootOf(self.identity.machine)];
  // Another process namespace of the same boot is another container: its process may well live.
  return then !== null && now !== null && then.host === now.host && then.boot !== now.boot;
}

/** What a process says of itself beside what it leaves on a host: a plan, an export. */
export interface RecordedOwner extends ProcessIdentity {
  hardware: string | null;
}

export const ownerHere = (): RecordedOwner => ({ ...processIdentity(), hardware: hardwareName() });

/** After so long what this machine left is cleaned up though it cannot prove its process dead. Milliseconds. */
const LEFT_BEHIND_MS = 7 * 24 * 3600 * 1000;

/**
 * Whether what a process left may be cleaned up: it is proven dead, or of a machine of this name, whose boot or
 * adapters have changed since, and a week has passed. What another machine left is never judged by the clock of this
 * one.
 * @param startedAt ISO 8601, by its machine's clock; a date that is none is no reason
 */
export function isLeftBehind(owner: RecordedOwner, startedAt: string, now = Date.now()): boolean {
  if (isGone(owner, owner.hardware)) return true;
  const self = processIdentity().machine;
  const isOfThisName = owner.machine !== self && hostOf(owner.machine) === hostOf(self);
  return isOfThisName && now - Date.parse(startedAt) > LEFT_BEHIND_MS;
}

const hostOf = (machine: string): string => machine.split(' ')[0]!;

/** Of {@link ProcessIdentity.machine}; null where the system has no boot ids. */
function bootOf(machine: string): { host: string; boot: string } | null {
  const match = /^(\S+) ([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}) pid:/.exec(machine);
  return match && { host: match[1]!, boot: match[2]! };
}

/**
 * Distinguishes a machine from its clones: a digest of the addresses of its network cards and, where this account may
 * read it, of the number of its board. Bridges, tunnels and containers' interfaces come and go and may be equal on
 * clones: they have no device. Cards that are put in or taken out make it another machine; nothing is proven then.
 * @param sys for tests. @returns null where that cannot be determined: in containers, on Windows
 */
export function hardwareName(sys = '/sys'): string | null {
  const cards = addressesOfCards(join(sys, 'class/net'));
  if (cards.length === 0) return null;
  const board = textOf(join(sys, 'class/dmi/id/product_uuid'));
  return createHash('sha256')
    .update(`${board} ${cards.join(' ')}`)
    .digest('hex')
    .slice(0, 32);
}

/** Ascending; each once, as a virtual machine may see a card twice. */
function addressesOfCards(folder: string): string[] {
  const names = existsSync(folder) ? readdirSync(folder) : [];
  const cards = names.filter((name) => existsSync(join(folder, name, 'device')));
  // 0: the card's own, not one that was given to it, or made up.
  const own = cards.filter((name) => textOf(join(folder, name, 'addr_assign_type')) === '0');
  return [...new Set(own.map((name) => textOf(join(folder, name, 'address'))))]
    .filter((address) => address !== '')
    .sort();
}

function textOf(file: string): string {
  try {
    return readFileSync(file, 'utf8').trim();
  } catch {
    return '';
  }
}

/** Short form for names of temporary files: `<machine>-<pid>-<start>`. */
export function writerName(): string {
  const { machine, pid, start } = processIdentity();
  return `${machineDigest(machine)}-${pid}-${start || '0'}`;
}

/** @returns null when the name is none of ours; otherwise whether its writer is certainly dead */
export function isWriterDead(name: string): boolean | null {
  const match = /^([0-9a-f]{16})-(\d{1,10})-(\d{1,20})(-|$)/.exec(name);
  if (match === null) return null;
  const { machine } = processIdentity();
  if (match[1] !== machineDigest(machine)) return false;
  return isDead({ machine, pid: Number(match[2]), start: match[3] === '0' ? '' : match[3]! });
}

const machineDigest = (machine: string): string => createHash('sha256').update(machine).digest('hex').slice(0, 16);

function machineIdentity(): string {
  const parts = [hostname().toLowerCase()];
  try {
    parts.push(readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim(), readlinkSync('/proc/self/ns/pid'));
  } catch {
    // Elsewhere the host name alone could be another machine's too. When an address comes or goes, the machine counts
    // as another one, and the expiry decides: slower, never wrong.
    const addresses = Object.values(networkInterfaces()).flatMap((list) => (list ?? []).map(({ mac }) => mac));
    parts.push(process.platform, ...[...new Set(addresses)].sort());
  }
  return parts.join(' ');
}

/**
 * proc(5): field 3 is the state, field 22 the start time in clock ticks since boot; the name before may hold anything.
 */
function startOf(pid: number): { start: string; ended: boolean } | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return { start: fields[19] ?? '', ended: fields[0] === 'Z' || fields[0] === 'X' };
  } catch {
    return undefined;
  }
}

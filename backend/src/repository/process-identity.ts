/**
 * Who a writer is, so that another process can tell whether it still lives (docs/format.md §6). Only a process of this
 * very machine, boot and process namespace is ever judged; of all others only the expiry counts.
 */
import { createHash } from 'node:crypto';
import { readFileSync, readlinkSync } from 'node:fs';
import { hostname, networkInterfaces } from 'node:os';

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

/** proc(5): field 3 is the state, field 22 the start time in clock ticks since boot; the name before may hold anything. */
function startOf(pid: number): { start: string; ended: boolean } | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return { start: fields[19] ?? '', ended: fields[0] === 'Z' || fields[0] === 'X' };
  } catch {
    return undefined;
  }
}

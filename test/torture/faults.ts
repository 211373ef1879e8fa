/** The faults that are injected into one process's file operations. */
import { below, pick } from '../fuzz/random.ts';
import { errno, type Inode, type ModelDisk } from './model-disk.ts';
import type { FileOperation, Gate } from './model-files.ts';

/** The process is gone: no operation of it does anything any more. */
export class Killed extends Error {
  constructor() {
    super('killed by the test');
  }
}

export const FAULTS = [
  'kill',
  'power cut',
  'disk full',
  'transient I/O error',
  'persistent I/O error',
  'failed flush',
  'misread',
  'append-only',
] as const;
export type FaultKind = (typeof FAULTS)[number];

export interface FaultyProcess {
  gate: Gate;
  /** Whether the fault happened. */
  fired: number;
  /** File operations so far. */
  operations: number;
  dead: boolean;
}

const CHANGES: ReadonlySet<FileOperation> = new Set([
  'write',
  'sync',
  'link',
  'rename',
  'remove',
  'createFolder',
  'removeFolder',
  'syncFolder',
  'open',
]);

/** A process without faults: counts only. */
export function soundProcess(): FaultyProcess {
  const process: FaultyProcess = { fired: 0, operations: 0, dead: false, gate: async () => undefined };
  process.gate = async () => {
    process.operations += 1;
    return undefined;
  };
  return process;
}

/**
 * @param at number of the operation that it happens at, from 1 (for kill and power cut: of the changing operations)
 * @param random decides what is left open
 */
export function faultyProcess(kind: FaultKind, at: number, disk: ModelDisk, random: () => number): FaultyProcess {
  const process: FaultyProcess = { fired: 0, operations: 0, dead: false, gate: async () => undefined };
  let changes = 0;
  let broken: string | undefined;
  const io = (operation: string, filePath: string): Error => {
    process.fired += 1;
    return errno('EIO', operation, filePath);
  };
  process.gate = async (operation: FileOperation, filePath: string, file?: Inode) => {
    if (process.dead) throw new Killed();
    process.operations += 1;
    if (CHANGES.has(operation)) changes += 1;
    switch (kind) {
      case 'kill':
      case 'power cut': {
        if (!CHANGES.has(operation) || changes !== at) return undefined;
        process.dead = true;
        process.fired = 1;
        if (random() < 0.5) throw new Killed();
        return { after: new Killed(), torn: random() < 0.5 };
      }
      case 'disk full':
        if (process.operations === at) disk.capacity = disk.usedBytes() + below(random, 3000);
        if (operation === 'write' && disk.usedBytes() >= disk.capacity) process.fired += 1;
        return undefined;
      case 'transient I/O error': {
        if (process.operations < at || process.fired > 0 || operation === 'close' || operation === 'stat')
          return undefined;
        const error = io(operation, filePath);
        // Some fail although they were done.
        if (random() < 0.3) return { after: error };
        throw error;
      }
      case 'persistent I/O error':
        if (process.operations === at) broken = pick(random, [filePath, parent(filePath)]);
        if (broken === undefined || operation === 'close' || operation === 'stat') return undefined;
        if (filePath === broken || filePath.startsWith(`${broken}/`)) throw io(operation, filePath);
        return undefined;
      case 'failed flush':
        if (operation !== 'sync' || changes < at || process.fired > 0) return undefined;
        file?.loseFlush(random);
        throw io('fsync', filePath);
      case 'misread':
        if (operation !== 'read' || process.operations < at || process.fired > 0) return undefined;
        process.fired += 1;
        return { misread: true };
      case 'append-only':
        if (operation !== 'remove' || filePath.includes('/tmp/')) return undefined;
        process.fired += 1;
        throw errno('EACCES', 'unlink', filePath);
    }
  };
  return process;
}

const parent = (filePath: string): string => filePath.slice(0, filePath.lastIndexOf('/'));

/** Real processes over a folder whose calls fail as the test says: test/helper/fault-layer, preloaded. */
import { execFileSync } from 'node:child_process';
import { closeSync, openSync, readFileSync, writeFileSync, writeSync } from 'node:fs';
import { constants } from 'node:os';
import { join, resolve } from 'node:path';
import { madeOnce } from './made-once.ts';
import { hasTool } from './tools.ts';

const SOURCE = resolve(import.meta.dirname, '../../helper/fault-layer/fault-layer.c');

export const CALLS = [
  'open',
  'create',
  'read',
  'write',
  'fsync',
  'link',
  'rename',
  'mkdir',
  'readdir',
  'unlink',
] as const;
export type Call = (typeof CALLS)[number];

const MODES = { off: 0, every: 1, always: 2, hang: 3 } as const;
const ERRNO: Record<string, number> = { ...constants.errno, ESTALE: 116, EHOSTDOWN: 112, EDQUOT: 122, EREMOTEIO: 121 };

export interface Fault {
  mode: keyof typeof MODES;
  errno?: string;
  calls?: readonly Call[];
  /** `every`: each so many-th call. */
  every?: number;
  /** The call is done, and says that it failed. */
  after?: boolean;
  /** `always`: for so long from now, ms; for ever when absent. */
  forMs?: number;
  /** Only paths with this in them. */
  part?: string;
}

/** Offsets of struct control. */
const INJECTED = 40;
const PART = INJECTED + 8 * CALLS.length;

/** Why it cannot be had here; null when it can. */
export const faultLayerMissing = (): string | null =>
  process.platform !== 'linux' ? 'Linux only' : hasTool('gcc') ? null : 'no gcc';

export class FaultLayer {
  /** For processes that are to meet the faults. */
  readonly environment: Record<string, string>;
  readonly #control: string;

  private constructor(library: string, root: string, control: string) {
    this.#control = control;
    this.environment = { LD_PRELOAD: library, FAULT_ROOT: root, FAULT_CONTROL: control };
  }

  /** @param control path of the control file, outside of `root` */
  static async over(root: string, control: string): Promise<FaultLayer> {
    const folder = await madeOnce('fault-layer', [SOURCE], (into) => {
      execFileSync('gcc', ['-shared', '-fPIC', '-O2', '-o', join(into, 'fault-layer.so'), SOURCE, '-ldl', '-pthread']);
    });
    writeFileSync(control, Buffer.alloc(PART + 256));
    return new FaultLayer(join(folder, 'fault-layer.so'), root, control);
  }

  /** In force at once, also for processes that run. Counts begin again. */
  set(fault: Fault): void {
    const bytes = Buffer.alloc(PART + 256);
    const mask = (fault.calls ?? CALLS).reduce((bits, call) => bits | (1 << CALLS.indexOf(call)), 0);
    bytes.writeInt32LE(MODES[fault.mode], 0);
    bytes.writeInt32LE(ERRNO[fault.errno ?? 'EIO']!, 4);
    bytes.writeInt32LE(fault.every ?? 1, 8);
    bytes.writeUInt32LE(mask, 12);
    bytes.writeInt32LE(fault.after ? 1 : 0, 16);
    bytes.writeBigInt64LE(BigInt(fault.forMs === undefined ? 0 : Date.now() + fault.forMs), 24);
    bytes.write(fault.part ?? '', PART);
    const file = openSync(this.#control, 'r+');
    try {
      // The mode last: nothing happens by halves.
      writeSync(file, Buffer.alloc(4), 0, 4, 0);
      writeSync(file, bytes, 4, bytes.length - 4, 4);
      writeSync(file, bytes, 0, 4, 0);
    } finally {
      closeSync(file);
    }
  }

  /** Calls that failed since the last set(). */
  injected(): Record<Call, number> & { all: number } {
    const bytes = readFileSync(this.#control);
    const counts = CALLS.map((call, i) => [call, Number(bytes.readBigInt64LE(INJECTED + 8 * i))] as const);
    const all = counts.reduce((sum, [, count]) => sum + count, 0);
    return { ...(Object.fromEntries(counts) as Record<Call, number>), all };
  }
}

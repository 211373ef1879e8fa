/** Times a command as a whole process: wall time, CPU time, peak memory. */
import { spawn } from 'node:child_process';
import { openSync, readFileSync } from 'node:fs';
import { constants } from 'node:os';

export interface Measurement {
  /** Wall-clock seconds. */
  seconds: number;
  /** User + system CPU seconds of the process and its children; null where the system does not tell (not Linux). */
  cpuSeconds: number | null;
  /** Peak resident memory of the process, bytes; null where the system does not tell. */
  peakBytes: number | null;
  stdout: string;
}

/** Clock ticks a second of /proc/…/stat: 100 on every Linux that Node supports. */
const TICKS = 100;

/** @throws Error with the end of stderr when the exit code is not 0 */
export async function measure(command: string, args: string[], env: NodeJS.ProcessEnv = {}): Promise<Measurement> {
  const before = childCpu();
  const start = performance.now();
  const child = spawn(command, args, {
    env: { ...process.env, ...env },
    stdio: [openSync('/dev/null', 'r'), 'pipe', 'pipe'],
  });
  let stdout = '';
  let stderr = '';
  child.stdout?.setEncoding('utf8').on('data', (text: string) => (stdout += text));
  child.stderr?.setEncoding('utf8').on('data', (text: string) => (stderr = (stderr + text).slice(-4000)));
  let peakBytes: number | null = null;
  const poll = setInterval(() => {
    peakBytes = Math.max(peakBytes ?? 0, peakOf(child.pid)) || null;
  }, 20);
  const code = await new Promise<number | null>((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (status, signal) => resolve(status ?? 128 + (signal ? constants.signals[signal] : 0)));
  });
  clearInterval(poll);
  const seconds = (performance.now() - start) / 1000;
  if (code !== 0) throw new Error(`${command} ${args.join(' ')}: exit code ${code}\n${stderr}`);
  const after = childCpu();
  return { seconds, cpuSeconds: before === null || after === null ? null : after - before, peakBytes, stdout };
}

/** CPU seconds of all children that have ended, from the kernel's own account. */
function childCpu(): number | null {
  try {
    const stat = readFileSync('/proc/self/stat', 'utf8');
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return (Number(fields[13]) + Number(fields[14])) / TICKS; // cutime, cstime
  } catch {
    return null;
  }
}

function peakOf(pid: number | undefined): number {
  try {
    const match = /^VmHWM:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'));
    return match ? Number(match[1]) * 1024 : 0;
  } catch {
    return 0;
  }
}

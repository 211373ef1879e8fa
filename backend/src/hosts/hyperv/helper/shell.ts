/** The PowerShell process: which executable, which environment, started and ended by node-powershell. */
import type { ChildProcess } from 'node:child_process';
import { existsSync } from 'node:fs';
import path from 'node:path';
import { PowerShell } from 'node-powershell';
import { HvError } from '../../../support/errors.ts';

/**
 * Variables that a child needs to work at all. No profile or preference of the user gets in; for the module path see
 * language-mode.ts.
 */
const KEPT_VARIABLES =
  process.platform === 'win32'
    ? [
        'SystemRoot',
        'windir',
        'SystemDrive',
        'TEMP',
        'TMP',
        'ComSpec',
        'PATHEXT',
        'USERNAME',
        'USERDOMAIN',
        'USERPROFILE',
      ]
        .concat(['APPDATA', 'LOCALAPPDATA', 'ProgramData', 'ProgramFiles', 'COMPUTERNAME', 'NUMBER_OF_PROCESSORS'])
        .concat(['PROCESSOR_ARCHITECTURE', 'OS', 'ALLUSERSPROFILE', 'PUBLIC', 'LOGONSERVER', 'USERDNSDOMAIN'])
    : ['HOME', 'PATH', 'TMPDIR', 'LANG', 'USER'];

const STDERR_KEPT = 8192;

/**
 * Absolute path of the PowerShell to use: `HVBACKUP_POWERSHELL`, else Windows PowerShell of this machine.
 * @throws NOT_SUPPORTED where there is none, USAGE for a setting that is not an absolute path of a file
 */
export function powerShellPath(environment: NodeJS.ProcessEnv = process.env, platform = process.platform): string {
  const chosen = environment.HVBACKUP_POWERSHELL;
  if (chosen) {
    if (path.isAbsolute(chosen) && existsSync(chosen)) return chosen;
    throw new HvError('USAGE', `HVBACKUP_POWERSHELL does not name a file by its absolute path: ${chosen}`, {
      advice: 'Give the path of powershell.exe or pwsh.exe, or remove the variable.',
      data: { variable: 'HVBACKUP_POWERSHELL', path: chosen },
    });
  }
  if (platform !== 'win32') {
    throw new HvError('NOT_SUPPORTED', 'Hyper-V hosts can be reached from Windows only.', {
      advice: 'Run this on a Windows machine, or use a simulated host (sim:DIR).',
      data: { platform },
    });
  }
  const root = environment.SystemRoot ?? 'C:\\Windows';
  return path.win32.join(root, 'System32', 'WindowsPowerShell', 'v1.0', 'powershell.exe');
}

/** @param helper path of HyperVHelper.ps1, which the child gets as a variable: it is no script text */
export function childEnvironment(helper: string, environment: NodeJS.ProcessEnv = process.env): NodeJS.ProcessEnv {
  const kept: NodeJS.ProcessEnv = { HVBACKUP_HELPER: helper, TERM: 'dumb', NO_COLOR: '1' };
  for (const name of KEPT_VARIABLES) if (environment[name] !== undefined) kept[name] = environment[name];
  if (process.platform === 'win32') {
    const root = kept.SystemRoot ?? 'C:\\Windows';
    kept.PATH = [`${root}\\System32`, root, `${root}\\System32\\Wbem`].join(';');
    kept.POWERSHELL_TELEMETRY_OPTOUT = '1';
  }
  return kept;
}

/** What node-powershell keeps to itself. */
interface Internals {
  process: ChildProcess;
  exitPromise: Promise<void>;
}

/** A process that reads commands from its standard input; node-powershell frames them with markers. */
export class HelperShell extends PowerShell {
  /** The end of what it wrote to standard error. */
  stderrTail = '';
  /** Settles, never rejects, when the process has ended. */
  readonly exited: Promise<void>;

  constructor(executable: string, environment: NodeJS.ProcessEnv) {
    super({
      executable,
      executableOptions: { '-NoProfile': true, '-NonInteractive': true, '-ExecutionPolicy': 'RemoteSigned' },
      spawnOptions: { env: environment, windowsHide: true },
      throwOnInvocationError: false,
    });
    const { exitPromise } = this as unknown as Internals;
    this.exited = exitPromise.catch(() => undefined);
    // After the process died, writing to it fails more than once.
    this.streams.stdin.on('error', () => {});
    this.streams.stderr.on('data', (text: string) => {
      this.stderrTail = (this.stderrTail + text).slice(-STDERR_KEPT);
    });
  }

  get pid(): number | undefined {
    return (this as unknown as Internals).process.pid;
  }

  /** As given: neither names to be looked up on PATH nor the variable NODE_POWERSHELL count. */
  protected override setExecutable({ executable }: { executable?: string }): string {
    return executable!;
  }

  /** Runs a command to its end. node-powershell keeps all output of all commands; here it is not needed. */
  async run(command: string): Promise<string> {
    try {
      return (await this.invoke(command)).raw;
    } finally {
      this.history.length = 0;
      // It pauses the streams between commands: what comes then must not fill the pipes.
      this.streams.stdout.resume();
      this.streams.stderr.resume();
    }
  }

  get running(): boolean {
    const { exitCode, signalCode } = (this as unknown as Internals).process;
    return exitCode === null && signalCode === null;
  }

  /** Whether the process and its streams keep this process alive. */
  hold(held: boolean): void {
    const child = (this as unknown as Internals).process;
    for (const part of [child, child.stdin, child.stdout, child.stderr] as ({ ref(): void; unref(): void } | null)[]) {
      if (held) part?.ref();
      else part?.unref();
    }
  }

  /**
   * Writes a line past node-powershell, whose markers Constrained Language Mode does not allow, and waits for what
   * shall come of it. Only while no command runs. @throws when the process ends first
   */
  async converse(line: string, expected: RegExp): Promise<RegExpExecArray> {
    const { stdin, stdout } = this.streams;
    let heard = '';
    let listen!: (text: string) => void;
    try {
      return await new Promise((resolve, reject) => {
        listen = (text) => {
          heard = (heard + text).slice(-65_536);
          const match = expected.exec(heard);
          if (match) resolve(match);
        };
        stdout.on('data', listen);
        stdout.resume();
        this.streams.stderr.resume();
        void this.exited.then(() => reject(new Error('it ended')));
        stdin.write(`${line}\n`);
      });
    } finally {
      stdout.off('data', listen);
      stdout.resume();
    }
  }

  /** Ends the process: asks first, then does it. */
  async end(graceMs = 2000): Promise<void> {
    const child = (this as unknown as Internals).process;
    this.streams.stdin.end();
    const timer = setTimeout(() => child.kill('SIGKILL'), graceMs);
    await this.exited;
    clearTimeout(timer);
  }

  kill(): void {
    (this as unknown as Internals).process.kill('SIGKILL');
  }
}

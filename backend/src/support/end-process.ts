/**
 * Ends this process even while a call to the system hangs. `process.exit` waits for the threads that make such calls,
 * and a read from a share whose server is gone may never return; on Linux and macOS the process becomes a shell instead
 * that exits at once, which the kernel does without waiting.
 * @param code exit code; where there is no `execve` (Windows), the process ends with the system's code for a killed one
 */
export function endAtOnce(code: number): never {
  const { execve } = process as { execve?: (file: string, args: string[], environment: object) => void };
  try {
    // Node warns that execve is experimental.
    process.removeAllListeners('warning');
    execve?.call(process, '/bin/sh', ['sh', '-c', `exit ${code}`], {});
  } catch {
    // No shell, or not allowed.
  }
  process.kill(process.pid, 'SIGKILL');
  // It ends before this line; the type says so.
  throw new Error('the process has ended');
}

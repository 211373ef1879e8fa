/** Where this machine keeps what it can rebuild or only needs while a process lives: catalogs and locks. */
import { homedir } from 'node:os';
import { join } from 'node:path';

/** Absolute path, not created. `HVBACKUP_STATE_DIR` overrides; per machine on Windows, per user elsewhere. */
export function stateDirectory(environment: NodeJS.ProcessEnv = process.env): string {
  if (environment.HVBACKUP_STATE_DIR) return environment.HVBACKUP_STATE_DIR;
  if (process.platform === 'win32') return join(environment.ProgramData ?? 'C:\\ProgramData', 'HyperVBackup');
  return join(environment.XDG_STATE_HOME ?? join(homedir(), '.local', 'state'), 'hypervbackup');
}

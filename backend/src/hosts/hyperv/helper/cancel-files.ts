/**
 * How a running request is cancelled: a file named by its id, in a folder that only the helper and the backend
 * know. Standard input cannot say it, because PowerShell reads it only between commands. The folder is there only while
 * something is being cancelled.
 */
import { randomBytes } from 'node:crypto';
import { rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { makeFolderSync } from '../../../support/make-folder.ts';

export class CancelFiles {
  /** A name that cannot be guessed. */
  readonly folder = join(tmpdir(), `hvbackup-${randomBytes(16).toString('hex')}`);

  /**
   * Cancels request `id` when the signal is aborted.
   * @returns what ends that; to be called when the request was answered
   */
  watch(id: number, signal: AbortSignal | undefined): () => void {
    if (!signal) return () => undefined;
    let cancelled = false;
    const tell = (): void => {
      try {
        makeFolderSync(this.folder, 0o700);
        cancelled = true;
        writeFileSync(join(this.folder, String(id)), '');
      } catch {
        // Then the request runs to its end, and the caller sees its signal.
      }
    };
    if (signal.aborted) tell();
    else signal.addEventListener('abort', tell, { once: true });
    return () => {
      signal.removeEventListener('abort', tell);
      if (cancelled) rmSync(this.folder, { recursive: true, force: true });
    };
  }
}

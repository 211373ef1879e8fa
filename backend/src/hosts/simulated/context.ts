/** What the parts of the simulated host share. */
import type { HostLock } from './lock.ts';
import type { State } from './state.ts';

export interface HostContext {
  /** Absolute path of the host's folder. */
  root: string;
  lock: HostLock;
  /** Written only by the holder of the lock. */
  state: State;
  /** Committed state, readable at any time. */
  view: State;
}

/** Named moments of a change, passed to {@link onReach}. */
export type CrashPoint =
  | 'create-checkpoint:intended'
  | 'create-checkpoint:file-created'
  | 'create-checkpoint:sealed'
  | 'create-checkpoint:done'
  | 'end-checkpoint:recorded'
  | 'merge:begun'
  | 'merge:copied'
  | 'merge:reparented'
  | 'merge:recorded'
  | 'realise:intended'
  | 'realise:moved'
  | 'realise:recorded'
  | 'guest-write:recorded'
  | 'guest-write:partly'
  | 'guest-write:written';

let listener: ((point: CrashPoint) => void) | undefined;

/** Calls `listen` at every crash point of this process: crash tests kill themselves there. */
export function onReach(listen: ((point: CrashPoint) => void) | undefined): void {
  listener = listen;
}

export const reach = (point: CrashPoint): void => listener?.(point);

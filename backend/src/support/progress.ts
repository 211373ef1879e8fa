/** What a long operation reports while it runs, and how it is cancelled. */
export interface ProgressEvent {
  /** What is being done now: `checkpoint`, `read`, `publish`, `convert`, `verify`, `restore`, `export`, `prune`, … */
  phase: string;
  vmName?: string;
  /** Disk index, from 0. */
  disk?: number;
  /** Bytes done and to do within the phase; absent where unknown. */
  doneBytes?: number;
  totalBytes?: number;
  message?: string;
}

/** Calls of a storage that failed and were repeated. */
export interface RepeatedCalls {
  calls: number;
  /** Whole milliseconds. */
  waitedMs: number;
  /** How often, by the name of the error. */
  errors: Record<string, number>;
}

export interface OperationContext {
  signal?: AbortSignal;
  progress?: (event: ProgressEvent) => void;
  /** Something the person should know that is not an error. */
  warn?: (message: string) => void;
  /** Gets each element of the result's list as soon as it is final; absent when the caller waits for the whole. */
  partial?: (element: object) => void;
  /** Gets what a storage made repeat, when it is closed. */
  repeated?: (counts: RepeatedCalls) => void;
}

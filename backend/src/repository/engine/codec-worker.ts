/** A codec worker thread: keeps views of the slots it was told of and runs one task after the other. */
import { isMainThread, parentPort, workerData } from 'node:worker_threads';
import { type Slot, viewSlot } from './slot.ts';
import { runTask, type WorkerReply, type WorkerRequest } from './tasks.ts';

/**
 * To be called first thing by every entry point of the bundle: the same file is the worker's.
 * @returns true when this thread is a codec worker and must do nothing else
 */
export function runWorkerIfRequested(): boolean {
  if (isMainThread || parentPort === null) return false;
  if ((workerData as { hvbackupWorker?: string } | null)?.hvbackupWorker !== 'codec') return false;
  const port = parentPort;
  const slots = new Map<number, Slot>();
  port.on('message', (request: WorkerRequest) => {
    if ('add' in request) {
      slots.set(request.add.number, viewSlot(request.add));
      return;
    }
    port.postMessage(answer(slots.get(request.slot), request));
  });
  return true;
}

function answer(slot: Slot | undefined, request: Extract<WorkerRequest, { id: number }>): WorkerReply {
  try {
    if (slot === undefined) throw new Error(`slot ${request.slot} is unknown`);
    return { id: request.id, result: runTask(slot, request) };
  } catch (error) {
    return { id: request.id, error: error instanceof Error ? (error.stack ?? error.message) : String(error) };
  }
}

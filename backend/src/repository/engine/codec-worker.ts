/** A codec worker thread: keeps views of the slots it was told of and runs one task after the other. */
import { parentPort } from 'node:worker_threads';
import { type Slot, viewSlot } from './slot.ts';
import { runTask, type WorkerReply, type WorkerRequest } from './tasks.ts';

/** Answers the pool's messages until the thread is ended. */
export function runCodecWorker(): void {
  const port = parentPort;
  if (port === null) throw new Error('a codec worker runs in a worker thread only');
  const slots = new Map<number, Slot>();
  port.on('message', (request: WorkerRequest) => {
    if ('add' in request) {
      slots.set(request.add.number, viewSlot(request.add));
      return;
    }
    port.postMessage(answer(slots.get(request.slot), request));
  });
}

function answer(slot: Slot | undefined, request: Extract<WorkerRequest, { id: number }>): WorkerReply {
  try {
    if (slot === undefined) throw new Error(`slot ${request.slot} is unknown`);
    return { id: request.id, result: runTask(slot, request) };
  } catch (error) {
    return { id: request.id, error: error instanceof Error ? (error.stack ?? error.message) : String(error) };
  }
}

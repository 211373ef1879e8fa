/** A codec worker thread: keeps views of the slots it was given and runs one task after the other. */
import { parentPort } from 'node:worker_threads';
import type { BlockScheme } from '../format/block-scheme.ts';
import { type Slot, viewSlot } from './slot.ts';
import { runTask, type WorkerReply, type WorkerRequest } from './tasks.ts';

/** Answers the pool's messages until the thread is ended. */
export function runCodecWorker(): void {
  const port = parentPort;
  if (port === null) throw new Error('a codec worker runs in a worker thread only');
  const slots = new Map<number, Slot>();
  let scheme: BlockScheme | undefined;
  port.on('message', (request: WorkerRequest) => {
    if ('scheme' in request) {
      scheme = request.scheme;
      return;
    }
    if ('add' in request) {
      slots.set(request.add.number, viewSlot(request.add));
      return;
    }
    port.postMessage(answer(slots.get(request.slot), request, scheme));
  });
}

function answer(
  slot: Slot | undefined,
  request: Extract<WorkerRequest, { id: number }>,
  scheme: BlockScheme | undefined,
): WorkerReply {
  try {
    if (slot === undefined || scheme === undefined) throw new Error(`slot ${request.slot} is unknown`);
    return { id: request.id, result: runTask(slot, request, scheme) };
  } catch (error) {
    return { id: request.id, error: error instanceof Error ? (error.stack ?? error.message) : String(error) };
  }
}

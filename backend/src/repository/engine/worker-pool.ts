/**
 * Codec worker threads and the slots they share with this thread. Started when first needed; they never keep the
 * process alive while idle, and a worker that dies fails its tasks instead of leaving them waiting.
 */
import type { Worker } from 'node:worker_threads';
import { HvError } from '../../support/errors.ts';
import type { BlockScheme } from '../format/block-scheme.ts';
import { createSlotMemory, type Slot, viewSlot } from './slot.ts';
import { defaultWorkers, spawnCodecWorker } from './spawn-worker.ts';
import { runTask, type TaskRequest, type TaskResult, type WorkerReply, type WorkerRequest } from './tasks.ts';

/** Bytes of plain blocks a slot holds: large enough that a message costs nothing beside the work. */
const SLOT_BYTES = 2 * 1024 * 1024;
/** Bound of one reader's or writer's slots, both sides counted. */
const MAX_SLOT_MEMORY = 64 * 1024 * 1024;

interface Pending {
  resolve(result: TaskResult): void;
  reject(error: unknown): void;
}

interface Member {
  worker: Worker;
  pending: Map<number, Pending>;
}

export class WorkerPool {
  readonly scheme: BlockScheme;
  /** Blocks in a slot. */
  readonly capacity: number;
  /** Slots one reader or writer may use. */
  get slotsPerUser(): number {
    return Math.max(2, Math.floor(this.#slotsTogether / this.#users));
  }
  readonly #slotsTogether: number;
  #users = 1;
  readonly #size: number;
  readonly #spawn: () => Worker;
  #members: Member[] = [];
  readonly #slots: Slot[] = [];
  readonly #free: Slot[] = [];
  #nextTask = 1;
  #failure: HvError | undefined;
  #closed = false;

  /** @param workers number of threads, default: one a core, at most 8; 0: work on this thread */
  constructor(scheme: BlockScheme, workers = defaultWorkers(), spawn = spawnCodecWorker) {
    const { blockSize } = scheme;
    this.scheme = scheme;
    this.capacity = Math.max(1, Math.floor(SLOT_BYTES / blockSize));
    this.#size = workers;
    this.#spawn = spawn;
    const bound = Math.floor(MAX_SLOT_MEMORY / (2 * this.capacity * blockSize));
    this.#slotsTogether = Math.min(bound, 2 * workers + 4);
  }

  /** Says how many readers or writers will be at work side by side: they get the memory that one would have. */
  shareAmong(users: number): void {
    this.#users = Math.max(1, users);
  }

  /** Runs a task on the least busy worker. @throws INTERNAL when the worker fails or dies */
  run(request: TaskRequest): Promise<TaskResult> {
    if (this.#failure) return Promise.reject(this.#failure);
    if (this.#closed) return Promise.reject(new HvError('INTERNAL', 'The codec workers are closed.'));
    if (this.#size === 0) return this.#runHere(request);
    this.#start();
    let best = this.#members[0]!;
    for (const member of this.#members) if (member.pending.size < best.pending.size) best = member;
    const id = this.#nextTask++;
    return new Promise((resolve, reject) => {
      if (best.pending.size === 0) best.worker.ref();
      best.pending.set(id, { resolve, reject });
      post(best.worker, { id, ...request });
    });
  }

  async #runHere(request: TaskRequest): Promise<TaskResult> {
    return runTask(this.#slots[request.slot]!, request, this.scheme);
  }

  takeSlot(): Slot {
    const free = this.#free.pop();
    if (free) return free;
    const slot = viewSlot(createSlotMemory(this.#slots.length, this.scheme, this.capacity));
    this.#slots.push(slot);
    for (const member of this.#members) post(member.worker, { add: slot.memory });
    return slot;
  }

  returnSlot(slot: Slot): void {
    this.#free.push(slot);
  }

  async close(): Promise<void> {
    this.#closed = true;
    const members = this.#members;
    this.#members = [];
    await Promise.all(members.map((member) => member.worker.terminate()));
  }

  #start(): void {
    while (this.#members.length < this.#size) {
      const member: Member = { worker: this.#spawn(), pending: new Map() };
      const { worker, pending } = member;
      worker.unref();
      worker.on('message', (reply: WorkerReply) => {
        const task = pending.get(reply.id);
        pending.delete(reply.id);
        if (pending.size === 0) worker.unref();
        if ('result' in reply) task?.resolve(reply.result);
        else task?.reject(new HvError('INTERNAL', `A codec worker failed: ${reply.error}`));
      });
      worker.on('error', (error) => this.#fail(member, `A codec worker thread died: ${error.message}`, error));
      worker.on('exit', (code) => this.#fail(member, `A codec worker thread ended with code ${code}`));
      post(worker, { scheme: this.scheme });
      for (const slot of this.#slots) post(worker, { add: slot.memory });
      this.#members.push(member);
    }
  }

  #fail(member: Member, message: string, cause?: unknown): void {
    const error = new HvError('INTERNAL', message, { cause });
    if (!this.#closed) this.#failure ??= error;
    for (const task of member.pending.values()) task.reject(error);
    member.pending.clear();
  }
}

const post = (worker: Worker, request: WorkerRequest): void => worker.postMessage(request);

/** The slots of one reader or writer: a bounded number, handed out in turn. */
export class SlotSet {
  readonly #pool: WorkerPool;
  readonly #limit: number;
  #taken = 0;
  readonly #idle: Slot[] = [];
  readonly #waiting: ((slot: Slot) => void)[] = [];
  #disposed = false;

  constructor(pool: WorkerPool, limit = pool.slotsPerUser) {
    this.#pool = pool;
    this.#limit = Math.max(1, limit);
  }

  /** A free slot, at once or when one is released. */
  acquire(): Promise<Slot> {
    const slot = this.tryAcquire();
    if (slot) return Promise.resolve(slot);
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  tryAcquire(): Slot | undefined {
    const idle = this.#idle.pop();
    if (idle) return idle;
    if (this.#taken >= this.#limit) return undefined;
    this.#taken += 1;
    return this.#pool.takeSlot();
  }

  release(slot: Slot): void {
    const waiting = this.#waiting.shift();
    if (waiting) waiting(slot);
    else if (this.#disposed) this.#pool.returnSlot(slot);
    else this.#idle.push(slot);
  }

  /** Gives the slots back to the pool: idle ones now, others when they are released. */
  dispose(): void {
    this.#disposed = true;
    for (const slot of this.#idle.splice(0)) this.#pool.returnSlot(slot);
  }
}

/**
 * A frozen disk that the helper attached (AttachVirtualDisk): its sectors come through a pipe between the helper and
 * this process, as fast as Windows reads them. For disks whose files we cannot read ourselves.
 *
 * The pipe has a name that cannot be guessed, and a client that connects sends a secret that went to the helper on its
 * standard input. Requests are { u64 offset, u32 length, u32 0 }, answers { u32 status, u32 length } and the bytes:
 * content for status 0, else the error as text of three lines (code, message, advice). Answers come in the order of the
 * requests; all numbers little-endian.
 */
import { randomBytes, randomUUID, timingSafeEqual } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Extent } from '../../../disk/device.ts';
import { allDone } from '../../../support/concurrency.ts';
import { ERROR_CODES, type ErrorCode } from '../../../support/error-codes.ts';
import { HvError, hex } from '../../../support/errors.ts';
import type { HostDisk, Reading } from '../../port.ts';
import type { Helper } from '../helper/helper.ts';
import { AttachedAnswer } from '../wmi.ts';

/** Bytes of one request; the helper refuses more. */
const CHUNK = 1 << 20;
const TOKEN_BYTES = 32;
const HEADER = 8;
const LONGEST_ERROR = 65_536;
/** Windows retries a failing disk for minutes. */
const SILENCE_MS = 300_000;

interface Waiting {
  target: Uint8Array;
  done(): void;
  failed(error: HvError): void;
}

export interface AttachedOptions {
  helper: Helper;
  /** As the host names it: this machine's. */
  path: string;
  reading: Reading;
  /** Throws when the checkpoint has ended. */
  stillThere: () => Promise<void>;
}

export class AttachedDisk implements HostDisk {
  readonly reading: Reading;
  readonly size: number;
  readonly logicalSectorSize: number;
  readonly physicalSectorSize: number;
  readonly #options: AttachedOptions;
  readonly #session: string;
  readonly #pipe: Pipe;
  #closed = false;

  /** @throws what attaching fails with; HELPER_FAILED when the helper does not come to the pipe */
  static async open(options: AttachedOptions): Promise<AttachedDisk> {
    const door = await Door.open();
    const session = randomUUID();
    const token = randomBytes(TOKEN_BYTES);
    try {
      const connected = door.connection(token);
      // When attaching fails no client connects, and none is awaited.
      connected.catch(() => undefined);
      const params = { path: options.path, session, pipe: door.name, token: token.toString('base64') };
      const answer = AttachedAnswer.parse(await options.helper.request('openAttached', params));
      return new AttachedDisk(options, session, new Pipe(await connected, options.path), answer);
    } finally {
      await door.close();
    }
  }

  private constructor(
    options: AttachedOptions,
    session: string,
    pipe: Pipe,
    { size, sectorSize }: { size: number; sectorSize: number },
  ) {
    this.#options = options;
    this.#session = session;
    this.#pipe = pipe;
    this.reading = options.reading;
    this.size = size;
    this.logicalSectorSize = sectorSize;
    this.physicalSectorSize = sectorSize;
  }

  async read(offset: number, target: Uint8Array): Promise<void> {
    this.#check(offset, target.length);
    const parts: Promise<void>[] = [];
    for (let at = 0; at < target.length; at += CHUNK)
      parts.push(this.#pipe.ask(offset + at, target.subarray(at, at + CHUNK)));
    // All must be over before the buffer goes back, also when one fails.
    await allDone(parts);
  }

  /** Which parts are zeros cannot be asked of an attached disk. */
  async *extents(offset = 0, length = this.size - offset): AsyncGenerator<Extent> {
    this.#check(offset, length);
    if (length > 0) yield { offset, length, kind: 'data' };
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    await this.#pipe.close();
    // Detached when this returns: an attached disk would stand in the way of the merge.
    await this.#options.helper.request('closeAttached', { session: this.#session }, { repeat: true });
    await this.#options.stillThere();
  }

  #check(offset: number, length: number): void {
    const fine = Number.isSafeInteger(offset) && Number.isSafeInteger(length) && offset >= 0 && length >= 0;
    if (fine && offset + length <= this.size) return;
    throw new HvError('DISK_OUT_OF_RANGE', `The range ${hex(offset)}+${hex(length)} leaves ${this.#options.path}`, {
      data: { path: this.#options.path, offset, length, size: this.size },
    });
  }
}

/** A named pipe that waits for one visitor who knows the secret. */
class Door {
  readonly name: string;
  readonly #server: Server;
  readonly #folder: string | null;

  private constructor(name: string, server: Server, folder: string | null) {
    this.name = name;
    this.#server = server;
    this.#folder = folder;
  }

  static async open(): Promise<Door> {
    const id = `hvbackup-${randomUUID()}`;
    const windows = process.platform === 'win32';
    // A folder of its own: only this account gets in.
    const folder = windows ? null : await mkdtemp(join(tmpdir(), 'hvb-'));
    const name = folder === null ? id : join(folder, 'pipe');
    const server = createServer();
    server.listen(windows ? `\\\\.\\pipe\\${id}` : name);
    await once(server, 'listening');
    return new Door(name, server, folder);
  }

  /** @throws HELPER_FAILED after a minute without the right visitor */
  connection(token: Buffer): Promise<Socket> {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => reject(failed('the helper did not come to the pipe')), 60_000);
      timer.unref();
      this.#server.once('close', () => {
        clearTimeout(timer);
        reject(failed('the pipe was closed'));
      });
      this.#server.on('connection', (socket) => {
        socket.on('error', () => socket.destroy());
        let shown = Buffer.alloc(0);
        const listen = (data: Buffer): void => {
          shown = Buffer.concat([shown, data]);
          if (shown.length < TOKEN_BYTES) return;
          socket.off('data', listen);
          socket.pause();
          if (shown.length > TOKEN_BYTES || !timingSafeEqual(shown, token)) return void socket.destroy();
          clearTimeout(timer);
          resolve(socket);
        };
        socket.on('data', listen);
      });
    });
  }

  async close(): Promise<void> {
    this.#server.close();
    if (this.#folder) await rm(this.#folder, { recursive: true, force: true });
  }
}

const failed = (why: string): HvError =>
  new HvError('HELPER_FAILED', `Attached reading: ${why}.`, { advice: 'Run the backup again.' });

/** Requests and answers over the connection. */
class Pipe {
  readonly #socket: Socket;
  readonly #path: string;
  readonly #waiting: Waiting[] = [];
  #header = Buffer.alloc(HEADER);
  #have = 0;
  /** Of the answer that is coming in. */
  #status = 0;
  #body: Uint8Array | null = null;
  #filled = 0;
  #broken: HvError | null = null;

  constructor(socket: Socket, path: string) {
    this.#socket = socket;
    this.#path = path;
    socket.setTimeout(SILENCE_MS, () => {
      if (this.#waiting.length > 0) this.#break(`${path}: nothing was heard for ${SILENCE_MS / 1000} s`);
    });
    socket.on('error', (error) => this.#break(`${path}: ${error.message}`));
    socket.on('close', () => this.#break(`${path}: the helper has closed the pipe`));
    socket.on('data', (data: Buffer) => this.#take(data));
    socket.resume();
  }

  ask(offset: number, target: Uint8Array): Promise<void> {
    if (this.#broken) return Promise.reject(this.#broken);
    return new Promise((resolve, reject) => {
      const request = Buffer.alloc(16);
      request.writeBigUInt64LE(BigInt(offset), 0);
      request.writeUInt32LE(target.length, 8);
      this.#waiting.push({ target, done: resolve, failed: reject });
      this.#socket.write(request);
    });
  }

  #take(data: Buffer): void {
    for (let at = 0; at < data.length && !this.#broken; ) {
      if (this.#body === null) {
        const count = Math.min(HEADER - this.#have, data.length - at);
        data.copy(this.#header, this.#have, at, at + count);
        at += count;
        this.#have += count;
        if (this.#have === HEADER) this.#begin();
      } else {
        const count = Math.min(this.#body.length - this.#filled, data.length - at);
        this.#body.set(data.subarray(at, at + count), this.#filled);
        at += count;
        this.#filled += count;
        if (this.#filled === this.#body.length) this.#end();
      }
    }
  }

  #begin(): void {
    this.#have = 0;
    this.#status = this.#header.readUInt32LE(0);
    const length = this.#header.readUInt32LE(4);
    const wanted = this.#waiting[0]?.target;
    const fits = wanted && (this.#status === 0 ? length === wanted.length : length <= LONGEST_ERROR);
    if (!fits) {
      this.#break(`${this.#path}: an answer of ${length} bytes where ${wanted?.length ?? 'none'} were asked for`);
      return;
    }
    this.#body = this.#status === 0 ? wanted : Buffer.alloc(length);
    this.#filled = 0;
    if (length === 0) this.#end();
  }

  #end(): void {
    const body = this.#body!;
    const { done, failed: fail } = this.#waiting.shift()!;
    this.#body = null;
    if (this.#status === 0) {
      done();
      return;
    }
    const [code, message, advice] = Buffer.from(body).toString('utf8').split('\n');
    const known = ERROR_CODES.includes(code as ErrorCode) ? (code as ErrorCode) : 'IO_ERROR';
    fail(new HvError(known, message ?? `${this.#path} cannot be read`, { advice, data: { path: this.#path } }));
  }

  #break(why: string): void {
    this.#broken ??= failed(why);
    this.#socket.destroy();
    for (const { failed: fail } of this.#waiting.splice(0)) fail(this.#broken);
  }

  async close(): Promise<void> {
    if (this.#socket.destroyed) return;
    const closed = once(this.#socket, 'close');
    this.#socket.end();
    const timer = setTimeout(() => this.#socket.destroy(), 5000);
    await closed;
    clearTimeout(timer);
  }
}

/**
 * One client's session: takes messages line by line, runs requests side by side, and sends answers and notifications.
 * It knows nothing of streams; serve.ts connects it to stdio.
 */
import {
  createJSONRPCErrorResponse,
  createJSONRPCNotification,
  type JSONRPCErrorCode,
  type JSONRPCErrorException,
  type JSONRPCRequest,
  JSONRPCServer,
  JSONRPCErrorCode as Rpc,
} from 'json-rpc-2.0';
import type { OperationContext, ProgressEvent } from '../support/progress.ts';
import * as handshake from './handshake.ts';
import { IdleTimer } from './idle-timer.ts';
import type { Invoke } from './invoke.ts';
import type { Line } from './lines.ts';
import { METHODS, type MethodName } from './methods.ts';
import { ProgressMeter } from './progress-meter.ts';
import { messageError, toRpcError } from './rpc-errors.ts';
import { Throttle } from './throttle.ts';

export interface SessionOptions {
  invoke: Invoke;
  /** Sends one message. */
  send: (message: object) => void;
  /** False while the client does not keep up; progress is left out then. */
  canSendMore?: () => boolean;
  log?: (message: string) => void;
}

type Id = string | number;

export class Session {
  readonly #options: SessionOptions;
  readonly #server: JSONRPCServer<OperationContext>;
  readonly #running = new Map<Id, AbortController>();
  readonly #work = new Set<Promise<void>>();
  readonly #idleTimer: IdleTimer;
  #beforeShutdown: Promise<void>[] = [];
  #initialized = false;
  #closing = false;
  /** Resolves when a `shutdown` request was answered. */
  readonly shutdown: Promise<void>;
  #shutdownDone!: () => void;

  constructor(options: SessionOptions) {
    this.#options = options;
    this.shutdown = new Promise((resolve) => {
      this.#shutdownDone = resolve;
    });
    this.#idleTimer = new IdleTimer(() => this.#endIdle());
    this.#server = new JSONRPCServer<OperationContext>({ errorListener: () => {} });
    this.#server.mapErrorToJSONRPCErrorResponse = (id, error) => {
      const mapped = toRpcError(error);
      return createJSONRPCErrorResponse(id, mapped.code, mapped.message, mapped.data);
    };
    this.#server.addMethod('initialize', (params) => this.#initialize(params));
    this.#server.addMethod('shutdown', () => this.#shutDown());
    for (const name of Object.keys(METHODS) as MethodName[]) {
      this.#server.addMethod(name, (params, context) => options.invoke(name, params, context));
    }
  }

  /** Takes one line. Never throws: what is wrong with it is answered. */
  receive(line: Line): void {
    if (line === null) {
      this.#refuse(
        null,
        messageError(
          Rpc.ParseError,
          `The line is longer than ${handshake.MAX_LINE_BYTES} bytes.`,
          'Send less in one message.',
        ),
      );
      return;
    }
    let message: unknown;
    try {
      message = JSON.parse(line);
    } catch {
      // The parser's own message would quote the line, and a passphrase may be in it.
      const text = 'The line is not JSON.';
      this.#refuse(null, messageError(Rpc.ParseError, text, 'Send one JSON-RPC message a line, in UTF-8.'));
      return;
    }
    const request = handshake.RequestMessage.safeParse(message);
    if (!request.success) {
      const text = Array.isArray(message) ? 'Batches are not supported.' : 'The message is not a JSON-RPC 2.0 request.';
      this.#refuse(idOf(message), messageError(Rpc.InvalidRequest, text, 'Send one JSON-RPC 2.0 request a line.'));
      return;
    }
    if (request.data.id === undefined) this.#notified(request.data);
    else this.#requested(request.data);
  }

  /** Cancels every running request. */
  cancelAll(): void {
    this.#closing = true;
    this.#idleTimer.stop();
    for (const controller of this.#running.values()) controller.abort();
  }

  /** Waits until every running request has been answered. */
  async idle(): Promise<void> {
    while (this.#work.size > 0) await Promise.all(this.#work);
  }

  #notified({ method, params }: JSONRPCRequest): void {
    if (method === '$/cancelRequest') {
      const parsed = handshake.CancelParams.safeParse(params);
      // An id that is not running was answered already: nothing to cancel.
      if (parsed.success) this.#running.get(parsed.data.id)?.abort();
      else this.#log('$/cancelRequest without a valid id');
      return;
    }
    // A request without an id could neither be answered nor cancelled, so no operation is run for one.
    if (!method.startsWith('$/')) this.#log(`notification ${method} ignored: only requests (with an id) are run`);
  }

  #requested(request: JSONRPCRequest): void {
    const { id, method } = request;
    const problem = this.#problemWith(request);
    if (problem !== null || id === null || id === undefined) {
      this.#refuse(
        id ?? null,
        problem ?? messageError(Rpc.InvalidRequest, 'The id is null.', 'Use a number or string.'),
      );
      return;
    }
    if (method === 'shutdown') this.#beforeShutdown = [...this.#work];
    this.#idleTimer.stop();
    const controller = new AbortController();
    this.#running.set(id, controller);
    const { token, partialToken, params } = splitTokens(request.params, id);
    const meter = new ProgressMeter();
    const throttle = new Throttle<ProgressEvent>(handshake.PROGRESS_INTERVAL_MS, (event) => {
      if (this.#options.canSendMore?.() === false) return;
      this.#notify('$/progress', { token, ...meter.measure(event) });
    });
    const context: OperationContext = {
      signal: controller.signal,
      progress: (event) => throttle.push(event),
      warn: (message) => this.#notify('$/warning', { token, message }),
      partial:
        partialToken === undefined
          ? undefined
          : (value) => this.#notify('$/partialResult', { token: partialToken, value }),
    };
    const work = (async () => {
      const response = await this.#server.receive({ ...request, params }, context);
      throttle.stop();
      this.#running.delete(id);
      if (response !== null) this.#options.send(response);
      if (method === 'shutdown') this.#shutdownDone();
    })();
    this.#work.add(work);
    void work.finally(() => {
      this.#work.delete(work);
      if (this.#work.size === 0 && !this.#closing) this.#idleTimer.start();
    });
  }

  #problemWith({ id, method }: JSONRPCRequest): JSONRPCErrorException | null {
    const invalid = (message: string, advice: string, code: JSONRPCErrorCode = Rpc.InvalidRequest) =>
      messageError(code, message, advice);
    if (id === null || id === undefined) return null;
    if (this.#running.has(id)) return invalid(`A request with the id ${id} is still running.`, 'Use a new id.');
    if (this.#closing) return invalid('The session is closing.', 'Start the backend again.');
    if (!this.#initialized && method !== 'initialize') {
      return invalid(`"initialize" must come before "${method}".`, 'Send "initialize" first.');
    }
    if (!this.#server.hasMethod(method)) {
      return invalid(`There is no method "${method}".`, 'See docs/protocol.md for the methods.', Rpc.MethodNotFound);
    }
    return null;
  }

  #initialize(params: unknown): object {
    if (this.#initialized) {
      throw messageError(Rpc.InvalidRequest, 'The session is initialized already.', 'Send "initialize" once.');
    }
    const parsed = handshake.InitializeParams.safeParse(params);
    if (!parsed.success) {
      throw messageError(
        Rpc.InvalidParams,
        'initialize: protocolVersion is missing or is not "major.minor".',
        `Send protocolVersion "${handshake.PROTOCOL_VERSION}".`,
      );
    }
    handshake.negotiate(parsed.data.protocolVersion);
    this.#initialized = true;
    this.#idleTimer.limitMs = parsed.data.idleTimeoutMs;
    return handshake.initializeResult(Object.keys(METHODS));
  }

  /**
   * Nothing has been asked for so long that the client may have forgotten this process. It learns of the end before
   * anything that it sends is refused, so that what it sent meanwhile was surely not begun.
   */
  #endIdle(): void {
    this.#closing = true;
    this.#notify('$/ending', { reason: 'idle' });
    this.#shutdownDone();
  }

  /** Cancels what runs and is answered last. */
  async #shutDown(): Promise<object> {
    this.cancelAll();
    await Promise.all(this.#beforeShutdown);
    return {};
  }

  #refuse(id: Id | null, error: JSONRPCErrorException): void {
    this.#options.send(createJSONRPCErrorResponse(id, error.code, error.message, error.data));
  }

  #notify(method: string, params: object): void {
    this.#options.send(createJSONRPCNotification(method, params));
  }

  #log(message: string): void {
    this.#options.log?.(message);
  }
}

function idOf(message: unknown): Id | null {
  const id = (message as { id?: unknown } | null)?.id;
  return typeof id === 'string' || typeof id === 'number' ? id : null;
}

/** Tokens belong to the protocol, not to the method's parameters. */
function splitTokens(params: unknown, id: Id): { token: Id; partialToken: Id | undefined; params: unknown } {
  const none = { token: id, partialToken: undefined, params };
  if (typeof params !== 'object' || params === null || Array.isArray(params)) return none;
  const { progressToken, partialResultToken, ...rest } = params as Record<string, unknown>;
  const token = (given: unknown): Id | undefined =>
    typeof given === 'string' || typeof given === 'number' ? given : undefined;
  return { token: token(progressToken) ?? id, partialToken: token(partialResultToken), params: rest };
}

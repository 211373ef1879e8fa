/** A client of `serve` in the same process: writes lines, collects messages. */
import { PassThrough } from 'node:stream';
import type { Operations } from '../../../backend/src/protocol/methods.ts';
import { serve } from '../../../backend/src/protocol/serve.ts';

export interface Message {
  id?: string | number | null;
  method?: string;
  // biome-ignore lint/suspicious/noExplicitAny: the shape is what the tests are about.
  params?: any;
  // biome-ignore lint/suspicious/noExplicitAny: see above.
  result?: any;
  // biome-ignore lint/suspicious/noExplicitAny: see above.
  error?: { code: number; message: string; data?: any };
}

export class Client {
  readonly input = new PassThrough();
  readonly output = new PassThrough();
  readonly messages: Message[] = [];
  readonly logs: string[] = [];
  /** Resolves when serve() has ended. */
  readonly ended: Promise<Error | null>;
  #waiting: { matches: (message: Message) => boolean; resolve: (message: Message) => void }[] = [];
  #text = '';

  constructor(operations: Operations, signal?: AbortSignal) {
    this.output.setEncoding('utf8').on('data', (text: string) => this.#read(text));
    this.ended = serve({
      operations,
      input: this.input,
      output: this.output,
      log: (line) => this.logs.push(line),
      signal,
    });
  }

  /** A client that has sent `initialize`. */
  static async initialized(operations: Operations): Promise<Client> {
    const client = new Client(operations);
    await client.request('init', 'initialize', { protocolVersion: '1.0' });
    return client;
  }

  raw(text: string | Uint8Array): void {
    this.input.write(text);
  }

  send(message: object): void {
    this.raw(`${JSON.stringify({ jsonrpc: '2.0', ...message })}\n`);
  }

  /** Sends a request and waits for its answer. */
  request(id: string | number, method: string, params?: object): Promise<Message> {
    const answer = this.answer(id);
    this.send({ id, method, params });
    return answer;
  }

  answer(id: string | number | null): Promise<Message> {
    return this.next((message) => message.id === id && message.method === undefined);
  }

  /** The first message that matches, also one that has come already. */
  next(matches: (message: Message) => boolean): Promise<Message> {
    const come = this.messages.find(matches);
    return come ? Promise.resolve(come) : new Promise((resolve) => this.#waiting.push({ matches, resolve }));
  }

  #read(text: string): void {
    this.#text += text;
    const lines = this.#text.split('\n');
    this.#text = lines.pop()!;
    for (const line of lines) {
      const message = JSON.parse(line) as Message;
      this.messages.push(message);
      for (const waiter of this.#waiting) if (waiter.matches(message)) waiter.resolve(message);
      this.#waiting = this.#waiting.filter((waiter) => !waiter.matches(message));
    }
  }
}

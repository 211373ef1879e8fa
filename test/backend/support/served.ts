/**
 * The bundle as `hvbackup serve`, kept for a world: what a test prepares, and how it reads what came of it, is asked
 * here. A process for each of these takes most of the time of a test; what a test is about still runs as a command of
 * its own.
 */
import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { BUNDLE } from './cli.ts';

interface Answer {
  id: number;
  // biome-ignore lint/suspicious/noExplicitAny: the shape is what the test is about.
  result?: any;
  error?: { message: string; data?: unknown };
}

class Server {
  readonly state: string;
  readonly #child: ChildProcessWithoutNullStreams;
  readonly #waiting = new Map<number, (answer: Answer) => void>();
  #lastId = 0;

  constructor(state: string) {
    this.state = state;
    this.#child = spawn(process.execPath, [BUNDLE, 'serve'], { env: { ...process.env, HVBACKUP_STATE_DIR: state } });
    this.#child.stderr.pipe(process.stderr, { end: false });
    createInterface({ input: this.#child.stdout }).on('line', (line) => {
      const answer = JSON.parse(line) as Answer;
      const resolve = this.#waiting.get(answer.id);
      this.#waiting.delete(answer.id);
      resolve?.(answer);
    });
    this.#child.once('close', () => {
      for (const [id, resolve] of this.#waiting) resolve({ id, error: { message: 'hvbackup serve has ended' } });
      if (last === this) last = undefined;
    });
    void this.call('initialize', { protocolVersion: '1.0' });
  }

  call(method: string, params: object): Promise<Answer> {
    const id = ++this.#lastId;
    return new Promise((resolve) => {
      this.#waiting.set(id, resolve);
      this.#child.stdin.write(`${JSON.stringify({ jsonrpc: '2.0', id, method, params })}\n`);
    });
  }

  /** Ends with its input, as it does when this process ends. */
  end(): void {
    this.#child.stdin.end();
  }
}

/** One is enough: a test is at work in one world at a time. */
let last: Server | undefined;

/**
 * Calls a method of the protocol and expects success.
 * @param state folder of what the backend remembers
 * @returns its result
 */
// biome-ignore lint/suspicious/noExplicitAny: see above.
export async function served(state: string, method: string, params: object): Promise<any> {
  if (last?.state !== state) {
    last?.end();
    last = new Server(state);
  }
  const { result, error } = await last.call(method, params);
  if (error) throw new Error(`${method}: ${error.message} ${JSON.stringify(error.data ?? {})}`);
  return result;
}

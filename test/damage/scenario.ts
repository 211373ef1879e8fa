/**
 * One scenario: a repository is damaged, and a person does what people do then, in any order. docs/torture.md says what
 * must hold.
 */
import { join } from 'node:path';
import type { Invoke } from '../../backend/src/protocol/invoke.ts';
import { toHvError } from '../../backend/src/support/errors.ts';
import { below, pick } from '../fuzz/random.ts';
import { type Inflicted, inflict, mendDisk, undo } from './inflict.ts';
import { type Reading, readAll } from './reading.ts';
import { digest, type Guest, guestWrites, layOut, newInvoke, placesOf, type Template } from './template.ts';

const STEPS = ['check', 'verify', 'repair', 'repair from', 'backup', 'prune'] as const;
type Step = (typeof STEPS)[number];

export interface ScenarioResult {
  inflicted: Inflicted[];
  /** What each step came to: `clean`, `damage`, or an error's code. */
  steps: string[];
  /** What check said at the end. */
  end: 'clean' | 'named' | 'closed';
  named: string[];
  healed: number;
}

/** Errors that say what is wrong with the repository; any other is a defect of ours. */
const HONEST = new Set([
  'REPOSITORY_DAMAGED',
  'REPOSITORY_DOUBTFUL',
  'REPOSITORY_NOT_FOUND',
  'REPOSITORY_VERSION',
  'REPOSITORY_BUSY',
  'WRONG_PASSPHRASE',
  'PASSPHRASE_REQUIRED',
  'REPOSITORY_NOT_ENCRYPTED',
  'POINT_NOT_FOUND',
  'IO_ERROR',
  'NOT_SUPPORTED',
]);
const LONGEST_STEP_MS = 120_000;

export class Scenario {
  readonly #template: Template;
  readonly #random: () => number;
  readonly #invoke: Invoke;
  readonly #defects: string[] = [];
  readonly #points: Map<string, string>;
  readonly #guests: Guest[];
  readonly #steps: string[] = [];
  #work = '';

  constructor(template: Template, random: () => number) {
    this.#template = template;
    this.#random = random;
    this.#points = new Map(template.points);
    this.#guests = template.guests.map(({ name, disk }) => ({ name, disk: Buffer.from(disk) }));
    this.#invoke = newInvoke((message) => this.#defects.push(message));
  }

  /** @throws Error when anything is lost, wrong, or not said as it must be */
  async run(): Promise<ScenarioResult> {
    const random = this.#random;
    mendDisk();
    // Waiting for what stays unreadable takes most of the time; a few do it all the same.
    process.env.HVBACKUP_STORAGE_WAIT_SECONDS = random() < 0.1 ? '' : '0';
    this.#work = await layOut(this.#template, random() < 0.5);
    const { first, second } = placesOf(this.#work);
    const inflicted = await this.#damage(first, 1 + (random() < 0.4 ? below(random, 3) : 0), new Set());
    // What one of the two lost the other still has.
    const spared = new Set(inflicted.map(({ place }) => place));
    const elsewhere = random() < 0.15 && !spared.has('config') && !spared.has('keys');
    if (elsewhere) await this.#damage(second, 1, new Set(['hvbackup-repository.json']));
    const before = await this.#readable(second);
    const mine = await this.#readable(first);
    for (const step of shuffled(STEPS, random)) await this.#step(step);
    const after = await this.#read(first, 'this');
    this.#require(after);
    const outside = inflicted.some(({ place }) => place === 'config' || place === 'keys');
    // A damaged second repository may be refused as a whole: what it still has is what can be read there.
    if (!outside && this.#steps.includes('repair from: done'))
      for (const id of new Set([...before.right, ...mine.right]))
        if (!after.right.has(id))
          this.#fail(`${id} can be read in one of the two and not after repair --from (${after.refused.get(id)})`);
    const end = await this.#end(first);
    await this.#undone(first, inflicted);
    if (this.#defects.length > 0) this.#fail(this.#defects.join('; '));
    return { inflicted, steps: this.#steps, ...end, healed: after.right.size - mine.right.size };
  }

  async #damage(folder: string, count: number, spared: ReadonlySet<string>): Promise<Inflicted[]> {
    const all: Inflicted[] = [];
    for (let i = 0; i < count; i++) {
      const met = new Set([...spared, ...all.flatMap(({ objects }) => objects)]);
      all.push(await inflict(folder, this.#random, met));
    }
    this.#steps.push(...all.map(({ kind, objects }) => `${kind} ${objects.join(' and ')}`));
    return all;
  }

  async #step(step: Step): Promise<void> {
    const outcome = await this.#do(step);
    this.#steps.push(`${step}: ${outcome}`);
    const { first } = placesOf(this.#work);
    // After each: whatever is listed is right, or refused.
    this.#require(await this.#read(first, pick(this.#random, ['this', 'another', 'another'])));
  }

  async #do(step: Step): Promise<string> {
    const { first, second, host } = placesOf(this.#work);
    const { passphrase } = this.#template;
    const on = { repository: first, passphrase };
    try {
      switch (step) {
        case 'check': {
          const { ok } = await this.#bounded(step, (context) => this.#invoke('repository/check', on, context));
          return ok ? 'clean' : 'damage';
        }
        case 'verify': {
          const { ok } = await this.#bounded(step, (context) => this.#invoke('repository/verify', on, context));
          return ok ? 'clean' : 'damage';
        }
        case 'repair': {
          const { ok } = await this.#bounded(step, (context) => this.#invoke('repository/repair', on, context));
          return ok ? 'clean' : 'damage';
        }
        case 'repair from': {
          const from = { ...on, from: second, fromPassphrase: passphrase };
          await this.#bounded(step, (context) => this.#invoke('repository/repair', from, context));
          return 'done';
        }
        case 'prune':
          await this.#bounded(step, (context) => this.#invoke('repository/prune', { ...on, keepLast: 100 }, context));
          return 'done';
        case 'backup': {
          const guest = pick(this.#random, this.#guests);
          await guestWrites(this.#invoke, host, guest, this.#random, this.#work);
          const params = { ...on, host, vm: guest.name };
          const made = await this.#bounded(step, (context) => this.#invoke('vm/backup', params, context));
          this.#points.set(made.restorePointId, digest(guest.disk));
          const read = await this.#read(first, 'another', new Map([[made.restorePointId, digest(guest.disk)]]));
          if (!read.right.has(made.restorePointId) && made.warnings.length === 0)
            this.#fail('a backup succeeded without a warning, and cannot be read');
          return made.mode;
        }
      }
    } catch (caught) {
      const error = toHvError(caught);
      if (!HONEST.has(error.code)) this.#fail(`${step}: ${error.code}: ${error.message} ${error.stack}`);
      if (!error.advice && error.code !== 'NOT_SUPPORTED')
        this.#fail(`${step}: no advice with ${error.code}: ${error.message}`);
      return error.code;
    }
  }

  async #bounded<T>(what: string, action: (context: { signal: AbortSignal }) => Promise<T>): Promise<T> {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(() => reject(new Error(`${what} hangs`)), LONGEST_STEP_MS);
    });
    try {
      return await Promise.race([action({ signal: new AbortController().signal }), late]);
    } finally {
      clearTimeout(timer);
    }
  }

  #read(
    location: string,
    machine: 'this' | 'another',
    points: ReadonlyMap<string, string> = this.#points,
  ): Promise<Reading> {
    return readAll(location, this.#template.passphrase, points, machine);
  }

  #readable(location: string): Promise<Reading> {
    return this.#read(location, 'another', this.#template.points);
  }

  #require(reading: Reading): void {
    if (reading.wrong.length > 0) this.#fail(`WRONG DATA of ${reading.wrong.join(', ')}`);
  }

  /** Repairs once more: then all is well, or something is named for a person. */
  async #end(location: string): Promise<Pick<ScenarioResult, 'end' | 'named'>> {
    const on = { repository: location, passphrase: this.#template.passphrase };
    try {
      await this.#bounded('repair', (context) => this.#invoke('repository/repair', on, context));
      const { ok, damages } = await this.#bounded('check', (context) => this.#invoke('repository/check', on, context));
      if (ok) return { end: 'clean', named: [] };
      if (damages.length === 0) this.#fail('check is not content and names nothing');
      return { end: 'named', named: damages.map(({ object, path, message }) => `${object} ${path}: ${message}`) };
    } catch (caught) {
      const error = toHvError(caught);
      if (!HONEST.has(error.code) || !error.advice) this.#fail(`at the end: ${error.code}: ${error.message}`);
      return { end: 'closed', named: [`${error.code}: ${error.message}`] };
    }
  }

  /** With the objects back in their places everything is there: nothing was deleted that anything may need. */
  async #undone(location: string, inflicted: readonly Inflicted[]): Promise<void> {
    await undo(location, join(this.#template.folder, 'template', 'first'), inflicted);
    const reading = await this.#read(location, 'another', this.#template.points);
    this.#require(reading);
    if (reading.closed !== undefined)
      this.#fail(`with its objects back the repository does not open: ${reading.closed}`);
    const lost = [...this.#template.points.keys()].filter((id) => !reading.right.has(id));
    if (lost.length > 0)
      this.#fail(
        `with the objects back ${lost.length} restore points are lost: ${lost[0]} ${reading.refused.get(lost[0]!)}`,
      );
  }

  #fail(problem: string): never {
    throw new Error(`${problem}\n  ${this.#steps.join('\n  ')}`);
  }
}

function shuffled<T>(values: readonly T[], random: () => number): T[] {
  const left = [...values];
  return values.map(() => left.splice(below(random, left.length), 1)[0]!);
}

/** Many scenarios over one template each for a plain and an encrypted repository; what they came to. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ofMutation } from '../fuzz/random.ts';
import { breakDisk } from './inflict.ts';
import { Scenario } from './scenario.ts';
import { makeTemplate, type Template } from './template.ts';

export interface CampaignReport {
  scenarios: number;
  /** How often each kind of damage was done, in which place, and what the steps came to. */
  counts: Record<string, Record<string, number>>;
  failures: { number: number; problem: string }[];
  seconds: number;
}

export async function campaign(options: {
  seed: number;
  scenarios: number;
  from?: number;
  /** Told after each scenario. */
  tell?: (number: number, problem: string | null) => void;
  /** Ends it after the scenario at work; what was done until then is reported. */
  signal?: AbortSignal;
}): Promise<CampaignReport> {
  const { seed, scenarios, from = 0 } = options;
  const clock = performance.now();
  const folder = await mkdtemp(join(tmpdir(), 'hvb-damage-'));
  const counts: CampaignReport['counts'] = { damage: {}, place: {}, step: {}, end: {}, named: {} };
  const count = (kind: string, what: string, by = 1): void => {
    const of = counts[kind]!;
    of[what] = (of[what] ?? 0) + by;
  };
  const failures: CampaignReport['failures'] = [];
  let done = 0;
  breakDisk();
  try {
    const templates: Template[] = [];
    for (const passphrase of [undefined, 'correct horse'])
      templates.push(await makeTemplate(join(folder, String(templates.length)), seed + templates.length, passphrase));
    for (let number = from; number < from + scenarios && !options.signal?.aborted; number++) {
      done += 1;
      let problem: string | null = null;
      try {
        const result = await new Scenario(templates[number % 2]!, ofMutation(seed, number)).run();
        for (const { kind, place } of result.inflicted) {
          count('damage', kind);
          count('place', place);
        }
        for (const step of result.steps.filter((text) => /^[a-z ]+: \S+$/.test(text))) count('step', step);
        count('end', result.end);
        count('end', 'restore points healed', Math.max(0, result.healed));
        for (const text of result.named)
          count('named', text.replace(/[0-9a-f-]{16,}|[0-9A-Z]{26}|0x[0-9a-f]+|\d+/g, '#').slice(0, 160));
      } catch (error) {
        problem = (error as Error).message;
        failures.push({ number, problem });
      }
      options.tell?.(number, problem);
    }
  } finally {
    delete process.env.HVBACKUP_STORAGE_WAIT_SECONDS;
    await rm(folder, { recursive: true, force: true, maxRetries: 5 });
  }
  return { scenarios: done, counts, failures, seconds: (performance.now() - clock) / 1000 };
}

/**
 * A short run of the torture; docs/torture.md. HVBACKUP_TORTURE_ROUNDS and HVBACKUP_TORTURE_SEED choose more, or
 * others.
 */
import { describe, expect, it } from 'vitest';
import { FAULTS } from '../torture/faults.ts';
import { ACTIONS } from '../torture/history.ts';
import { sum, torture } from '../torture/run.ts';

const SEED = Number(process.env.HVBACKUP_TORTURE_SEED ?? 20261121);
const ROUNDS = Number(process.env.HVBACKUP_TORTURE_ROUNDS ?? 40);

describe(`torture, seed ${SEED}`, () => {
  it('whatever fails, every listed restore point is right and garbage can be collected', async () => {
    const { figures, failures, seconds } = await torture({ seed: SEED, rounds: ROUNDS, steps: 15 });
    expect(failures, `npm run torture -- --seed ${SEED}`).toEqual([]);
    console.log(
      `${sum(figures.faults)} faults in ${sum(figures.actions)} actions, ${figures.operations} file operations; ` +
        `${figures.verified} restore points compared, ${figures.encrypted} of ${figures.histories} histories encrypted, ${Math.round(seconds)} s: ${JSON.stringify(figures.faults)}`,
    );
    // All kinds of faults and actions are reached; else the run shows nothing.
    for (const kind of FAULTS) expect(figures.faults[kind], kind).toBeGreaterThan(ROUNDS / 8);
    expect(figures.encrypted).toBeGreaterThan(ROUNDS / 4);
    expect(figures.passphrases).toBeGreaterThan(ROUNDS / 4);
    for (const { name } of ACTIONS) expect(figures.actions[name], name).toBeGreaterThan(ROUNDS / 8);
  });
});

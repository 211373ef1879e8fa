/**
 * A short run of the damage campaign; docs/torture.md. HVBACKUP_DAMAGE_SCENARIOS and HVBACKUP_DAMAGE_SEED choose more,
 * or others.
 */
import { expect, it } from 'vitest';
import { campaign } from '../damage/run.ts';

const SEED = Number(process.env.HVBACKUP_DAMAGE_SEED ?? 20261130);
const SCENARIOS = Number(process.env.HVBACKUP_DAMAGE_SCENARIOS ?? 10);

it(`damaged repositories, seed ${SEED}: no wrong byte, nothing deleted in doubt, nothing lost that one of two still has`, async () => {
  const { failures, counts } = await campaign({ seed: SEED, scenarios: SCENARIOS });
  expect(failures, `npm run damage -- --seed ${SEED}`).toEqual([]);
  console.log(JSON.stringify(counts.end), JSON.stringify(counts.damage));
  // What was done must have reached most kinds; else the run shows nothing.
  expect(Object.keys(counts.damage!).length).toBeGreaterThan(3);
  expect(Object.keys(counts.place!).length).toBeGreaterThan(3);
}, 900_000);

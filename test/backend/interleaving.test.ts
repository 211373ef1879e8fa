/**
 * Interleavings by the hundred; HVBACKUP_INTERLEAVINGS and HVBACKUP_TORTURE_SEED choose more, or others.
 * docs/torture.md.
 */
import { describe, expect, it } from 'vitest';
import { Interleaving, noInterleavings } from '../torture/interleaving.ts';

const SEED = Number(process.env.HVBACKUP_TORTURE_SEED ?? 20261121);
const RUNS = Number(process.env.HVBACKUP_INTERLEAVINGS ?? 120);

describe(`interleavings, seed ${SEED}`, () => {
  it('of writers, prunes, removals, checks and repairs never take what a listed restore point or a reader needs', async () => {
    const figures = noInterleavings();
    for (let run = 0; run < RUNS; run++)
      await new Interleaving(SEED * 1009 + run, figures).run().catch((error) => {
        throw new Error(`interleaving ${run}: ${(error as Error).message}`, { cause: error });
      });
    console.log(`${RUNS} interleavings: ${JSON.stringify(figures)}`);
    expect(figures.published).toBeGreaterThan(RUNS);
    expect(figures.paused).toBeGreaterThan(RUNS / 2);
    expect(figures.refused).toBeGreaterThan(0);
    expect(figures.killed).toBeGreaterThan(0);
    expect(figures.readPinned).toBeGreaterThan(RUNS);
    expect(figures.readRemoved).toBeGreaterThan(RUNS / 8);
    expect(figures.wrongClocks).toBeGreaterThan(RUNS / 8);
    expect(figures.repairs).toBeGreaterThan(0);
  });
});

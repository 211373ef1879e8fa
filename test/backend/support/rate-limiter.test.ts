import { describe, expect, it } from 'vitest';
import { RateLimiter } from '../../../backend/src/support/rate-limiter.ts';

const seconds = async (work: () => Promise<unknown>): Promise<number> => {
  const clock = performance.now();
  await work();
  return (performance.now() - clock) / 1000;
};

describe('the rate limiter', () => {
  it('gives everyone together no more than the rate', async () => {
    const limiter = new RateLimiter(1_000_000);
    const reader = () => limiter.pieces(500_000, async () => undefined);
    const took = await seconds(() => Promise.all([reader(), reader(), reader(), reader()]));
    // Never faster than the rate; how much slower is the machine's business.
    expect(took).toBeGreaterThan(2 * 0.9);
  });

  it('reads every byte once, in order, in pieces', async () => {
    const limiter = new RateLimiter(10_000_000);
    const seen: [number, number][] = [];
    await limiter.pieces(2_500_000, async (at, length) => {
      seen.push([at, length]);
    });
    expect(seen).toEqual([
      [0, 1_000_000],
      [1_000_000, 1_000_000],
      [2_000_000, 500_000],
    ]);
  });

  it('hears of a cancellation while it waits', async () => {
    const limiter = new RateLimiter(1000);
    const controller = new AbortController();
    const waiting = limiter.take(1_000_000, controller.signal);
    setTimeout(() => controller.abort(), 20);
    const took = await seconds(() => expect(waiting).rejects.toMatchObject({ code: 'CANCELLED' }));
    expect(took).toBeLessThan(5);
  });
});

/** When a backend that is kept has been idle for long enough. */
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { IdleTimer } from '../../../backend/src/protocol/idle-timer.ts';

beforeEach(() => vi.useFakeTimers());
afterEach(() => vi.useRealTimers());

it('starts again with each request, and waits for no time while one runs', () => {
  const idle = vi.fn();
  const timer = new IdleTimer(idle);
  timer.limitMs = 100;
  for (let i = 0; i < 5; i++) {
    timer.start();
    vi.advanceTimersByTime(99);
    timer.stop();
    vi.advanceTimersByTime(500);
  }
  expect(idle).not.toHaveBeenCalled();
  timer.start();
  vi.advanceTimersByTime(100);
  expect(idle).toHaveBeenCalledTimes(1);
});

it('without a limit never ends', () => {
  const idle = vi.fn();
  const timer = new IdleTimer(idle);
  timer.start();
  vi.advanceTimersByTime(1e9);
  expect(idle).not.toHaveBeenCalled();
});

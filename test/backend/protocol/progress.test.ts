import { describe, expect, it } from 'vitest';
import { ProgressMeter } from '../../../backend/src/protocol/progress-meter.ts';

describe('ProgressMeter', () => {
  function meter() {
    let now = 1000;
    const made = new ProgressMeter(() => now);
    return (doneBytes: number, afterMs: number, phase = 'read') => {
      now += afterMs;
      return made.measure({ phase, doneBytes, totalBytes: 1_000_000 });
    };
  }

  it('tells rate and remaining time', () => {
    const at = meter();
    expect(at(0, 0).bytesPerSecond).toBeUndefined();
    expect(at(100_000, 1000)).toMatchObject({ bytesPerSecond: 100_000, remainingMs: 9000 });
    expect(at(300_000, 1000)).toMatchObject({ bytesPerSecond: 150_000, remainingMs: 4667 });
  });

  it('follows a change of speed within its window', () => {
    const at = meter();
    for (let i = 0; i < 20; i++) at(i * 1000, 1000);
    for (let i = 1; i < 12; i++) at(19_000 + i * 10_000, 1000);
    expect(at(139_000, 1000).bytesPerSecond).toBe(10_000);
  });

  it('starts anew with a phase, and says nothing of remaining time while nothing moves', () => {
    const at = meter();
    at(500_000, 1000);
    at(600_000, 1000);
    expect(at(0, 1000, 'verify').bytesPerSecond).toBeUndefined();
    expect(at(0, 1000, 'verify')).toMatchObject({ bytesPerSecond: 0 });
    expect(at(0, 1000, 'verify').remainingMs).toBeUndefined();
  });
});

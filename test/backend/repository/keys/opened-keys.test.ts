/** How long a process keeps keys that it has derived from a passphrase. */
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { OpenedKeys, type Unlocked } from '../../../../backend/src/repository/keys/opened-keys.ts';

const delay = (ms: number): void => void vi.advanceTimersByTime(ms);
beforeEach(() => vi.useFakeTimers());
afterEach(() => vi.useRealTimers());

const keys = (keyId: string) => ({ keyId }) as Unlocked;

it('forgets keys that nothing uses, and starts the time again with each use', () => {
  const opened = new OpenedKeys(120);
  const mine = keys('a');
  opened.add('proof', mine);
  for (let i = 0; i < 4; i++) {
    delay(60);
    expect(opened.get('proof')).toBe(mine);
  }
  delay(300);
  expect(opened.get('proof')).toBeUndefined();
  expect(opened.size).toBe(0);
});

it('keeps them while a repository is open, and a while after the last one was closed', () => {
  const opened = new OpenedKeys(80);
  const mine = keys('a');
  opened.add('proof', mine);
  const [first, second] = [opened.use(mine), opened.use(mine)];
  delay(250);
  first();
  first();
  delay(250);
  expect(opened.get('proof')).toBe(mine);
  delay(250);
  expect(opened.size).toBe(1);
  second();
  expect(opened.get('proof')).toBe(mine);
  delay(300);
  expect(opened.size).toBe(0);
});

it('knows nothing of keys that were forgotten before they were used', () => {
  const opened = new OpenedKeys(80);
  opened.use(keys('a'))();
  expect(opened.size).toBe(0);
});

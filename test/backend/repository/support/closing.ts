/** What tests open and nobody else closes. */
import { afterEach } from 'vitest';

/** A list whose members are closed after each test of the file that calls it. */
export function closedAfterEach<T extends { close(): Promise<unknown> }>(): T[] {
  const open: T[] = [];
  afterEach(async () => {
    for (const one of open.splice(0)) await one.close();
  });
  return open;
}

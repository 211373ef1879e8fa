/** Another clock for a process: libfaketime (Debian: faketime), so that the program under test needs no door for it. */
import { existsSync } from 'node:fs';

const places = ['x86_64-linux-gnu', 'aarch64-linux-gnu'].map((part) => `/usr/lib/${part}/faketime/libfaketime.so.1`);
/** Null where it is not installed. */
export const FAKETIME: string | null = places.find((path) => existsSync(path)) ?? null;

/**
 * Environment of a process whose clock is off. Timers go on as ever, and so do the times of files: they are the
 * storage's clock.
 * @param offset as libfaketime takes it: `+365d`, `-2h`
 */
export function clockOff(offset: string): NodeJS.ProcessEnv {
  return { LD_PRELOAD: FAKETIME ?? '', FAKETIME: offset, DONT_FAKE_MONOTONIC: '1', NO_FAKE_STAT: '1' };
}

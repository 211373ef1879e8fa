/** Encrypted repositories for tests: a cheap key derivation, and a memory that lives as long as the test. */
import type { Memory, RememberedPoint } from '../../../../backend/src/repository/port/memory.ts';
import type { StoredRepository } from '../../../../backend/src/repository/repository.ts';
import type { Storage } from '../../../../backend/src/repository/storage/storage.ts';
import type { ClockMemory } from '../../../../backend/src/support/clock.ts';
import { createMemoryRepository } from './model.ts';

export const PASSPHRASE = 'correct horse battery stäple';
export const CHEAP = { n: 1024, r: 8, p: 1 };

export const createEncrypted = (storage: Storage, passphrase = PASSPHRASE): Promise<StoredRepository> =>
  createMemoryRepository(storage, { version: 2, passphrase, kdfCost: CHEAP });

/** One machine's memory: give the same one to each opening that stands for the same machine. */
export class TestMemory implements Memory {
  problem = null;
  token = 'one machine';
  clock: ClockMemory | null = null;
  encrypted: boolean | null = null;
  readonly known = new Map<string, RememberedPoint>();

  rememberEncryption(encrypted: boolean): void {
    this.encrypted = encrypted;
  }
  noteClock(clock: ClockMemory): void {
    this.clock = clock;
  }
  points(folder?: string): RememberedPoint[] {
    return [...this.known.values()].filter((point) => folder === undefined || point.folder === folder);
  }
  folders(): Map<string, number> {
    const found = new Map<string, number>();
    for (const { folder, gone } of this.known.values()) if (!gone) found.set(folder, (found.get(folder) ?? 0) + 1);
    return found;
  }
  remember(points: readonly RememberedPoint[]): void {
    for (const point of points) this.known.set(point.id, { ...point });
  }
  vmNameOf = (): string => 'web01';
  close(): void {}
}

import { join } from 'node:path';
import { defineConfig } from 'vitest/config';

// Tests start hundreds of worker threads and processes that run the sources: compiled once, that is a quarter of all CPU time less.
process.env.NODE_COMPILE_CACHE ??= join(import.meta.dirname, 'build', 'out', 'compile-cache');

export default defineConfig({
  test: {
    include: ['test/backend/**/*.test.ts'],
    // Real disks and child processes: slow on a small machine, never a reason to fail on time.
    testTimeout: 300_000,
    hookTimeout: 300_000,
    pool: 'forks',
    maxWorkers: 2,
  },
});

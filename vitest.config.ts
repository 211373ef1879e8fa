import { defineConfig } from 'vitest/config';

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

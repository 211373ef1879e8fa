import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { defineConfig } from 'vitest/config';
import { LongestFirst } from './build/lib/test-order.ts';

// Tests start hundreds of worker threads and processes that run the sources: compiled once, that is a quarter of all
// CPU time less.
process.env.NODE_COMPILE_CACHE ??= join(import.meta.dirname, 'build', 'out', 'compile-cache');
// Every PowerShell that a test starts compiles what it runs: .NET maps that twice otherwise, which is half of its CPU
// time.
process.env.DOTNET_EnableWriteXorExecute ??= '0';

export default defineConfig({
  test: {
    include: ['test/backend/**/*.test.ts'],
    // Real disks and child processes: slow on a small machine, never a reason to fail on time.
    testTimeout: 300_000,
    hookTimeout: 300_000,
    pool: 'forks',
    // Tests wait for disks and for processes that they started: one more than there are cores keeps these busy.
    maxWorkers: Math.min(8, availableParallelism() + 1),
    sequence: { sequencer: LongestFirst },
  },
});

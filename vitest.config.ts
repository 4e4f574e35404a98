import { defineConfig } from 'vitest/config';

// Tests start daemons, mounts and network namespaces; on a small machine running many files at once only makes them wait
// for each other, so at most two files run side by side.
export default defineConfig({
  test: {
    include: ['packages/*/test/**/*.test.ts', 'test/**/*.test.ts'],
    pool: 'forks',
    maxWorkers: 2,
    testTimeout: 60_000,
    hookTimeout: 120_000,
  },
});

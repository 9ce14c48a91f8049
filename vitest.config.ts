import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['*/src/**/*.test.ts', '*.test.ts'],
    // Tests run on the sources; worker threads and the processes that a test starts run on dist, built first.
    globalSetup: './build.setup.ts',
    pool: 'forks',
    testTimeout: 20_000,
  },
  resolve: { conditions: ['source'] },
  ssr: { resolve: { conditions: ['source', 'node', 'import', 'module', 'default'] } },
});

import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['*/src/**/*.test.ts', '*.test.ts'],
    // Tests run on the sources; worker threads and the processes that a test starts run on dist, built first.
    globalSetup: './build.setup.ts',
    pool: 'forks',
    // Vitest leaves one core to itself; most tests here wait for processes that they have started.
    maxWorkers: 2,
    testTimeout: 20_000,
    hookTimeout: 60_000,
  },
  // Not `import` among them: Node would apply it to CommonJS packages' requires too.
  ssr: { resolve: { conditions: ['source', 'node'] } },
});

import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    // Tests run on the sources; worker threads and the processes that a test starts run on dist, built first.
    globalSetup: './build.setup.ts',
    pool: 'forks',
    // Vitest leaves one core to itself; most tests here wait for processes that they have started.
    maxWorkers: 2,
    testTimeout: 20_000,
    hookTimeout: 60_000,
    projects: [
      {
        extends: true,
        test: {
          name: 'units',
          include: ['*/src/**/*.test.ts', '*.test.ts'],
          exclude: ['simulations/**', '**/node_modules/**'],
          // No module of ours has state: to load them all anew for each file would be a third of the computing.
          isolate: false,
        },
      },
      // Projects run in the order of their names: the longest waits are here, and none of them shall be the last.
      { extends: true, test: { name: 'simulations', include: ['simulations/src/**/*.test.ts'] } },
    ],
  },
  // Not `import` among them: Node would apply it to CommonJS packages' requires too.
  ssr: { resolve: { conditions: ['source', 'node'] } },
});

import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['*/src/**/*.test.ts', '*.test.ts'],
    pool: 'forks',
    // Workers and child processes that a test starts run on the sources too.
    execArgv: ['--conditions=source', '--import=tsx'],
    testTimeout: 20_000,
  },
  resolve: { conditions: ['source'] },
  ssr: { resolve: { conditions: ['source', 'node', 'import', 'module', 'default'] } },
});

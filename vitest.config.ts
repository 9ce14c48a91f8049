import { defineConfig } from 'vitest/config';
import { BaseSequencer, type TestSpecification } from 'vitest/node';

/** The longest waits begin first, and what only computes fills the cores at the end: none of them shall be the last. */
class SimulationsFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const sorted = await super.sort(files);
    const isSimulation = ({ moduleId }: TestSpecification) => moduleId.includes('/simulations/');
    return [...sorted.filter(isSimulation), ...sorted.filter((file) => !isSimulation(file))];
  }
}

export default defineConfig({
  test: {
    // Tests run on the sources; worker threads and the processes that a test starts run on dist, built first.
    globalSetup: './build.setup.ts',
    include: ['*/src/**/*.test.ts', '*.test.ts'],
    pool: 'forks',
    // On two cores; many tests wait for processes that they have started.
    maxWorkers: 3,
    // No module of ours has state: to load them all anew for each file would be a third of the computing.
    isolate: false,
    sequence: { sequencer: SimulationsFirst },
    testTimeout: 20_000,
    hookTimeout: 60_000,
  },
  // Not `import` among them: Node would apply it to CommonJS packages' requires too.
  ssr: { resolve: { conditions: ['source', 'node'] } },
});

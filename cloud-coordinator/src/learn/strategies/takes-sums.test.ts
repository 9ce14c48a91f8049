import { createRandom } from '@skerry/shared';
import { unwrap } from '@skerry/shared/testing';
import { describe, expect, it } from 'vitest';
import { updateOf } from '../../testing/sample-update.ts';
import { createStrategy } from './create-strategy.ts';
import type { StrategyState } from './strategy.ts';
import { type StrategyOptionsInput, strategyOptionsSchema } from './strategy-options.ts';

const strategyOf = (options: StrategyOptionsInput) =>
  createStrategy(strategyOptionsSchema.parse(options));
const linear: readonly StrategyOptionsInput[] = [
  { name: 'fedavg', serverLearningRate: 0.7 },
  { name: 'fedavgm' },
  { name: 'fedadagrad' },
  { name: 'fedadam' },
  { name: 'fedyogi' },
  { name: 'fedprox', proximalMu: 0.1 },
];
const others: readonly StrategyOptionsInput[] = [
  { name: 'fednova' },
  { name: 'q-fedavg', q: 1, clientLearningRate: 0.1 },
  { name: 'scaffold', clients: 10 },
  { name: 'fedbuff' },
  { name: 'median' },
  { name: 'trimmed-mean', trimShare: 0.1 },
  { name: 'krum', byzantine: 1 },
  { name: 'multi-krum', byzantine: 1 },
  { name: 'bulyan', byzantine: 1 },
  { name: 'geometric-median' },
  { name: 'centred-clipping' },
  { name: 'norm-clipping' },
];

describe('one update that stands for many', () => {
  it.each(linear)('[AGG14] gives $name the model that all of them give', (options) => {
    const strategy = strategyOf(options);
    expect(strategy.traits.takesSums).toBe(true);
    const random = createRandom(8);
    const start = strategy.initialize(Float32Array.of(0.5, -0.25, 0));
    let [each, together]: StrategyState[] = [start, start];
    for (let round = 0; round < 5; round++) {
      // Small whole numbers: their mean by examples is a float32.
      const updates = Array.from({ length: 4 }, (_, i) =>
        updateOf(
          `c${i}`,
          [0, 0, 0].map(() => random.below(64) - 32),
          { examples: [1, 2, 1, 4][i] as number },
        ),
      );
      const total = updates.reduce((sum, { examples }) => sum + examples, 0);
      const mean = [0, 1, 2].map(
        (k) =>
          updates.reduce((sum, { examples, delta }) => sum + examples * (delta[k] ?? 0), 0) / total,
      );
      each = unwrap(strategy.aggregateTrain(each as StrategyState, updates)).state;
      together = unwrap(
        strategy.aggregateTrain(together as StrategyState, [
          updateOf('cohort', mean, { examples: total }),
        ]),
      ).state;
      expect(together).toEqual(each);
    }
  });

  it.each(others)('[AGG14] is not for $name', (options) => {
    expect(strategyOf(options).traits.takesSums).toBe(false);
  });

  it('[AGG14] is said of every strategy, and which of them are asynchronous or ask clients for more', () => {
    const all = [...linear, ...others].map(strategyOf);
    expect(all.map(({ name }) => name).sort()).toEqual(
      strategyOptionsSchema.options.map(({ shape }) => shape.name.value).sort(),
    );
    const those = (trait: 'asynchronous' | 'needsControl' | 'needsStartLoss') =>
      all.filter(({ traits }) => traits[trait]).map(({ name }) => name);
    expect(those('asynchronous')).toEqual(['fedbuff']);
    expect(those('needsControl')).toEqual(['scaffold']);
    expect(those('needsStartLoss')).toEqual(['q-fedavg']);
  });
});

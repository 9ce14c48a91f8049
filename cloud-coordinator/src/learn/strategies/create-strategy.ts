// A strategy from its options, by name.

import { combinedStrategy } from './combined-strategy.ts';
import { fairRule, fedNovaRule, weightedMeanRule } from './mean-rules.ts';
import { createServerOptimizer } from './server-optimizers.ts';
import type { Strategy } from './strategy.ts';
import type { StrategyOptions } from './strategy-options.ts';

const sgd = (learningRate = 1) => createServerOptimizer({ kind: 'sgd', learningRate });

export function createStrategy(options: StrategyOptions): Strategy {
  const { name } = options;
  switch (name) {
    case 'fedavg':
      return combinedStrategy(name, weightedMeanRule(options), sgd(options.serverLearningRate));
    case 'fedprox':
      return combinedStrategy(
        name,
        weightedMeanRule(options, options.proximalMu),
        sgd(options.serverLearningRate),
      );
    case 'fedavgm':
      return combinedStrategy(
        name,
        weightedMeanRule(options),
        createServerOptimizer({
          ...options,
          kind: 'momentum',
          learningRate: options.serverLearningRate,
        }),
      );
    case 'fedadagrad':
      return combinedStrategy(
        name,
        weightedMeanRule(options),
        createServerOptimizer({
          ...options,
          kind: 'adagrad',
          learningRate: options.serverLearningRate,
          biasCorrection: 'none',
        }),
      );
    case 'fedadam':
    case 'fedyogi':
      return combinedStrategy(
        name,
        weightedMeanRule(options),
        createServerOptimizer({
          ...options,
          kind: name === 'fedadam' ? 'adam' : 'yogi',
          learningRate: options.serverLearningRate,
        }),
      );
    case 'fednova':
      return combinedStrategy(name, fedNovaRule(options), sgd(options.serverLearningRate));
    case 'q-fedavg':
      return combinedStrategy(name, fairRule(options), sgd());
  }
}

// A strategy from its options, by name.

import { centredClippingRule, geometricMedianRule, normClippingRule } from './central-rules.ts';
import { combinedStrategy, type Rule } from './combined-strategy.ts';
import { medianRule, trimmedMeanRule } from './coordinate-rules.ts';
import { bufferedStrategy } from './fedbuff.ts';
import { bulyanRule, krumRule } from './krum.ts';
import { fairRule, fedNovaRule, weightedMeanRule } from './mean-rules.ts';
import { scaffoldRule } from './scaffold-rule.ts';
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
    case 'scaffold':
      return combinedStrategy(name, scaffoldRule(options), sgd(options.serverLearningRate));
    case 'fedbuff':
      return bufferedStrategy(name, options, createServerOptimizer(options.server));
    default:
      return combinedStrategy(name, robustRule(options), createServerOptimizer(options.server));
  }
}

type RobustOptions = Exclude<
  Extract<StrategyOptions, { readonly server: unknown }>,
  { readonly name: 'fedbuff' }
>;

function robustRule(options: RobustOptions): Rule {
  switch (options.name) {
    case 'median':
      return medianRule;
    case 'trimmed-mean':
      return trimmedMeanRule(options);
    case 'krum':
      return krumRule({ ...options, keep: 1 });
    case 'multi-krum':
      return krumRule(options);
    case 'bulyan':
      return bulyanRule(options);
    case 'geometric-median':
      return geometricMedianRule(options);
    case 'centred-clipping':
      return centredClippingRule(options);
    case 'norm-clipping':
      return normClippingRule(options);
  }
}

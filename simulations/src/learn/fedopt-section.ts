// Adaptive server optimizers (Reddi et al., arXiv 2003.00295) against averaging, where each client holds two shards.

import { type Bar, figureOf, figures, type Line, type Section } from './section.ts';
import { onePassOfShards, shards, smallDigits } from './small-digits.ts';
import type { Trial } from './trial.ts';

const strategies = {
  FedAvg: { name: 'fedavg' },
  FedAvgM: { name: 'fedavgm', serverLearningRate: 0.3, momentum: 0.9 },
  FedAdam: { name: 'fedadam', serverLearningRate: 0.01 },
  FedYogi: { name: 'fedyogi', serverLearningRate: 0.01 },
  FedAdagrad: { name: 'fedadagrad', serverLearningRate: 0.03 },
} as const satisfies Record<string, Trial['strategy']>;
type StrategyName = keyof typeof strategies;

const names = Object.keys(strategies) as StrategyName[];
const fullNames = ['FedAvg', 'FedAdam', 'FedYogi'] as const satisfies readonly StrategyName[];
const rounds = 150;
/** Of 10 000 images: final accuracy, or best where no final one is known. */
const smallReference: Record<StrategyName, string> = {
  FedAvg: '.899 .912 .903',
  FedAvgM: 'best .9335',
  FedAdam: 'best .944',
  FedYogi: '.940 .940 .935',
  FedAdagrad: '.943 .945 .943',
};

const small = (name: StrategyName): Trial => ({
  ...smallDigits,
  name: `shards of 100 ${name}`,
  dealt: shards,
  rounds,
  evaluateEvery: 25,
  local: onePassOfShards,
  strategy: strategies[name],
});
const full = (name: StrategyName): Trial => ({
  ...small(name),
  name: `shards of 600 ${name}`,
  data: { kind: 'digits' },
});

const lineOf = (trial: Trial, what: string, reference: string): Line => ({
  what,
  trial: trial.name,
  figure: figures.last5,
  reference,
});
const pointsMin = 0.02;
const betterBy = (make: (name: StrategyName) => Trial): Bar => ({
  claim: `FedYogi or FedAdam is at least 2 points above FedAvg at ${rounds} rounds`,
  holds(of) {
    const accuracy = (name: StrategyName) => figureOf(figures.last5, of(make(name).name));
    return Math.max(accuracy('FedYogi'), accuracy('FedAdam')) - accuracy('FedAvg') >= pointsMin;
  },
});

export const fedoptSection: Section = {
  about:
    'five server optimizers on two shards a client, 100 × 100 images, 150 rounds; about 2 min a seed',
  trials: names.map(small),
  lines: names.map((name) =>
    lineOf(small(name), `${name}: last 5 of ${rounds}`, smallReference[name]),
  ),
  bars: [betterBy(small)],
};

export const fedoptFullSection: Section = {
  about: 'three of them on all of MNIST, 100 × 600 images; about 3 min a seed',
  trials: fullNames.map(full),
  lines: fullNames.map((name) => lineOf(full(name), `${name}: last 5 of ${rounds}`, '')),
  bars: [betterBy(full)],
};

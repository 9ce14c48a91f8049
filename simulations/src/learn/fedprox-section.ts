// FedProx (Li et al., arXiv 1812.06127) on Synthetic(1, 1): of ten clients nine end before their epochs do.

import { figureOf, figures, type Section } from './section.ts';
import type { Trial } from './trial.ts';

const shared = {
  data: { kind: 'synthetic', alpha: 1, beta: 1 },
  network: 'logistic',
  clients: 30,
  perRound: 10,
  rounds: 100,
  evaluateEvery: 5,
  local: { epochs: 20, batch: 10, learningRate: 0.01 },
  stragglers: 0.9,
} as const satisfies Partial<Trial>;

const trials = {
  drop: {
    ...shared,
    name: 'Synthetic stragglers dropped',
    strategy: { name: 'fedavg', partialWork: 'drop' },
  },
  keep: { ...shared, name: 'Synthetic partial work kept', strategy: { name: 'fedavg' } },
  prox: {
    ...shared,
    name: 'Synthetic FedProx 1',
    strategy: { name: 'fedprox', proximalMu: 1 },
  },
} as const satisfies Record<string, Trial>;

const pointsMin = 0.05;

export const fedproxSection: Section = {
  about: 'FedProx against FedAvg with 90 % stragglers on Synthetic(1, 1); about 3 min a seed',
  trials: Object.values(trials),
  lines: [
    ['stragglers dropped', trials.drop, '.720 .809 .502'],
    ['partial work kept', trials.keep, '.793 .877 .659'],
    ['partial work kept, μ = 1', trials.prox, '.829 .888 .796'],
  ].map(([what, trial, reference]) => ({
    what: `${what}: last 5 of 100`,
    trial: (trial as Trial).name,
    figure: figures.last5,
    reference: reference as string,
  })),
  bars: [
    {
      claim: 'FedProx is at least 5 points above FedAvg that drops stragglers',
      holds: (of) =>
        figureOf(figures.last5, of(trials.prox.name)) -
          figureOf(figures.last5, of(trials.drop.name)) >=
        pointsMin,
    },
  ],
};

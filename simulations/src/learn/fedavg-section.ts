// McMahan et al. (arXiv 1602.05629), Tables 1 and 2: rounds until federated averaging has learned MNIST from 100 clients of
// 600 images, ten of them a round. Learning rates are the best of a few, as theirs were.

import { figureOf, figures, type Section } from './section.ts';
import type { Trial } from './trial.ts';

const mnist = {
  data: { kind: 'digits' },
  clients: 100,
  perRound: 10,
} as const satisfies Partial<Trial>;
const fedavg = { name: 'fedavg' } as const;
const evenly = { kind: 'evenly' } as const;
const shards = { kind: 'shards', each: 2 } as const;

const nn = { ...mnist, network: '2nn', strategy: fedavg, until: 0.97 } as const;
const nnTrials = {
  iid: {
    ...nn,
    name: '2NN IID E1 B10',
    dealt: evenly,
    rounds: 300,
    local: { epochs: 1, batch: 10, learningRate: 0.1 },
  },
  iidSgd: {
    ...nn,
    name: '2NN IID FedSGD',
    dealt: evenly,
    rounds: 2_500,
    local: { epochs: 1, learningRate: 0.5 },
  },
} as const satisfies Record<string, Trial>;

export const fedavgSection: Section = {
  about: '2NN on all of MNIST, IID: 100 clients × 600, 10 a round; about 1 min a seed',
  trials: [nnTrials.iid],
  lines: [
    {
      what: 'E=1 B=10: rounds to 97 %',
      trial: nnTrials.iid.name,
      figure: figures.roundsTo(0.97),
      reference: '87 (McMahan)',
    },
    {
      what: 'wall clock a round',
      trial: nnTrials.iid.name,
      figure: figures.roundMs,
      reference: '',
    },
  ],
  bars: [
    {
      claim: 'E=1 B=10 reaches 97 % in no more rounds than McMahan’s 87',
      holds: (of) => figureOf(figures.roundsTo(0.97), of(nnTrials.iid.name)) <= 87,
    },
  ],
};

export const fedsgdSection: Section = {
  about: 'the same by FedSGD, one step a round on all of a client’s images; about 6 min a seed',
  trials: [nnTrials.iidSgd],
  lines: [
    {
      what: 'rounds to 97 %',
      trial: nnTrials.iidSgd.name,
      figure: figures.roundsTo(0.97),
      reference: '1474 (McMahan)',
    },
    {
      what: 'wall clock a round',
      trial: nnTrials.iidSgd.name,
      figure: figures.roundMs,
      reference: '',
    },
  ],
  bars: [],
};

const shardTrial: Trial = {
  ...nn,
  name: '2NN shards E1 B10',
  dealt: shards,
  rounds: 1_200,
  local: { epochs: 1, batch: 10, learningRate: 0.05 },
};

export const shardsSection: Section = {
  about: '2NN on all of MNIST, two shards a client; about 5 min a seed',
  trials: [shardTrial],
  lines: [
    {
      what: 'E=1 B=10: rounds to 97 %',
      trial: shardTrial.name,
      figure: figures.roundsTo(0.97),
      reference: '664 (McMahan)',
    },
    {
      what: 'wall clock a round',
      trial: shardTrial.name,
      figure: figures.roundMs,
      reference: '',
    },
  ],
  bars: [
    {
      claim: 'E=1 B=10 reaches 97 % in no more rounds than McMahan’s 664',
      holds: (of) => figureOf(figures.roundsTo(0.97), of(shardTrial.name)) <= 664,
    },
  ],
};

const cnn = { ...mnist, network: 'cnn', strategy: fedavg, until: 0.99, dealt: evenly } as const;
const cnnTrials = {
  e5: {
    ...cnn,
    name: 'CNN IID E5 B10',
    rounds: 40,
    local: { epochs: 5, batch: 10, learningRate: 0.215 },
  },
  sgd: {
    ...cnn,
    name: 'CNN IID FedSGD',
    rounds: 900,
    local: { epochs: 1, learningRate: 0.2 },
  },
} as const satisfies Record<string, Trial>;

export const cnnSection: Section = {
  about: 'CNN on all of MNIST, IID; about 15 min a seed',
  trials: [cnnTrials.e5],
  lines: [
    {
      what: 'E=5 B=10: rounds to 99 %',
      trial: cnnTrials.e5.name,
      figure: figures.roundsTo(0.99),
      reference: '20 (McMahan)',
    },
    {
      what: 'wall clock a round',
      trial: cnnTrials.e5.name,
      figure: figures.roundMs,
      reference: '',
    },
  ],
  bars: [
    {
      claim: 'E=5 B=10 reaches 99 % in no more rounds than McMahan’s 20',
      holds: (of) => figureOf(figures.roundsTo(0.99), of(cnnTrials.e5.name)) <= 20,
    },
  ],
};

export const cnnSgdSection: Section = {
  about: 'the CNN by FedSGD; two hours a seed, and in no other section',
  trials: [cnnTrials.sgd],
  lines: [
    {
      what: 'FedSGD: rounds to 99 %',
      trial: cnnTrials.sgd.name,
      figure: figures.roundsTo(0.99),
      reference: '626 (McMahan)',
    },
  ],
  bars: [],
};

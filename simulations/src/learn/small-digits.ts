// The smaller protocol on which the other rules are compared: 100 clients of 100 images each, ten a round, the 2NN.

import type { Trial } from './trial.ts';

export const smallDigits = {
  data: { kind: 'digits', count: 10_000 },
  network: '2nn',
  clients: 100,
  perRound: 10,
  strategy: { name: 'fedavg' },
} as const satisfies Partial<Trial>;

export const evenly = { kind: 'evenly' } as const;
export const shards = { kind: 'shards', each: 2 } as const;
/** One pass in batches of ten. */
export const onePass = { epochs: 1, batch: 10, learningRate: 0.1 } as const;
/** The same where clients hold two labels: what they learn in a pass leads further from the others. */
export const onePassOfShards = { epochs: 1, batch: 10, learningRate: 0.05 } as const;

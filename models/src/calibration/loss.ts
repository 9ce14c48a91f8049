// What an answer at an exit may cost, against the truth or against the whole network. Each lies in 0…1, and none is
// negative: an exit that is luckier than the network does not pay for another mistake, which keeps the risk monotone.

import type { Prediction } from '../confidence.ts';

interface Seen {
  readonly here: Prediction;
  /** The whole network's, on the same example. */
  readonly whole: Prediction;
  readonly label: number;
}

interface Loss {
  readonly meaning: string;
  /** 0 or 1: the exact binomial tail applies. */
  readonly binary: boolean;
  of(seen: Seen): number;
}

export const losses = {
  error: {
    meaning: 'answered here and wrong',
    binary: true,
    of: ({ here, label }) => Number(here.index !== label),
  },
  gap: {
    meaning: 'answered here and wrong, where the whole network is right',
    binary: true,
    of: ({ here, whole, label }) => Number(here.index !== label && whole.index === label),
  },
  disagreement: {
    meaning: 'answered here otherwise than the whole network does',
    binary: true,
    of: ({ here, whole }) => Number(here.index !== whole.index),
  },
  divergence: {
    meaning: 'total variation between this exit’s probabilities and the whole network’s',
    binary: false,
    of: ({ here, whole }) =>
      here.probabilities.reduce(
        (sum, p, c) => sum + Math.abs(p - (whole.probabilities[c] ?? 0)),
        0,
      ) / 2,
  },
} as const satisfies Record<string, Loss>;

export type LossName = keyof typeof losses;
export const lossNames = Object.keys(losses) as [LossName, ...LossName[]];

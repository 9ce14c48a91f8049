// Values that others have published, or that a second, independent computation gave, of what this folder computes. A table, so
// that the same vectors judge the code and each of its planted mistakes (mutations.test.ts).

import { unwrap } from '@skerry/shared/testing';
import type * as Accountant from '../accountant.ts';
import type * as AdaptiveClip from '../adaptive-clip.ts';
import type * as AnalyticGaussian from '../analytic-gaussian.ts';
import type * as NoiseMultiplier from '../noise-multiplier.ts';
import { opacusOrders, tensorflowPrivacyOrders, wholeOrders } from '../orders.ts';
import type * as SubsampledGaussian from '../subsampled-gaussian.ts';

/** What the vectors judge. */
export type Judged = Pick<typeof Accountant, 'epsilonAfter' | 'epsilonOf'> &
  Pick<typeof SubsampledGaussian, 'subsampledGaussianRdp'> &
  Pick<typeof NoiseMultiplier, 'noiseMultiplierFor'> &
  Pick<typeof AnalyticGaussian, 'gaussianSigma'> &
  Pick<typeof AdaptiveClip, 'splitNoise' | 'adaptClip'>;

export interface Vector {
  readonly title: string;
  readonly of: (judged: Judged) => number;
  /** As it was printed: it is met to its last digit. */
  readonly printed: string;
}

const opacus = { orders: opacusOrders, conversion: 'canonne-kamath-steinke' } as const;
const tensorflow = { ...opacus, orders: tensorflowPrivacyOrders } as const;
const whole = { ...opacus, orders: wholeOrders } as const;
const classic = { conversion: 'mironov' } as const;

type Row = readonly [q: number, z: number, rounds: number, delta: number];

function epsilon(
  [samplingRate, noiseMultiplier, rounds, delta]: Row,
  reading: Omit<Accountant.Reading, 'delta'>,
  printed: string,
): Vector {
  return {
    title: `ε of q ${samplingRate}, z ${noiseMultiplier}, ${rounds} rounds, δ ${delta}, by ${reading.conversion}`,
    of: ({ epsilonAfter }) =>
      epsilonAfter(rounds, { samplingRate, noiseMultiplier }, { ...reading, delta }).epsilon,
    printed,
  };
}

function rdp(q: number, z: number, order: number, printed: string, rounds = 1): Vector {
  return {
    title: `divergence at order ${order} of q ${q}, z ${z}, ${rounds} rounds`,
    of: ({ subsampledGaussianRdp }) =>
      rounds * subsampledGaussianRdp({ samplingRate: q, noiseMultiplier: z }, order),
    printed,
  };
}

function noise(rounds: number, tolerance: number, printed: string): Vector {
  return {
    title: `noise for ε 8, δ 1e-5, q 0.04, ${rounds} rounds`,
    of: ({ noiseMultiplierFor }) => {
      const goal = { ...opacus, epsilon: 8, delta: 1e-5, samplingRate: 0.04, rounds };
      return unwrap(noiseMultiplierFor(goal, tolerance));
    },
    printed,
  };
}

const sigma = (epsilon: number, delta: number, printed: string): Vector => ({
  title: `σ of the analytic Gaussian for ε ${epsilon}, δ ${delta}`,
  of: ({ gaussianSigma }) => unwrap(gaussianSigma(epsilon, delta)),
  printed,
});

export const publishedVectors: readonly Vector[] = [
  // Opacus, test of its RDP accountant.
  epsilon([0.04, 1.5, 2250, 1e-5], opacus, '7.32911117143'),
  epsilon([0.04, 1.5, 2250, 1e-5], whole, '7.3298767738'),
  noise(2250, 0.01, '1.416'),
  noise(2000, 0.01, '1.3562'),
  // TensorFlow Privacy, test of compute_dp_sgd_privacy: steps are epochs · n / batch.
  epsilon([150 / 60_000, 1.3, 6_000, 1e-5], tensorflow, '0.7242234026'),
  epsilon([150 / 60_000, 1.3, 6_000, 1e-5], { ...tensorflow, ...classic }, '0.9418705672'),
  epsilon([100 / 100_000, 1, 30_000, 1e-7], tensorflow, '1.4154988495'),
  epsilon([100 / 100_000, 1, 30_000, 1e-7], { ...tensorflow, ...classic }, '1.709287337'),
  epsilon([1, 4.530877117, 1, 1e-6], opacus, '1.000000'),
  epsilon([1024 / 1e8, 0.1, 976_563, 1e-7], tensorflow, '5907982.311382'),
  // Its example-level statement for z 0.7 and 1.2 epochs, in which microbatching halves z; last two Poisson 0.01. (It once
  // printed 3.2392676 and 22.6248601 there, by an upper bound at fractional orders.)
  epsilon([1, 0.7, 2, 1e-5], opacus, '10.8602036'),
  epsilon([1, 0.35, 2, 1e-5], opacus, '26.2880374'),
  epsilon([0.01, 0.7, 120, 1e-5], opacus, '3.2391922'),
  epsilon([0.01, 0.35, 120, 1e-5], opacus, '22.5970358'),
  // The same run by either conversion: 60 epochs of MNIST in batches of 256.
  epsilon([256 / 60_000, 1.1, 14_063, 1e-5], whole, '2.597'),
  epsilon([256 / 60_000, 1.1, 14_063, 1e-5], { ...whole, ...classic }, '3.009'),
  // dp_accounting, test of its RDP accountant.
  rdp(0.01, 2.5, 5, '2.18075656e-3', 50),
  rdp(0.01, 2.5, 50, '2.38460375e-2', 50),
  rdp(0.01, 2.5, 100, '167.416308', 50),
  {
    title: 'ε of a constant divergence of 1.1 at orders 2…32, δ 1e-5',
    of: ({ epsilonOf }) => {
      const orders = wholeOrders.filter((order) => order <= 32);
      return epsilonOf(
        orders.map(() => 1.1),
        { ...whole, orders, delta: 1e-5 },
      ).epsilon;
    },
    printed: '1.32783806176',
  },
  // By quadrature. dp_accounting takes all terms for positive there: 6.70579741e-4.
  rdp(0.01, 2.5, 1.5, '6.50070897e-4', 50),
  // Rows of small fleets, whole orders.
  epsilon([0.1, 1, 100, 1e-5], whole, '7.9729215104'),
  epsilon([0.01, 1, 1000, 1e-5], whole, '2.1077530755'),
  epsilon([0.05, 0.8, 50, 1e-4], whole, '4.638467239'),
  epsilon([0.2, 1, 60, 1e-3], whole, '9.5097940522'),
  rdp(0.01, 1, 2, '1.7181342207e-4'),
  rdp(0.01, 1, 3, '2.6463757458e-4'),
  rdp(0.01, 1, 8, '8.9364390761e-4'),
  rdp(0.01, 1, 32, '11.2462759370'),
  rdp(0.1, 2, 2, '2.8362282663e-3'),
  rdp(0.1, 2, 8, '1.3725430103e-2'),
  rdp(0.1, 2, 32, '1.6272023010'),
  // Balle and Wang's mechanism.
  sigma(1, 1e-5, '3.730631635'),
  sigma(0.5, 1e-5, '7.031826676'),
  sigma(8, 1e-5, '0.600229072'),
  sigma(1, 1e-6, '4.224678889'),
  // Andrew and others, arXiv 1905.03871, §2.1.
  {
    title: 'noise of the sum where the count of the adaptive clip has σ 5',
    of: ({ splitNoise }) => unwrap(splitNoise(1, 5)),
    printed: '1.005037815',
  },
  // TensorFlow Federated, test of its quantile estimation: two values above, none below.
  {
    title: 'the clip after a round in which nobody was within it',
    of: ({ adaptClip }) =>
      adaptClip(314159e-5, { quantile: 0.61803, learningRate: 271828e-5, countNoise: 1 }, 0),
    // 3.14159 · e^(2.71828 · 0.61803)
    printed: '16.856016',
  },
];

/** Opacus cuts its series off where terms fall below e⁻³⁰; its eleventh decimal is not that of the sum. */
const theirsWithin = 1e-10;

/** Half a unit of the last digit that was printed. */
export function toleranceOf(printed: string): number {
  const [digits = '', power = '0'] = printed.split('e');
  const decimals = digits.split('.')[1]?.length ?? 0;
  return Math.max(0.5 * 10 ** (Number(power) - decimals), Number(printed) > 1 ? theirsWithin : 0);
}

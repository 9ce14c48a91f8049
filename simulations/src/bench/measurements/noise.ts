// Noise for a vector: the discrete Gaussian as it is drawn here, the same distribution by the published algorithm in rational
// arithmetic, and Box–Muller in floating point, which is no mechanism but what others add.

import { randomFrom } from '@skerry/shared';
import { createSystemRandomBytes } from '@skerry/shared/node';
import { createDiscreteGaussian, createRandomWords } from '@skerry/shared/privacy';

export interface NoiseOptions {
  readonly kind: 'discrete Gaussian' | 'in rationals' | 'Box–Muller';
  readonly sigma: number;
  readonly samples: number;
}

export interface Noise {
  readonly nsPerSample: number;
}

export function noise({ kind, sigma, samples }: NoiseOptions): Noise {
  const values = new Float64Array(samples);
  const add = adders[kind](sigma);
  // Compiled before it is timed.
  add(new Float64Array(Math.ceil(samples / 10)));
  const startedMs = performance.now();
  add(values);
  const nsPerSample = ((performance.now() - startedMs) * 1e6) / samples;
  const spread = Math.sqrt(values.reduce((sum, x) => sum + x * x, 0) / samples) / sigma;
  if (Math.abs(spread - 1) > 0.2) throw new Error(`noise of ${spread} σ`);
  return { nsPerSample };
}

type Add = (values: Float64Array) => void;

const each =
  (sample: () => number): Add =>
  (values) => {
    for (let i = 0; i < values.length; i++) values[i] = sample();
  };

const adders: Readonly<Record<NoiseOptions['kind'], (sigma: number) => Add>> = {
  'discrete Gaussian': (sigma) => {
    const gaussian = createDiscreteGaussian(sigma, createSystemRandomBytes());
    return (values) => gaussian.addTo(values);
  },
  'in rationals': (sigma) => each(rationalGaussian(BigInt(Math.round(sigma)))),
  'Box–Muller': (sigma) => {
    const random = randomFrom(createRandomWords(createSystemRandomBytes()).next);
    return each(() => sigma * random.gaussian());
  },
};

/** Canonne, Kamath and Steinke, arXiv 2004.00010, algorithms 1 to 3, as they are printed. */
function rationalGaussian(sigma: bigint): () => number {
  const words = createRandomWords(createSystemRandomBytes());
  const below = (bound: bigint): bigint => {
    const count = Math.ceil(bound.toString(2).length / 32);
    for (;;) {
      let drawn = 0n;
      for (let i = 0; i < count; i++) drawn = (drawn << 32n) | BigInt(words.next());
      drawn >>= BigInt(32 * count - bound.toString(2).length);
      if (drawn < bound) return drawn;
    }
  };
  const bernoulli = (numerator: bigint, denominator: bigint): boolean =>
    below(denominator) < numerator;
  /** e^−γ for a γ of nought to one. */
  const small = (numerator: bigint, denominator: bigint): boolean => {
    let k = 1n;
    while (bernoulli(numerator, denominator * k)) k++;
    return k % 2n === 1n;
  };
  const belowExp = (numerator: bigint, denominator: bigint): boolean => {
    let left = numerator;
    for (; left > denominator; left -= denominator) if (!small(1n, 1n)) return false;
    return small(left, denominator);
  };
  const t = sigma + 1n;
  const laplace = (): bigint => {
    for (;;) {
      const low = below(t);
      if (!belowExp(low, t)) continue;
      let times = 0n;
      while (belowExp(1n, 1n)) times++;
      const size = low + t * times;
      const negative = below(2n) === 1n;
      if (!(negative && size === 0n)) return negative ? -size : size;
    }
  };
  const variance = sigma * sigma;
  return () => {
    for (;;) {
      const y = laplace();
      const difference = (y < 0n ? -y : y) * t - variance;
      if (belowExp(difference * difference, 2n * variance * t * t)) return Number(y);
    }
  };
}

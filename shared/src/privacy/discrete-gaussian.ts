// Noise for sums of whole numbers: P(x) ∝ exp(−x²/2σ²) on the integers, drawn exactly (Canonne, Kamath and Steinke, arXiv
// 2004.00010, algorithms 2 and 3). A Gaussian in floating point is no such thing: which doubles can occur depends on what the
// noise was added to, and its low bits tell it (Mironov, CCS 2012).

import { assert } from '../assert.ts';
import { isBelowExpExactly, type Ratio, tellBelow } from './below-exp.ts';
import { createRandomWords, type RandomBytes } from './random-bytes.ts';

/** Above it a sample's bounds would not hold in doubles. */
export const noiseSigmaMax = 2 ** 30;

const inverseE = Math.exp(-1);

export interface DiscreteGaussian {
  sample(): number;
  /** Adds a sample of its own to each. */
  addTo(values: Float64Array | Int32Array): void;
}

export function createDiscreteGaussian(sigma: number, bytes: RandomBytes): DiscreteGaussian {
  assert(sigma > 0 && sigma <= noiseSigmaMax, 'a standard deviation lies within 0…2³⁰');
  const words = createRandomWords(bytes);
  const variance = sigma * sigma;
  // Any scale gives the same distribution, one near σ with few rejections, and a power of two is drawn from one word's bits.
  const scaleBits = Math.max(0, Math.round(Math.log2(sigma)));
  const scale = 2 ** scaleBits;
  const centre = variance / scale;
  const exactVariance = ratioOfSquare(sigma);

  /** The discrete Laplace distribution, P(x) ∝ exp(−|x|/scale), without its sign. */
  const sampleLaplaceSize = (): number => {
    for (;;) {
      // A shift by 32 would be one by nought.
      const low = scaleBits === 0 ? 0 : words.next() >>> (32 - scaleBits);
      const word = words.next();
      const isLow =
        tellBelow(word, Math.exp(-low / scale)) ??
        isBelowExpExactly(word, ratio(low, scale), words);
      if (isLow) return low + scale * countBelowInverseE();
    }
  };

  /** How many in a row are below e⁻¹. */
  const countBelowInverseE = (): number => {
    for (let times = 0; ; times++) {
      const word = words.next();
      if (!(tellBelow(word, inverseE) ?? isBelowExpExactly(word, ratio(1, 1), words))) return times;
    }
  };

  const sample = (): number => {
    for (;;) {
      const size = sampleLaplaceSize();
      const negative = words.next() >>> 31 === 1;
      // Nought has one sign.
      if (size === 0 && negative) continue;
      const gamma = (size - centre) ** 2 / (2 * variance);
      const word = words.next();
      const isKept =
        tellBelow(word, Math.exp(-gamma)) ??
        isBelowExpExactly(word, exponent(size, scale, exactVariance), words);
      if (isKept) return negative ? -size : size;
    }
  };

  return {
    sample,
    addTo(values) {
      for (let i = 0; i < values.length; i++) values[i] = (values[i] as number) + sample();
    },
  };
}

const ratio = (numerator: number, denominator: number): Ratio => ({
  numerator: BigInt(numerator),
  denominator: BigInt(denominator),
});

/** (|y| − σ²/t)²/2σ² */
function exponent(size: number, scale: number, variance: Ratio): Ratio {
  const { numerator: a, denominator: b } = variance;
  const t = BigInt(scale);
  const difference = BigInt(size) * t * b - a;
  return { numerator: difference * difference, denominator: 2n * a * b * t * t };
}

/** The square of a double, which is a whole number over a power of two. */
function ratioOfSquare(value: number): Ratio {
  let shift = 0n;
  let whole = value;
  while (!Number.isInteger(whole)) {
    whole *= 2;
    shift++;
  }
  return { numerator: BigInt(whole) ** 2n, denominator: 1n << (2n * shift) };
}

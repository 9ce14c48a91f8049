import { conversions } from '@skerry/shared/privacy';
import { unwrap } from '@skerry/shared/testing';
import { describe, expect, it } from 'vitest';
import { epsilonAfter, epsilonOf } from './accountant.ts';
import { adaptClip, splitNoise } from './adaptive-clip.ts';
import { classicGaussianSigma, gaussianDelta, gaussianSigma } from './analytic-gaussian.ts';
import { logErfc } from './log-erfc.ts';
import { noiseMultiplierFor } from './noise-multiplier.ts';
import { defaultOrders, opacusOrders, wholeOrders } from './orders.ts';
import { subsampledGaussianRdp } from './subsampled-gaussian.ts';
import { publishedVectors, toleranceOf } from './testing/published-vectors.ts';

const judged = {
  epsilonAfter,
  epsilonOf,
  subsampledGaussianRdp,
  noiseMultiplierFor,
  gaussianSigma,
  splitNoise,
  adaptClip,
};

const divergence = (q: number, z: number, order: number): number =>
  subsampledGaussianRdp({ samplingRate: q, noiseMultiplier: z }, order);

/** A second way: the trapezoid rule over E[(1 − q + qL)^α], which converges faster than any power of its step. */
function quadrature(q: number, z: number, order: number): number {
  const step = z / 16;
  const [from, to] = [-14 * z, order + 14 * z];
  const logs: number[] = [];
  for (let x = from; x <= to; x += step) {
    const logRatio = (2 * x - 1) / (2 * z * z);
    const mixed = Math.log1p(q * Math.expm1(Math.min(logRatio, 600)));
    const logMixed = logRatio > 600 ? Math.log(q) + logRatio : mixed;
    logs.push(order * logMixed - (x * x) / (2 * z * z));
  }
  const scale = Math.max(...logs);
  const sum = logs.reduce((total, log) => total + Math.exp(log - scale), 0);
  return (scale + Math.log((sum * step) / (z * Math.sqrt(2 * Math.PI)))) / (order - 1);
}

describe('published vectors', () => {
  it.each(publishedVectors)('[PRV1] $title is $printed', ({ of, printed }) => {
    expect(Math.abs(of(judged) - Number(printed))).toBeLessThanOrEqual(toleranceOf(printed));
  });

  it('[PRV1] log erfc is that of a computation in 40 digits, far into the tail', () => {
    const known: readonly (readonly [number, number])[] = [
      [-30, Math.LN2],
      [-0.3, 0.284145897141408],
      [0.46, -0.6629194564687088],
      [1, -1.8496055099332482],
      [4, -17.987778312103007],
      [30, -903.9741171106439],
      [1e4, -100000009.78270532],
    ];
    for (const [x, value] of known)
      expect(Math.abs(logErfc(x) - value)).toBeLessThan(3e-13 * Math.max(1, Math.abs(value)));
  });
});

describe('the divergence of one round', () => {
  it('[PRV2] is that of a quadrature at fractional and whole orders', () => {
    for (const [q, z, order] of [
      [0.04, 1.5, 3.9],
      [0.01, 2.5, 1.5],
      [0.1, 1, 1.1],
      [0.1, 1, 10.9],
      [0.2, 0.5, 2.5],
      [0.9, 0.5, 7.3],
      [0.5, 1, 1.01],
      [0.001, 0.6, 30],
      [0.4, 12, 59.5],
      [0.05, 0.3, 64],
    ] as const)
      expect(divergence(q, z, order) / quadrature(q, z, order)).toBeCloseTo(1, 9);
  });

  it('[PRV2] is positive, finite, rising and continuous where others cut their series off', () => {
    for (const [q, z] of [
      [0.4, 12],
      [0.1, 1],
      [1e-6, 5],
      [0.999, 0.2],
    ] as const) {
      let before = 0;
      for (const order of [...defaultOrders, 58.5, 58.6, 59.5].sort((a, b) => a - b)) {
        const here = divergence(q, z, order);
        expect(here).toBeGreaterThan(before * (1 - 1e-9));
        expect(here).toBeLessThanOrEqual(order / (2 * z * z));
        before = here;
      }
      for (const order of [2, 5, 30])
        expect(divergence(q, z, order + 1e-9) / divergence(q, z, order)).toBeCloseTo(1, 5);
    }
  });

  it('[PRV2] without sampling is α/2z², without a sample nought, without noise infinite', () => {
    expect(divergence(1, 2, 8)).toBe(1);
    expect(divergence(0, 2, 8)).toBe(0);
    expect(divergence(0.1, 0, 8)).toBe(Number.POSITIVE_INFINITY);
  });
});

describe('ε', () => {
  const reading = { delta: 1e-5, orders: opacusOrders };
  const opacus = { samplingRate: 0.04, noiseMultiplier: 1.5 };

  it('[PRV3] has two conversions, named, of which one is never above the other', () => {
    expect(conversions).toEqual(['mironov', 'canonne-kamath-steinke']);
    for (const rounds of [1, 100, 10_000]) {
      const [older = 0, newer = 0] = conversions.map(
        (conversion) => epsilonAfter(rounds, opacus, { ...reading, conversion }).epsilon,
      );
      expect(newer).toBeLessThan(older);
    }
  });

  it('[PRV3] lies above what tighter accountants find, and above the limit that the CLT gives', () => {
    const [q, rounds] = [0.04, 2249];
    const ours = epsilonAfter(rounds, opacus, { ...reading, conversion: 'canonne-kamath-steinke' });
    expect(ours.epsilon).toBeGreaterThan(6.777395712);
    // Gaussian DP: all rounds together are one Gaussian of μ = q√(T(e^(1/z²) − 1)).
    const mu = q * Math.sqrt(rounds * Math.expm1(1 / 1.5 ** 2));
    expect(gaussianDelta(1 / mu, 6.59)).toBeGreaterThan(1e-5);
    expect(gaussianDelta(1 / mu, 6.6)).toBeLessThan(1e-5);
  });

  it('[PRV3] of a small fleet is found at fractional orders, and is far less than at whole ones', () => {
    const run = (z: number, delta: number, orders: readonly number[]) =>
      epsilonAfter(
        60,
        { samplingRate: 0.2, noiseMultiplier: z },
        { delta, orders, conversion: 'canonne-kamath-steinke' },
      ).epsilon;
    expect(run(0.5, 1e-3, wholeOrders)).toBeCloseTo(74, 0);
    expect(run(0.5, 1e-3, defaultOrders)).toBeLessThan(37);
    expect(run(1, 1e-2, wholeOrders)).toBeCloseTo(7.21, 2);
    expect(run(1, 1e-3, defaultOrders)).toBeLessThan(9.1);
  });
});

describe('noise for an ε', () => {
  const goal = {
    epsilon: 2,
    delta: 1e-5,
    samplingRate: 0.01,
    rounds: 500,
    orders: defaultOrders,
    conversion: 'canonne-kamath-steinke',
  } as const;

  it('[PRV4] stays below its goal, and hardly', () => {
    for (const epsilon of [0.1, 1, 8, 100]) {
      const noiseMultiplier = unwrap(noiseMultiplierFor({ ...goal, epsilon }));
      const reached = epsilonAfter(500, { samplingRate: 0.01, noiseMultiplier }, goal).epsilon;
      expect(reached).toBeLessThanOrEqual(epsilon);
      expect(epsilon - reached).toBeLessThan(1e-5);
    }
  });

  it('[PRV4] is more than a tighter accountant would ask for', () => {
    const opacus = { ...goal, epsilon: 8, samplingRate: 0.04, orders: opacusOrders };
    expect(unwrap(noiseMultiplierFor({ ...opacus, rounds: 2250 }))).toBeGreaterThan(1.3477);
    expect(unwrap(noiseMultiplierFor({ ...opacus, rounds: 2000 }))).toBeGreaterThan(1.2915);
  });

  it('[PRV4] refuses an ε of nought, and one that no noise gives', () => {
    for (const epsilon of [0, -1, Number.NaN, Number.POSITIVE_INFINITY, 1e-4])
      expect(noiseMultiplierFor({ ...goal, epsilon })).toMatchObject({
        error: { code: 'invalid_argument' },
      });
  });

  it('[PRV5] by √(2 ln(1.25/δ))/ε is refused where that is not proved, and is never less than needed', () => {
    for (const epsilon of [0.1, 0.5, 0.99])
      expect(unwrap(classicGaussianSigma(epsilon, 1e-5))).toBeGreaterThan(
        unwrap(gaussianSigma(epsilon, 1e-5)),
      );
    for (const epsilon of [1, 8]) expect(classicGaussianSigma(epsilon, 1e-5).ok).toBe(false);
    for (const [epsilon, delta] of [
      [0, 1e-5],
      [-1, 1e-5],
      [Number.NaN, 1e-5],
      [0.5, 0],
      [0.5, 1],
    ] as const) {
      expect(gaussianSigma(epsilon, delta).ok).toBe(false);
      expect(classicGaussianSigma(epsilon, delta).ok).toBe(false);
    }
  });
});

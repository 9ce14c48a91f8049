// Whether the tests of this folder would see the mistakes that others have made in such code, and a few more: each is planted in
// the built files, and the vectors or the measured noise must miss.

import { fileURLToPath } from 'node:url';
import { createSeededBytes, type Mutation, plantMutant, unwrap } from '@skerry/shared/testing';
import { describe, expect, it } from 'vitest';
import type * as CentralPrivacyModule from './central-privacy.ts';
import { type Judged, publishedVectors, toleranceOf } from './testing/published-vectors.ts';

const built = fileURLToPath(new URL('../../../dist/learn/privacy', import.meta.url));

const judges = [
  'accountant.js',
  'adaptive-clip.js',
  'analytic-gaussian.js',
  'noise-multiplier.js',
  'subsampled-gaussian.js',
];

function misses(judged: Judged): readonly string[] {
  const isMissed = (value: number, printed: string): boolean =>
    !(Math.abs(value - Number(printed)) <= toleranceOf(printed));
  return publishedVectors
    .filter(({ of, printed }) => isMissed(of(judged), printed))
    .map(({ title }) => title);
}

async function mutated(mutation: Mutation): Promise<readonly string[]> {
  const mutant = await plantMutant(built, mutation);
  try {
    const modules = await Promise.all(judges.map((file) => mutant.load(file)));
    return misses(Object.assign({}, ...modules) as Judged);
  } catch (thrown) {
    // Refused or never ending is seen too.
    return [String(thrown)];
  } finally {
    mutant.remove();
  }
}

const gaussian = 'subsampled-gaussian.js';

describe('a mistake in the accountant', () => {
  it.each<readonly [string, Mutation]>([
    [
      'σ for σ² without sampling',
      { file: gaussian, from: 'order / (2 * z * z)', to: 'order / (2 * z)' },
    ],
    [
      'σ for σ² at whole orders',
      {
        file: gaussian,
        from: 'logExpm1((k * k - k) / (2 * z * z))',
        to: 'logExpm1((k * k - k) / (2 * z))',
      },
    ],
    [
      'σ for σ² at fractional orders',
      { file: gaussian, from: '=> (k * k - k) / (2 * z * z)', to: '=> (k * k - k) / (2 * z)' },
    ],
    [
      'k² + k for k² − k',
      { file: gaussian, from: 'logExpm1((k * k - k)', to: 'logExpm1((k * k + k)' },
    ],
    ['a term left out', { file: gaussian, from: 'k > 1', to: 'k > 2' }],
    [
      'all terms taken for positive',
      { file: gaussian, from: 'Math.log1p(-rest', to: 'Math.log1p(rest' },
    ],
    [
      'the boundary between the series on the wrong side',
      { file: gaussian, from: '(logP - logQ) + 0.5', to: '(logP - logQ) - 0.5' },
    ],
    [
      'the wrong half of the line',
      { file: gaussian, from: 'half(i - equal)', to: 'half(equal - i)' },
    ],
    [
      'a tail that begins a term late',
      { file: gaussian, from: 'Math.ceil(order) + 1', to: 'Math.ceil(order) + 2' },
    ],
    ['α for α − 1', { file: gaussian, from: 'logMoment / (order - 1)', to: 'logMoment / order' }],
    [
      'one round too many',
      { file: 'accountant.js', from: 'rdp * rounds', to: 'rdp * (rounds + 1)' },
    ],
    [
      'one round too few',
      { file: 'accountant.js', from: 'rdp * rounds', to: 'rdp * (rounds - 1)' },
    ],
    [
      'the worst order for the best',
      {
        file: 'accountant.js',
        from: 'epsilon < best.epsilon',
        to: 'best.epsilon === Infinity || epsilon > best.epsilon',
      },
    ],
    [
      'the end of the bracket that is above the goal',
      { file: 'noise-multiplier.js', from: 'ok(high)', to: 'ok(low)' },
    ],
    ['erfc growing', { file: 'log-erfc.js', from: '- size * size', to: '+ size * size' }],
    ['ε over σ', { file: 'analytic-gaussian.js', from: 'epsilon * sigma', to: 'epsilon / sigma' }],
    [
      'the sum of both tails',
      {
        file: 'analytic-gaussian.js',
        from: '-Math.exp(larger) * Math.expm1(smaller - larger)',
        to: 'Math.exp(larger) + Math.exp(smaller)',
      },
    ],
    [
      'a clip that flees from its quantile',
      { file: 'adaptive-clip.js', from: '-adaptive.learningRate', to: 'adaptive.learningRate' },
    ],
    [
      'a count of sensitivity one',
      { file: 'adaptive-clip.js', from: '(2 * countNoise)', to: 'countNoise' },
    ],
  ])('[PRV15] misses a vector: %s', async (_, mutation) => {
    expect(await mutated(mutation)).not.toEqual([]);
  });

  it('[PRV15] that is none misses no vector', async () => {
    expect(
      await mutated({ file: 'accountant.js', from: 'rdp * rounds', to: 'rounds * rdp' }),
    ).toEqual([]);
  });
});

describe('a mistake in the noise', () => {
  /** What the noise is, of what it should be, at three scales. */
  async function scales(mutation: Mutation): Promise<readonly number[]> {
    const mutant = await plantMutant(built, mutation);
    try {
      const { privateMean } = (await mutant.load(
        'central-privacy.js',
      )) as typeof CentralPrivacyModule;
      return [
        [0.5, 3],
        [2, 0.3],
        [4, 0.01],
      ].map(([noiseMultiplier = 0, norm = 0]) => {
        const privacy = {
          noiseMultiplier,
          samplingRate: 0.1,
          clients: 50,
          clip: { kind: 'fixed', norm },
        } as const;
        const updates = [{ client: 'a', delta: new Float32Array(20_000) }];
        const bytes = createSeededBytes(1);
        const { mean } = unwrap(privateMean(privacy, { clip: norm, size: 20_000, updates }, bytes));
        const variance = mean.reduce((sum, x) => sum + x * x, 0) / mean.length;
        return Math.sqrt(variance) / ((noiseMultiplier * norm) / 5);
      });
    } finally {
      mutant.remove();
    }
  }
  const isRight = (ratios: readonly number[]): boolean =>
    ratios.every((ratio) => Math.abs(ratio ** 2 - 1) < 6.5 * Math.sqrt(2 / 20_000));

  const file = 'central-privacy.js';
  it.each<readonly [string, Mutation]>([
    [
      'a variance for a standard deviation',
      { file, from: 'noise.value * gridSteps', to: 'noise.value ** 2 * gridSteps' },
    ],
    [
      'noise that knows no clip',
      { file, from: 'clip / gridSteps / expected', to: '1 / gridSteps / expected' },
    ],
    [
      'a sum divided by who came',
      { file, from: 'privacy.samplingRate * privacy.clients;', to: 'updates.length;' },
    ],
  ])('[PRV15] is measured: %s', async (_, mutation) => {
    expect(isRight(await scales(mutation))).toBe(false);
  });

  it('[PRV15] that is none is measured as none', async () => {
    const none = { file, from: 'noise.value * gridSteps', to: 'gridSteps * noise.value' };
    expect(isRight(await scales(none))).toBe(true);
  });
});

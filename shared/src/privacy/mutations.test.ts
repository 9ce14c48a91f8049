// Whether the tests of noise would see a mistake in it: each is planted in the built files, and chi-square, the measured σ or a
// published value must miss.

import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { type Mutation, plantMutant } from '../testing/mutant.ts';
import { createSeededBytes } from '../testing/seeded-bytes.ts';
import type * as Conversions from './conversions.ts';
import type * as DiscreteGaussianModule from './discrete-gaussian.ts';
import { distanceFrom } from './testing/chi-square.ts';

const built = fileURLToPath(new URL('../../dist/privacy', import.meta.url));

async function withMutant<T>(
  mutation: Mutation,
  judge: (load: (file: string) => Promise<unknown>) => Promise<T>,
): Promise<T> {
  const mutant = await plantMutant(built, mutation);
  try {
    return await judge(mutant.load);
  } finally {
    mutant.remove();
  }
}

const isSeen = (mutation: Mutation): Promise<boolean> =>
  withMutant(mutation, async (load) => {
    const { createDiscreteGaussian } = (await load(
      'discrete-gaussian.js',
    )) as typeof DiscreteGaussianModule;
    const small = createDiscreteGaussian(2.7, createSeededBytes(1));
    const { chiSquare, limit } = distanceFrom(2.7, 50_000, () => small.sample());
    const sigma = 1.4 * 2 ** 10;
    const large = new Float64Array(50_000);
    createDiscreteGaussian(sigma, createSeededBytes(2)).addTo(large);
    const variance = large.reduce((sum, x) => sum + x * x, 0) / large.length / sigma ** 2;
    return chiSquare > limit || Math.abs(variance - 1) > 6.5 * Math.sqrt(2 / large.length);
  });

describe('a mistake in the sampler', () => {
  const file = 'discrete-gaussian.js';
  it.each<readonly [string, Mutation]>([
    ['σ² for 2σ²', { file, from: '/ (2 * variance)', to: '/ variance' }],
    ['σ for σ²', { file, from: 'variance = sigma * sigma', to: 'variance = sigma' }],
    [
      'a centre on the wrong side',
      { file, from: '(size - centre) ** 2', to: '(size + centre) ** 2' },
    ],
    ['no sign', { file, from: 'negative ? -size : size', to: 'size' }],
    ['nought twice', { file, from: 'size === 0 && negative', to: 'false' }],
    ['a Laplace of another scale', { file, from: '-low / scale', to: '-low / (2 * scale)' }],
    ['e⁻² for e⁻¹', { file, from: 'Math.exp(-1)', to: 'Math.exp(-2)' }],
  ])('[PRV15] is seen: %s', async (_, mutation) => {
    expect(await isSeen(mutation)).toBe(true);
  });

  it('[PRV15] that is none is not seen', async () => {
    expect(await isSeen({ file, from: '/ (2 * variance)', to: '/ (variance * 2)' })).toBe(false);
  });
});

describe('a mistake in a conversion', () => {
  const file = 'conversions.js';
  it.each<readonly [string, Mutation]>([
    ['a sign', { file, from: 'rdp + Math.log1p(-1 / order)', to: 'rdp - Math.log1p(-1 / order)' }],
    [
      'another sign',
      { file, from: 'Math.log(delta) + Math.log(order)', to: 'Math.log(delta) - Math.log(order)' },
    ],
    ['ln δ for ln 1/δ', { file, from: 'rdp - Math.log(delta) /', to: 'rdp + Math.log(delta) /' }],
  ])('[PRV15] is seen: %s', async (_, mutation) => {
    const found = await withMutant(mutation, async (load) => {
      const { conversions, epsilonAtOrder } = (await load(file)) as typeof Conversions;
      return conversions.map((conversion) => epsilonAtOrder(conversion, 1.1, 32, 1e-5));
    });
    const [mironov = 0, newer = 0] = found;
    expect(
      Math.abs(mironov - (1.1 + Math.log(1e5) / 31)) < 1e-9 &&
        Math.abs(newer - 1.32783806176) < 1e-9,
    ).toBe(false);
  });
});

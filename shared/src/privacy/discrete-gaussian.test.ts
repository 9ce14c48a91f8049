import { describe, expect, it } from 'vitest';
import { createRandom } from '../random.ts';
import { createSeededBytes } from '../testing/seeded-bytes.ts';
import { expOfMinus, isBelowExpExactly, type Ratio, tellBelow } from './below-exp.ts';
import { createDiscreteGaussian } from './discrete-gaussian.ts';
import { createRandomWords, type RandomWords } from './random-bytes.ts';
import { distanceFrom } from './testing/chi-square.ts';

const wordsOf = (...words: number[]): RandomWords => {
  let at = 0;
  return { next: () => words[at++] ?? 0 };
};

describe('the discrete Gaussian', () => {
  it.each([0.3, 1, 2.7, 4, 11.3, 40])('[PRV10] of σ %s has its distribution', (sigma) => {
    const gaussian = createDiscreteGaussian(sigma, createSeededBytes(Math.round(sigma * 10)));
    const { chiSquare, limit } = distanceFrom(sigma, 200_000, () => gaussian.sample());
    expect(chiSquare).toBeLessThan(limit);
  });

  it.each([2 ** 10, 1.4 * 2 ** 24, 2 ** 30])('[PRV11] has σ %s', (sigma) => {
    const samples = new Float64Array(100_000);
    createDiscreteGaussian(sigma, createSeededBytes(7)).addTo(samples);
    const variance = samples.reduce((sum, x) => sum + x * x, 0) / samples.length / sigma ** 2;
    expect(Math.abs(variance - 1)).toBeLessThan(6.5 * Math.sqrt(2 / samples.length));
    expect(samples.every(Number.isInteger)).toBe(true);
    // The low bit is a coin, which a rounded Gaussian in floating point has no reason to be.
    const odd = samples.reduce((sum, x) => sum + Math.abs(x % 2), 0) / samples.length;
    expect(Math.abs(odd - 0.5)).toBeLessThan(6.5 / Math.sqrt(4 * samples.length));
  });

  it('[PRV10] adds to what is there, and refuses a σ that it cannot draw', () => {
    const [plain, shifted] = [new Float64Array(100), new Float64Array(100).fill(1_000)];
    for (const values of [plain, shifted])
      createDiscreteGaussian(3, createSeededBytes(1)).addTo(values);
    expect([...shifted]).toEqual([...plain].map((x) => x + 1_000));
    for (const sigma of [0, -1, Number.NaN, 2 ** 31])
      expect(() => createDiscreteGaussian(sigma, createSeededBytes(1))).toThrow();
  });
});

describe('an event of probability e^−γ', () => {
  const ratio = (numerator: number, denominator: number): Ratio => ({
    numerator: BigInt(numerator),
    denominator: BigInt(denominator),
  });

  it('[PRV10] is e^−γ to as many bits as are asked for', () => {
    expect(expOfMinus(ratio(1, 1), 128n) >> 96n).toBe(BigInt(Math.floor(2 ** 32 / Math.E)));
    for (const [n, d] of [
      [0, 1],
      [1, 3],
      [1, 2],
      [7, 2],
      [20, 1],
      [1234, 100],
    ] as const) {
      const bits = Number(expOfMinus(ratio(n, d), 200n)) / 2 ** 200;
      expect(bits / Math.exp(-n / d)).toBeCloseTo(1, 13);
      // More bits go on from fewer.
      const [more, fewer] = [expOfMinus(ratio(n, d), 256n), expOfMinus(ratio(n, d), 64n)];
      expect(Number((more >> 192n) - fewer)).toBeLessThanOrEqual(1);
      expect(Number((more >> 192n) - fewer)).toBeGreaterThanOrEqual(-1);
    }
    expect(expOfMinus(ratio(5_000, 1), 64n)).toBe(0n);
  });

  it('[PRV10] is decided by further bits where thirty-two do not tell, and by exact arithmetic', () => {
    const third = Math.floor(2 ** 32 * Math.exp(-1 / 3));
    // The next 32 bits of e^−⅓.
    const next = Number(expOfMinus(ratio(1, 3), 64n) & 0xffffffffn);
    expect(tellBelow(third - 1, Math.exp(-1 / 3))).toBe(true);
    expect(tellBelow(third + 1, Math.exp(-1 / 3))).toBe(false);
    expect(tellBelow(third, Math.exp(-1 / 3))).toBe(undefined);
    expect(isBelowExpExactly(third, ratio(1, 3), wordsOf(next - 5))).toBe(true);
    expect(isBelowExpExactly(third, ratio(1, 3), wordsOf(next + 5))).toBe(false);
    // Only bits far behind a double's tell these apart.
    const bits = expOfMinus(ratio(1, 3), 128n);
    const words = [96n, 64n, 32n, 0n].map((shift) => Number((bits >> shift) & 0xffffffffn));
    const [first = 0, ...rest] = words;
    expect(first).toBe(third);
    const close = (by: number): number[] => [...rest.slice(0, 2), (rest[2] as number) + by];
    expect(isBelowExpExactly(first, ratio(1, 3), wordsOf(...close(-50)))).toBe(true);
    expect(isBelowExpExactly(first, ratio(1, 3), wordsOf(...close(50)))).toBe(false);
  });

  it('[PRV10] by doubles is what it is by exact arithmetic, word for word', () => {
    const random = createRandom(11);
    let undecided = 0;
    for (let i = 0; i < 2_000; i++) {
      const [n, d] = [random.below(5_000), 1 + random.below(2_000)];
      const near = Math.floor(2 ** 32 * Math.exp(-n / d));
      // Half of them beside the threshold, where the two could differ.
      const word = i % 2 === 0 ? random.uint32() : Math.max(0, near + random.below(5) - 2);
      const told = tellBelow(word, Math.exp(-n / d));
      if (told === undefined) undecided++;
      else expect(told).toBe(isBelowExpExactly(word, ratio(n, d), wordsOf(1, 2, 3)));
    }
    expect(undecided).toBeGreaterThan(0);
    expect(undecided).toBeLessThan(500);
  });
});

describe('random words', () => {
  it('are asked for in batches and given once', () => {
    let calls = 0;
    const words = createRandomWords({
      fill: (into) => {
        calls++;
        into.fill(calls);
      },
    });
    const drawn = Array.from({ length: 5_000 }, () => words.next());
    expect(calls).toBe(2);
    expect(new Set(drawn)).toEqual(new Set([0x01010101, 0x02020202]));
  });
});

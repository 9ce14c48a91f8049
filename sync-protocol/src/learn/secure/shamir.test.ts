import { randomBytes } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createNodeCryptography } from '../../node/index.ts';
import {
  evaluatePolynomial,
  interpolate,
  recoverSecret,
  type Share,
  sharePrime,
  shareWords,
  splitSecret,
} from './shamir.ts';

const draw = createNodeCryptography().randomBytes;
const secretOf = (shares: readonly Share[], p?: number): number[] => [...interpolate(shares, 0, p)];
const shareOf = (x: number, ...words: number[]): Share => ({ x, words: Uint32Array.from(words) });

function subsets<T>(items: readonly T[], size: number): T[][] {
  if (size === 0) return [[]];
  return items.flatMap((item, i) =>
    subsets(items.slice(i + 1), size - 1).map((rest) => [item, ...rest]),
  );
}

describe('Shamir’s shares', () => {
  it('[SEC2] of 2147483659, as in the vectors of Google’s federated compute platform', () => {
    const first = [1892644398, 815842732, 1064562320, 491319503, 1243597940];
    const second = [1859430940, 652972492, 675592007, 1927289485, 113097608];
    const shares = first.map((word, i) => shareOf(i + 1, word, second[i] as number));
    const threes = subsets(shares, 3);
    expect(threes).toHaveLength(10);
    for (const three of threes) expect(secretOf(three)).toEqual([0, 33]);
  });

  it('[SEC2] of 1613: 1234 + 166x + 94x²', () => {
    const values = [1494, 329, 965, 176, 1188, 775];
    expect(values.map((_, i) => evaluatePolynomial([1234, 166, 94], i + 1, 1613))).toEqual(values);
    const shares = values.map((value, i) => shareOf(i + 1, value));
    const at = (...xs: number[]): Share[] => xs.map((x) => shares[x - 1] as Share);
    expect(secretOf(at(2, 4, 5), 1613)).toEqual([1234]);
    expect(secretOf(at(2, 4), 1613)).toEqual([482]);
  });

  it('[SEC2] arithmetic is exact at the edge of the field', () => {
    const most = sharePrime - 1;
    const exact = (x: bigint): number =>
      Number((BigInt(most) + BigInt(most) * x + BigInt(most) * x * x) % BigInt(sharePrime));
    for (const x of [1, 2, 64, most])
      expect(evaluatePolynomial([most, most, most], x)).toBe(exact(BigInt(x)));
  });

  it('[SEC2] any threshold of them gives the secret back, fewer do not', () => {
    const cases = fc.tuple(
      fc.uint8Array({ minLength: 32, maxLength: 32 }),
      fc.integer({ min: 2, max: 9 }),
    );
    fc.assert(
      fc.property(cases, fc.gen(), ([secret, holders], gen) => {
        const threshold = gen(fc.integer, { min: 2, max: holders });
        const shares = splitSecret(secret, holders, threshold, draw);
        expect(shares[0]?.words).toHaveLength(shareWords);
        const chosen = gen(fc.shuffledSubarray, shares, {
          minLength: threshold,
          maxLength: holders,
        });
        const isIt = (candidate: Uint8Array): boolean => Buffer.from(secret).equals(candidate);
        expect(recoverSecret(chosen, threshold, 32, isIt)).toEqual({ secret, wrong: [] });
        const few = chosen.slice(0, threshold - 1);
        expect(recoverSecret(few, threshold, 32, isIt)).toBeUndefined();
        expect(recoverSecret(few, threshold - 1, 32, isIt)).toBeUndefined();
      }),
      { numRuns: 30 },
    );
  });

  it('[SEC2] fewer than the threshold fit any secret alike', () => {
    // Two shares of three, of a secret of 0 and of one of 2²⁴ − 1: each word is anything in the field.
    const lowHalf = (secret: Uint8Array): number => {
      let low = 0;
      for (let i = 0; i < 300; i++) {
        const [share] = splitSecret(secret, 5, 3, draw);
        if ((share?.words[0] as number) < sharePrime / 2) low += 1;
      }
      return low;
    };
    for (const secret of [new Uint8Array(3), new Uint8Array(3).fill(255)]) {
      const low = lowHalf(secret); // 150 ± 8.7: six deviations.
      expect(low).toBeGreaterThan(98);
      expect(low).toBeLessThan(202);
    }
  });

  it('[SEC2] a false share is passed over where others suffice, and its holder is named', () => {
    const secret = new Uint8Array(randomBytes(32));
    const shares = splitSecret(secret, 6, 4, draw);
    const isIt = (candidate: Uint8Array): boolean => Buffer.from(secret).equals(candidate);
    for (const liar of shares) {
      const told = shares.map((share) =>
        share === liar
          ? shareOf(share.x, ...share.words.map((word) => (word + 1) % sharePrime))
          : share,
      );
      const recovered = recoverSecret(told, 4, 32, isIt);
      expect(recovered?.secret).toEqual(secret);
      // The first four were tried first: a liar beyond them was not needed.
      expect(recovered?.wrong).toEqual(liar.x <= 4 ? [liar.x] : []);
      expect(recoverSecret(told.slice(0, 4), 4, 32, isIt) === undefined).toBe(liar.x <= 4);
    }
  });
});

// An event of probability e^−γ, exactly, for a rational γ: a uniform real is drawn bit by bit, as far as it takes to tell it
// from e^−γ. Thirty-two bits and a double nearly always tell; where they do not, integers of any length go on from there. So the
// answer is that of exact arithmetic, and the cost that of floating point.

import type { RandomWords } from './random-bytes.ts';

export interface Ratio {
  readonly numerator: bigint;
  readonly denominator: bigint;
}

/**
 * How far 2³²·e^−γ may be from its double, given a γ within 2⁻⁴⁰ of the exact one: 2⁻⁸ by γ, and less than 2⁻¹⁸ by `Math.exp`.
 */
const slack = 2 ** -7;

/**
 * Whether the uniform real that begins with the 32 bits of `word` is below e^−γ, given that as a double of a γ within 2⁻⁴⁰ of the
 * exact one; undefined, once in 2³² words, where they do not tell.
 */
export function tellBelow(word: number, expOfMinusGamma: number): boolean | undefined {
  const threshold = 2 ** 32 * expOfMinusGamma;
  if (word + 1 <= threshold - slack) return true;
  return word >= threshold + slack ? false : undefined;
}

/** The same by exact arithmetic: more bits are drawn until they tell. */
export function isBelowExpExactly(word: number, gamma: Ratio, words: RandomWords): boolean {
  let uniform = BigInt(word);
  // One round more is needed with a chance of 2⁻³².
  for (let bits = 64n; ; bits += 32n) {
    uniform = (uniform << 32n) | BigInt(words.next());
    const power = expOfMinus(gamma, bits);
    if (uniform + 1n <= power - 1n) return true;
    if (uniform >= power + 1n) return false;
  }
}

/** More than the rounding of all steps below may add up to. */
const guardBits = 64n;

/** 2^bits·e^−γ, within one. */
export function expOfMinus({ numerator, denominator }: Ratio, bits: bigint): bigint {
  const precision = bits + guardBits;
  const whole = numerator / denominator;
  if (whole > bits) return 0n;
  const rest = ((numerator % denominator) << precision) / denominator;
  let power = seriesOfMinus(rest, precision);
  if (whole > 0n) {
    const inverseE = seriesOfMinus(1n << precision, precision);
    for (let i = 0n; i < whole; i++) power = (power * inverseE) >> precision;
  }
  return power >> guardBits;
}

/** 2^precision·e^−x by its series, for x of nought to one in the same units. */
function seriesOfMinus(x: bigint, precision: bigint): bigint {
  let term = 1n << precision;
  let sum = term;
  for (let k = 1n; term > 0n; k++) {
    term = ((term * x) >> precision) / k;
    sum += k % 2n === 0n ? term : -term;
  }
  return sum;
}

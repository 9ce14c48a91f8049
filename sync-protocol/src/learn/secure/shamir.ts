// Shamir’s secret sharing (Communications of the ACM 22, 1979) over a prime field of 32 bits: any `threshold` shares give
// the secret, and fewer say nothing of it. A secret of bytes is shared three bytes at a time.

import { assert } from '@skerry/shared';

/** 2³¹ + 11, as Google’s federated compute platform has it: its published vectors are tests here. */
export const sharePrime = 2_147_483_659;

export interface Share {
  /** Where the polynomials were evaluated: 1 for the first holder. 0 would be the secret. */
  readonly x: number;
  /** One for each word of the secret. */
  readonly words: Uint32Array;
}

const bytesPerWord = 3;
/** A share’s length, of a secret of 32 bytes. */
export const shareWords = 11;

/** Exact for factors below 2³²: each product stays below 2⁴⁹, and doubles are exact to 2⁵³. */
function mulMod(a: number, b: number, p: number): number {
  return (((a * (b >>> 16)) % p) * 65_536 + a * (b & 0xffff)) % p;
}

function powMod(base: number, exponent: number, p: number): number {
  let result = 1;
  let square = base;
  for (let e = exponent; e > 0; e = Math.floor(e / 2)) {
    if (e % 2 === 1) result = mulMod(result, square, p);
    square = mulMod(square, square, p);
  }
  return result;
}

/** Fermat: a^(p−2) is the inverse of a. */
const inverse = (a: number, p: number): number => powMod(a, p - 2, p);

/** Lowest coefficient first. */
export function evaluatePolynomial(
  coefficients: ArrayLike<number>,
  x: number,
  p: number = sharePrime,
): number {
  let y = 0;
  for (let i = coefficients.length - 1; i >= 0; i--)
    y = (mulMod(y, x, p) + (coefficients[i] as number)) % p;
  return y;
}

/** What each share weighs in the polynomial’s value at `at` (Lagrange). */
function lagrangeWeights(xs: readonly number[], at: number, p: number): number[] {
  return xs.map((xi, i) => {
    let above = 1;
    let below = 1;
    for (const [j, xj] of xs.entries()) {
      if (i === j) continue;
      above = mulMod(above, (at - xj + p) % p, p);
      below = mulMod(below, (xi - xj + p) % p, p);
    }
    return mulMod(above, inverse(below, p), p);
  });
}

/** The polynomials that go through these shares, at `at`: the secret’s words where that is 0. */
export function interpolate(
  shares: readonly Share[],
  at: number,
  p: number = sharePrime,
): Uint32Array {
  const weights = lagrangeWeights(
    shares.map(({ x }) => x),
    at,
    p,
  );
  const words = new Uint32Array(shares[0]?.words.length ?? 0);
  for (const [i, share] of shares.entries()) {
    const weight = weights[i] as number;
    for (let w = 0; w < words.length; w++)
      words[w] = ((words[w] as number) + mulMod(weight, share.words[w] as number, p)) % p;
  }
  return words;
}

/** Uniform in the field, by rejection: a remainder would favour some. */
function drawElements(count: number, randomBytes: (bytes: number) => Uint8Array): Uint32Array {
  const drawn = new Uint32Array(count);
  let have = 0;
  while (have < count) {
    const bytes = randomBytes(4 * 2 * (count - have)); // About half are below the prime.
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    for (let at = 0; at < bytes.length && have < count; at += 4) {
      const element = view.getUint32(at, true);
      if (element < sharePrime) drawn[have++] = element;
    }
  }
  return drawn;
}

/** Shares for the holders 1…`holders`, of whom any `threshold` can put the secret together. */
export function splitSecret(
  secret: Uint8Array,
  holders: number,
  threshold: number,
  randomBytes: (bytes: number) => Uint8Array,
): Share[] {
  assert(threshold >= 1 && threshold <= holders, 'as many holders as a threshold asks for');
  const words = wordsOf(secret);
  const drawn = drawElements(words.length * (threshold - 1), randomBytes);
  const polynomials = Array.from(words, (word, w) => [
    word,
    ...drawn.subarray(w * (threshold - 1), (w + 1) * (threshold - 1)),
  ]);
  return Array.from({ length: holders }, (_, i) => ({
    x: i + 1,
    words: Uint32Array.from(polynomials, (polynomial) => evaluatePolynomial(polynomial, i + 1)),
  }));
}

export interface Recovered {
  readonly secret: Uint8Array;
  /** Of whom a share was false, where one among those that were tried was. */
  readonly wrong: readonly number[];
}

/**
 * The secret that `accept` knows for the true one. Where some holder’s share is false another `threshold` of them is
 * tried, each run of neighbours once. `undefined` where none fits.
 */
export function recoverSecret(
  shares: readonly Share[],
  threshold: number,
  bytes: number,
  accept: (secret: Uint8Array) => boolean,
): Recovered | undefined {
  if (shares.length < threshold) return undefined;
  const tries = shares.length === threshold ? 1 : shares.length;
  for (let first = 0; first < tries; first++) {
    const chosen = Array.from(
      { length: threshold },
      (_, i) => shares[(first + i) % shares.length] as Share,
    );
    const secret = bytesOf(interpolate(chosen, 0), bytes);
    if (secret === undefined || !accept(secret)) continue;
    const isTrue = ({ x, words }: Share): boolean =>
      interpolate(chosen, x).every((word, w) => word === words[w]);
    return { secret, wrong: first === 0 ? [] : shares.filter((s) => !isTrue(s)).map(({ x }) => x) };
  }
  return undefined;
}

function wordsOf(secret: Uint8Array): Uint32Array {
  const words = new Uint32Array(Math.ceil(secret.length / bytesPerWord));
  for (const [i, byte] of secret.entries()) {
    const w = Math.floor(i / bytesPerWord);
    words[w] = ((words[w] as number) << 8) | byte;
  }
  return words;
}

/** `undefined` for words that no secret of so many bytes has: some share was false. */
function bytesOf(words: Uint32Array, length: number): Uint8Array | undefined {
  const bytes = new Uint8Array(length);
  for (const [w, word] of words.entries()) {
    const from = w * bytesPerWord;
    const count = Math.min(bytesPerWord, length - from);
    if (word >= 2 ** (8 * count)) return undefined;
    for (let i = 0; i < count; i++) bytes[from + i] = word >>> (8 * (count - 1 - i));
  }
  return bytes;
}

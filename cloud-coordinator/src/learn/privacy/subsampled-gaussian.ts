// What one round tells: the Rényi divergence of the Gaussian mechanism on a Poisson sample (Mironov, Talwar and Zhang,
// arXiv 1908.10530). Each client is drawn with probability q on its own, a client moves the sum by at most C, and the noise
// has standard deviation z·C. Exact, not a bound, at every order; it also bounds the discrete Gaussian at whole orders, whose
// moments are not above the continuous one's (Canonne, Kamath and Steinke, arXiv 2004.00010, proposition 5).

import { assert } from '@skerry/shared';
import { logErfc } from './log-erfc.ts';

export interface Mechanism {
  /** q: the probability with which a client is in the sample. One: everybody is. */
  readonly samplingRate: number;
  /** z: the noise's standard deviation in multiples of the sensitivity. */
  readonly noiseMultiplier: number;
}

/** The divergence of the given order (> 1) after one round; infinite without noise. */
export function subsampledGaussianRdp(mechanism: Mechanism, order: number): number {
  const { samplingRate: q, noiseMultiplier: z } = mechanism;
  assert(q >= 0 && q <= 1, 'a sampling rate lies in 0…1');
  assert(z >= 0 && order > 1, 'noise is not negative, an order is above one');
  if (q === 0) return 0;
  if (z === 0) return Number.POSITIVE_INFINITY;
  if (q === 1) return order / (2 * z * z);
  const logMoment = Number.isInteger(order)
    ? wholeLogMoment(q, z, order)
    : fractionalLogMoment(q, z, order);
  return logMoment / (order - 1);
}

/**
 * log E[(1 − q + qL)^α] for a whole α, L the likelihood ratio: the binomial sum of §3.3, less the same sum for L = 1, which is
 * one. So each term is positive, and nothing cancels where q is small.
 */
function wholeLogMoment(q: number, z: number, order: number): number {
  const logOdds = Math.log(q) - Math.log1p(-q);
  let logWeight = order * Math.log1p(-q);
  let logSum = Number.NEGATIVE_INFINITY;
  for (let k = 1; k <= order; k++) {
    logWeight += Math.log(order - k + 1) - Math.log(k) + logOdds;
    if (k > 1) logSum = addLogs(logSum, logWeight + logExpm1((k * k - k) / (2 * z * z)));
  }
  return addLogs(0, logSum);
}

/** Below this the series has lost too many digits of what it adds to one. */
const seriesFloor = 1e-9;

/** The two series of §3.3, on either side of where 1 − q and qL are equal: their terms are positive up to ⌈α⌉, then alternate. */
function fractionalLogMoment(q: number, z: number, order: number): number {
  const termsBefore = Math.ceil(order) + 1;
  const terms = logTerms(q, z, order, termsBefore + tailTerms);
  const head = terms.slice(0, termsBefore).reduce(addLogs, Number.NEGATIVE_INFINITY);
  const tail = terms.slice(termsBefore);
  const scale = Math.max(...tail);
  const rest = alternatingSum(tail.map((term) => Math.exp(term - scale)));
  const logMoment = head + Math.log1p(-rest * Math.exp(scale - head));
  if (logMoment > seriesFloor) return logMoment;
  // (α − 1)·D is convex in α and nought at one: between two whole orders it is below the line.
  const below = Math.floor(order);
  const lower = below === 1 ? 0 : wholeLogMoment(q, z, below);
  return lower + (order - below) * (wholeLogMoment(q, z, below + 1) - lower);
}

/** The logarithms of both series' terms together, without their signs. */
function logTerms(q: number, z: number, order: number, count: number): number[] {
  const [logQ, logP] = [Math.log(q), Math.log1p(-q)];
  const equal = z * z * (logP - logQ) + 0.5;
  const half = (x: number): number => logErfc(x / (Math.SQRT2 * z)) - Math.LN2;
  const exponent = (k: number): number => (k * k - k) / (2 * z * z);
  let logBinomial = 0;
  return Array.from({ length: count }, (_, i) => {
    if (i > 0) logBinomial += Math.log(Math.abs(order - i + 1)) - Math.log(i);
    const j = order - i;
    return addLogs(
      logBinomial + i * logQ + j * logP + exponent(i) + half(i - equal),
      logBinomial + j * logQ + i * logP + exponent(j) + half(equal - j),
    );
  });
}

/** The error falls by 5.8 a term: this many are more than a double holds. */
const tailTerms = 24;

/**
 * a₀ − a₁ + a₂ … to infinity, from a few terms (Cohen, Rodriguez Villegas and Zagier, Experimental Mathematics 9, 2000,
 * algorithm 1). The terms must be moments of a measure on [0, 1], as binomials beyond their order times powers of a ratio
 * below one are. Summed as they come they fall like i^−(α+2), which takes ten thousand.
 */
function alternatingSum(terms: readonly number[]): number {
  const n = terms.length;
  const power = (3 + Math.sqrt(8)) ** n;
  const d = (power + 1 / power) / 2;
  let b = -1;
  let c = -d;
  let sum = 0;
  terms.forEach((term, k) => {
    c = b - c;
    sum += c * term;
    b *= ((k + n) * (k - n)) / ((k + 0.5) * (k + 1));
  });
  return sum / d;
}

/** log(eᵃ + eᵇ) */
function addLogs(a: number, b: number): number {
  const larger = Math.max(a, b);
  if (larger === Number.NEGATIVE_INFINITY) return larger;
  return larger + Math.log1p(Math.exp(Math.min(a, b) - larger));
}

/** log(eˣ − 1), x > 0 */
const logExpm1 = (x: number): number =>
  x < 1 ? Math.log(Math.expm1(x)) : x + Math.log1p(-Math.exp(-x));

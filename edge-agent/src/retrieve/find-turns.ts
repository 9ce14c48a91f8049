// Where a text turns to something else: TextTiling's depth scores (M. A. Hearst, Computational Linguistics 23(1), 1997),
// with the vectors of sentences in the place of counts of words. What stands before a gap is compared with what stands
// behind it; a gap is a turn where that likeness lies deep below the next peaks on both sides.

/** On each side of a gap, so many sentences are compared. */
export const windowSentences = 3;
/** What numbers alone make of sentences that are alike. */
const depthMin = 0.01;

/** @returns after which of the sentences, by their places. @param vectors one a sentence, all as long */
export function findTurns(vectors: readonly Float32Array[]): ReadonlySet<number> {
  const likeness = vectors.slice(1).map((_, gap) => likenessAt(vectors, gap));
  const depths = likeness.map((value, gap) =>
    Math.max(0, peakFrom(likeness, gap, -1) + peakFrom(likeness, gap, 1) - 2 * value),
  );
  const cutoff = Math.max(depthMin, cutoffOf(depths));
  return new Set(
    depths.flatMap((depth, gap) => (depth >= cutoff && isValley(likeness, gap) ? [gap] : [])),
  );
}

/** Cosine of both windows' sums. */
function likenessAt(vectors: readonly Float32Array[], gap: number): number {
  const before = sumOf(vectors.slice(Math.max(0, gap + 1 - windowSentences), gap + 1));
  const behind = sumOf(vectors.slice(gap + 1, gap + 1 + windowSentences));
  let product = 0;
  let beforeSquare = 0;
  let behindSquare = 0;
  for (const [d, a] of before.entries()) {
    const b = behind[d] as number;
    product += a * b;
    beforeSquare += a * a;
    behindSquare += b * b;
  }
  const norm = Math.sqrt(beforeSquare * behindSquare);
  return norm === 0 ? 0 : product / norm;
}

function sumOf([first, ...others]: readonly Float32Array[]): Float32Array {
  const sum = Float32Array.from(first ?? []);
  for (const vector of others)
    for (let d = 0; d < sum.length; d++) sum[d] = (sum[d] as number) + (vector[d] as number);
  return sum;
}

/** The likeness at the top of the slope that begins here. */
function peakFrom(likeness: readonly number[], gap: number, step: 1 | -1): number {
  let peak = likeness[gap] as number;
  for (let at = gap + step; (likeness[at] ?? Number.NEGATIVE_INFINITY) >= peak; at += step)
    peak = likeness[at] as number;
  return peak;
}

const isValley = (likeness: readonly number[], gap: number): boolean => {
  const here = likeness[gap] as number;
  return (likeness[gap - 1] ?? 1) >= here && (likeness[gap + 1] ?? 1) > here;
};

/** Hearst's for few, and certain, boundaries: half a deviation below the mean. */
function cutoffOf(depths: readonly number[]): number {
  const mean = depths.reduce((sum, depth) => sum + depth, 0) / Math.max(1, depths.length);
  const square = depths.reduce((sum, depth) => sum + (depth - mean) ** 2, 0);
  return mean - Math.sqrt(square / Math.max(1, depths.length)) / 2;
}

// Which range of an activation is worth its 256 bytes, from a histogram of what it was on calibration data.
//
//   min-max     all of it: nothing is clipped, and one outlier costs everybody resolution
//   percentile  clips the largest magnitudes, a share of one in ten thousand
//   entropy     clips where the distribution that remains loses least information, by Kullback–Leibler divergence
//               (Migacz, "8-bit inference with TensorRT", 2017)

import type { Range } from './affine.ts';

export const rangeMethods = ['min-max', 'percentile', 'entropy'] as const;
export type RangeMethod = (typeof rangeMethods)[number];

/** How often a value's magnitude fell into each of equal bins from 0 to the largest. */
export interface MagnitudeHistogram {
  readonly extent: Range;
  readonly counts: Float64Array;
}

export const histogramBins = 2048;
const percentileShare = 0.9999;

export function createHistogram(extent: Range): MagnitudeHistogram {
  return { extent, counts: new Float64Array(histogramBins) };
}

export function addToHistogram(
  { extent, counts }: MagnitudeHistogram,
  values: ArrayLike<number>,
): void {
  const largest = largestOf(extent);
  if (largest === 0) return;
  const perUnit = histogramBins / largest;
  for (let i = 0; i < values.length; i++) {
    const magnitude = Math.abs(values[i] as number);
    // Zero is exact at every scale: the many that a ReLU makes would only hide what the others lose.
    if (magnitude === 0) continue;
    const bin = Math.min(histogramBins - 1, Math.floor(magnitude * perUnit));
    counts[bin] = (counts[bin] as number) + 1;
  }
}

export function chooseRange(method: RangeMethod, histogram: MagnitudeHistogram): Range {
  const { extent } = histogram;
  if (method === 'min-max') return extent;
  const bins = method === 'percentile' ? binsCovering(histogram.counts) : leastLoss(histogram);
  const limit = (largestOf(extent) * bins) / histogramBins;
  return { min: Math.max(extent.min, -limit), max: Math.min(extent.max, limit) };
}

const largestOf = ({ min, max }: Range): number => Math.max(Math.abs(min), Math.abs(max));

function binsCovering(counts: Float64Array): number {
  const wanted = percentileShare * total(counts);
  let covered = 0;
  for (let bin = 0; bin < counts.length; bin++) {
    covered += counts[bin] as number;
    if (covered >= wanted) return bin + 1;
  }
  return counts.length;
}

/** A range on one side of zero has all levels for its magnitudes, one on both sides half of them. */
function leastLoss({ extent, counts }: MagnitudeHistogram): number {
  const levels = extent.min < 0 && extent.max > 0 ? 128 : 256;
  let best = counts.length;
  let bestLoss = Infinity;
  for (let bins = levels; bins <= counts.length; bins += levels / 16) {
    const loss = clippingLoss(counts, bins, levels);
    if (loss < bestLoss) [best, bestLoss] = [bins, loss];
  }
  return best;
}

/** KL(P ‖ Q): P is the histogram with its tail in the last bin that is kept, Q the same through `levels` bytes. */
function clippingLoss(counts: Float64Array, bins: number, levels: number): number {
  const kept = counts.slice(0, bins);
  const inside = total(kept);
  const tail = total(counts) - inside;
  if (inside === 0) return Infinity;
  let loss = 0;
  for (let level = 0; level < levels; level++) {
    const start = Math.floor((level * bins) / levels);
    const end = Math.floor(((level + 1) * bins) / levels);
    const slice = kept.subarray(start, end);
    const filled = slice.reduce((n, count) => (count > 0 ? n + 1 : n), 0);
    // A byte stands for all the bins that were not empty, alike.
    const even = filled === 0 ? 0 : total(slice) / filled / inside;
    for (const [i, count] of slice.entries()) {
      const p = (count + (start + i === bins - 1 ? tail : 0)) / (inside + tail);
      if (p > 0) loss += p * Math.log(p / Math.max(even, Number.EPSILON));
    }
  }
  return loss;
}

const total = (counts: Float64Array): number => counts.reduce((sum, count) => sum + count, 0);

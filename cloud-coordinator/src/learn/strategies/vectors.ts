// Arithmetic of vectors in float64. What is summed is float32 from clients; the order is the caller's, by client id.

import { assert } from '@skerry/shared';
import type { Vector } from './strategy.ts';

/** Σ wᵢ·rowᵢ. */
export function weightedSum(
  rows: readonly Vector[],
  weights: readonly number[],
): Float64Array<ArrayBuffer> {
  assert(rows.length === weights.length, 'a weight for each row');
  const sum = new Float64Array(rows[0]?.length ?? 0);
  for (const [r, row] of rows.entries()) {
    const weight = weights[r] as number;
    // 0 · NaN is NaN: what has no weight is not looked at.
    if (weight === 0) continue;
    assert(row.length === sum.length, 'rows of one length');
    for (let i = 0; i < sum.length; i++) sum[i] = (sum[i] as number) + weight * (row[i] as number);
  }
  return sum;
}

export function mean(rows: readonly Vector[]): Float64Array<ArrayBuffer> {
  return weightedSum(
    rows,
    rows.map(() => 1 / rows.length),
  );
}

export function squaredNorm(row: Vector): number {
  let sum = 0;
  for (let i = 0; i < row.length; i++) sum += (row[i] as number) ** 2;
  return sum;
}

export const norm = (row: Vector): number => Math.sqrt(squaredNorm(row));

export function squaredDistance(a: Vector, b: Vector): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += ((a[i] as number) - (b[i] as number)) ** 2;
  return sum;
}

export function isFiniteVector(row: Vector): boolean {
  for (let i = 0; i < row.length; i++) if (!Number.isFinite(row[i])) return false;
  return true;
}

/** Of a few numbers; the mean of the two in the middle where their count is even. */
export function medianOf(values: readonly number[]): number {
  return middleOf(Float64Array.from(values).sort());
}

/** Of numbers in ascending order. */
export function middleOf(sorted: Float64Array): number {
  assert(sorted.length > 0, 'a median of something');
  const half = sorted.length >> 1;
  const upper = sorted[half] as number;
  return sorted.length % 2 === 1 ? upper : ((sorted[half - 1] as number) + upper) / 2;
}

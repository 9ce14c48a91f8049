// Pure arithmetic over what the rounds have measured.

import { assert } from '@skerry/shared';
import { percentile } from '../demo/scoreboard.ts';

export interface Latencies {
  readonly p50Ms: number;
  readonly p99Ms: number;
}

export const latenciesOf = (samplesMs: readonly number[]): Latencies => ({
  p50Ms: percentile(samplesMs, 0.5),
  p99Ms: percentile(samplesMs, 0.99),
});

/** The middle value, or the mean of the two middle ones; NaN of none. */
export function median(values: readonly number[]): number {
  const sorted = Float64Array.from(values).sort();
  const low = sorted[Math.floor((sorted.length - 1) / 2)] ?? Number.NaN;
  const high = sorted[Math.floor(sorted.length / 2)] ?? Number.NaN;
  return (low + high) / 2;
}

/** The median of each round's ratio: what slows a whole round weighs on both sides of it alike. */
export function medianRatio(values: readonly number[], baselines: readonly number[]): number {
  assert(values.length === baselines.length, 'as many rounds of the one as of the other');
  return median(values.map((value, round) => value / (baselines[round] as number)));
}

export const mean = (values: readonly number[]): number =>
  values.reduce((sum, value) => sum + value, 0) / values.length;

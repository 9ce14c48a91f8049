// The limits of an exit's domain, from held-out examples that do not prove its threshold.

import { assert } from '@skerry/shared';
import { predict } from '../confidence.ts';
import {
  type Domain,
  distanceBetween,
  embeddingChannelsMax,
  embeddingOf,
  energyOf,
} from './domain.ts';
import { cutAt, logitsAt, type Observed } from './observed.ts';

/** The share of familiar examples that each score lets pass. */
const keptShare = 0.995;
/** A class with fewer has no mean of its own. */
const examplesPerClassMin = 10;
/** Added to the covariance's diagonal, as a share of its mean: a channel that never varies must not divide by 0. */
const ridge = 0.02;
/** The manifest keeps this many significant digits. */
const digits = 6;

export function fitDomain(observed: Observed, temperature: number): Domain {
  const energies = Float64Array.from(observed.labels, (_, i) =>
    energyOf(logitsAt(observed, i), temperature),
  );
  const energyMax = rounded(quantile(energies, keptShare));
  const channels = observed.cut?.shape[1] ?? 0;
  if (channels === 0 || channels > embeddingChannelsMax) return { energyMax };
  const answers = Array.from(
    observed.labels,
    (_, i) => predict(logitsAt(observed, i), temperature).index,
  );
  const embeddings = answers.map((_, i) => {
    const cut = cutAt(observed, i);
    assert(cut !== undefined, 'each example has its cut');
    return embeddingOf(cut);
  });
  const means = Array.from({ length: observed.classes }, (_, c) =>
    meanOf(embeddings.filter((_, i) => answers[i] === c)),
  );
  const precision = inverse(covarianceWithin(embeddings, answers, means), channels).map(rounded);
  const distances = embeddings.flatMap((embedding, i) => {
    const mean = means[answers[i] as number];
    return mean ? [distanceBetween(embedding, mean, precision)] : [];
  });
  if (distances.length === 0) return { energyMax };
  const max = rounded(quantile(Float64Array.from(distances), keptShare));
  return { energyMax, distance: { means, precision, max } };
}

function meanOf(embeddings: readonly Float64Array[]): number[] | null {
  if (embeddings.length < examplesPerClassMin) return null;
  const sums = new Float64Array(embeddings[0]?.length ?? 0);
  for (const embedding of embeddings)
    for (const [i, value] of embedding.entries()) sums[i] = (sums[i] as number) + value;
  return Array.from(sums, (sum) => rounded(sum / embeddings.length));
}

/** Around each example's own class mean, with the ridge on the diagonal; row after row. */
function covarianceWithin(
  embeddings: readonly Float64Array[],
  answers: readonly number[],
  means: readonly (readonly number[] | null)[],
): Float64Array {
  const size = embeddings[0]?.length ?? 0;
  const covariance = new Float64Array(size * size);
  for (const [example, embedding] of embeddings.entries()) {
    const mean = means[answers[example] as number];
    if (!mean) continue;
    const centred = embedding.map((value, i) => value - (mean[i] as number));
    for (let i = 0; i < size; i++)
      for (let j = 0; j < size; j++)
        covariance[i * size + j] =
          (covariance[i * size + j] as number) +
          ((centred[i] as number) * (centred[j] as number)) / embeddings.length;
  }
  let trace = 0;
  for (let i = 0; i < size; i++) trace += covariance[i * size + i] as number;
  const added = Math.max(ridge * (trace / size), Number.EPSILON);
  for (let i = 0; i < size; i++)
    covariance[i * size + i] = (covariance[i * size + i] as number) + added;
  return covariance;
}

/** Gauss–Jordan without pivoting, which a positive definite matrix does not need. */
function inverse(matrix: Float64Array, size: number): number[] {
  const left = matrix.slice();
  const right = new Float64Array(size * size);
  for (let i = 0; i < size; i++) right[i * size + i] = 1;
  for (let pivot = 0; pivot < size; pivot++) {
    const divisor = left[pivot * size + pivot] as number;
    for (const rows of [left, right])
      for (let j = 0; j < size; j++)
        rows[pivot * size + j] = (rows[pivot * size + j] as number) / divisor;
    for (let i = 0; i < size; i++) {
      if (i === pivot) continue;
      const factor = left[i * size + pivot] as number;
      for (const rows of [left, right])
        for (let j = 0; j < size; j++)
          rows[i * size + j] =
            (rows[i * size + j] as number) - factor * (rows[pivot * size + j] as number);
    }
  }
  return [...right];
}

function quantile(values: Float64Array, share: number): number {
  const sorted = values.toSorted();
  return sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)] as number;
}

const rounded = (value: number): number => Number(value.toPrecision(digits));

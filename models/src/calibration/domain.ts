// Whether an input is of the kind that calibrated an exit. A softmax is sure of noise, so confidence alone does not tell.
// Two scores do, each with a limit from held-out examples: energy (Liu et al., arXiv 2010.03759), and the distance of the
// cut's channel means from those of the answered class (Lee et al., arXiv 1807.03888). Microseconds on the device.

import { elementsOf, type Tensor } from '../tensor.ts';

export interface Domain {
  /** −T · log Σ exp(z / T) may be as large as this. */
  readonly energyMax: number;
  /** Undefined where the exit's stage has no cut, or one of too many channels. */
  readonly distance?: DistanceLimit | undefined;
}

interface DistanceLimit {
  /** By class: the mean embedding; null for a class with too few examples, whose answers are judged by energy alone. */
  readonly means: readonly (readonly number[] | null)[];
  /** Inverse of the covariance within the classes, row after row. */
  readonly precision: readonly number[];
  /** The squared Mahalanobis distance may be as large as this. */
  readonly max: number;
}

/** More would make the precision matrix a burden to the manifest and to the device. */
export const embeddingChannelsMax = 64;

/** −T · log Σ exp(z / T): low for what the network knows. */
export function energyOf(logits: ArrayLike<number>, temperature: number): number {
  let max = -Infinity;
  for (let c = 0; c < logits.length; c++) max = Math.max(max, logits[c] as number);
  let sum = 0;
  for (let c = 0; c < logits.length; c++)
    sum += Math.exp(((logits[c] as number) - max) / temperature);
  return -max - temperature * Math.log(sum);
}

/** The mean of each channel of a cut [1, channels, …]. */
export function embeddingOf(cut: Tensor): Float64Array {
  const channels = cut.shape[1] ?? 1;
  const data = elementsOf(cut);
  const size = data.length / channels;
  const means = new Float64Array(channels);
  for (let channel = 0, at = 0; channel < channels; channel++) {
    let sum = 0;
    for (const end = at + size; at < end; at++) sum += data[at] as number;
    means[channel] = sum / size;
  }
  return means;
}

/** Squared Mahalanobis distance. */
export function distanceBetween(
  embedding: Float64Array,
  mean: readonly number[],
  precision: readonly number[],
): number {
  const size = mean.length;
  let distance = 0;
  for (let i = 0; i < size; i++) {
    let product = 0;
    for (let j = 0; j < size; j++)
      product +=
        (precision[i * size + j] as number) * ((embedding[j] as number) - (mean[j] as number));
    distance += product * ((embedding[i] as number) - (mean[i] as number));
  }
  return distance;
}

export interface Seen {
  readonly logits: ArrayLike<number>;
  readonly temperature: number;
  /** The class that the exit answers. */
  readonly index: number;
  readonly cut: Tensor | undefined;
}

/** False too where a score is not a number. */
export function isInDomain({ energyMax, distance }: Domain, seen: Seen): boolean {
  if (!(energyOf(seen.logits, seen.temperature) <= energyMax)) return false;
  const mean = distance?.means[seen.index];
  if (distance === undefined || !mean) return true;
  if (seen.cut === undefined) return false;
  return distanceBetween(embeddingOf(seen.cut), mean, distance.precision) <= distance.max;
}

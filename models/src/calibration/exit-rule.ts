// When an exit may be trusted, for one input: what the device asks after each stage, and every measurement with it.

import type { ExitCalibration } from '../bundle/calibration.ts';
import type { Prediction } from '../confidence.ts';
import type { Tensor } from '../tensor.ts';
import { isInDomain } from './domain.ts';

export type ExitRule = Pick<ExitCalibration, 'temperature' | 'threshold' | 'thresholds' | 'domain'>;

/** Where no calibration speaks of an exit. */
export const neverTrusted: ExitRule = { temperature: 1, threshold: null };

export interface ExitOutput {
  readonly logits: ArrayLike<number>;
  readonly prediction: Prediction;
  /** What the exit's stage passes on, of this one input. */
  readonly cut?: Tensor | undefined;
}

/** However sure the exit is, an input that is not of the kind that calibrated it is not answered there. */
export function isOutOfDomain(
  { domain, temperature }: ExitRule,
  { logits, prediction, cut }: ExitOutput,
): boolean {
  return (
    domain !== undefined &&
    !isInDomain(domain, { logits, temperature, index: prediction.index, cut })
  );
}

/** The confidence from which this answer may be trusted where its input is in the domain; null: never. */
export const thresholdOf = (
  { threshold, thresholds }: ExitRule,
  { index }: Pick<Prediction, 'index'>,
) => (thresholds ? (thresholds[index] ?? null) : threshold);

export function isTrusted(rule: ExitRule, output: ExitOutput): boolean {
  const threshold = thresholdOf(rule, output.prediction);
  if (threshold === null || output.prediction.confidence < threshold) return false;
  return !isOutOfDomain(rule, output);
}

// Calibration of one exit of one variant, from the logits that this very variant gave on held-out examples.

import type { Calibration } from '../bundle/manifest.ts';
import { predict } from '../confidence.ts';
import { learnThenTest, type Outcome, type RiskBound } from './learn-then-test.ts';
import { fitTemperature, type Scored } from './temperature.ts';

export type ExitCalibration = Calibration['exits'][number];

export interface CalibrationData {
  /** Fits the temperature. */
  readonly tuning: Scored;
  /** Other examples, which prove the threshold: the guarantee needs candidates that were fixed before them. */
  readonly proving: Scored;
  readonly bound: RiskBound;
}

export function calibrateExit(
  exit: number,
  { tuning, proving, bound }: CalibrationData,
): ExitCalibration {
  const temperature = fitTemperature(tuning);
  const found = learnThenTest(outcomesOf(proving, temperature), bound);
  return {
    exit,
    temperature,
    threshold: found.threshold,
    method: 'learn-then-test',
    ...bound,
    n: proving.labels.length,
    ...(found.threshold === null ? { reason: found.reason } : {}),
  };
}

/** The last exit has nobody to escalate to: its temperature only, and a threshold that everything passes. */
export function calibrateLastExit(exit: number, scored: Scored): ExitCalibration {
  return {
    exit,
    temperature: fitTemperature(scored),
    threshold: 0,
    method: 'none',
    epsilon: 1,
    delta: 0,
    n: scored.labels.length,
  };
}

export function outcomesOf({ classes, logits, labels }: Scored, temperature: number): Outcome[] {
  return Array.from(labels, (label, i) => {
    const row = Array.prototype.slice.call(logits, i * classes, (i + 1) * classes) as number[];
    const { index, confidence } = predict(row, temperature);
    return { confidence, correct: index === label };
  });
}

// What a calibrated variant does on examples that neither trained nor calibrated it, whatever the number of its exits.

import type { ExitCalibration } from '../calibration/calibrate-exit.ts';
import type { Scored } from '../calibration/temperature.ts';
import { predict } from '../confidence.ts';

export interface ExitsMeasured {
  readonly accuracyAtExit: readonly number[];
  /** Share of the examples that leaves at each exit. */
  readonly shareAtExit: readonly number[];
  readonly accuracyEndToEnd: number;
}

/** Both lists in the order of the exits; an example leaves at the first exit that trusts itself, or at the last. */
export function measureExits(
  scored: readonly Scored[],
  calibration: readonly Pick<ExitCalibration, 'temperature' | 'threshold'>[],
): ExitsMeasured {
  const labels = scored[0]?.labels ?? [];
  const right = scored.map(() => 0);
  const left = scored.map(() => 0);
  let rightEndToEnd = 0;
  for (let i = 0; i < labels.length; i++) {
    let gone = false;
    for (const [place, { logits, classes }] of scored.entries()) {
      const row = Array.prototype.slice.call(logits, i * classes, (i + 1) * classes) as number[];
      const { temperature = 1, threshold = null } = calibration[place] ?? {};
      const { index, confidence } = predict(row, temperature);
      const isRight = index === labels[i];
      if (isRight) right[place] = (right[place] as number) + 1;
      const leaves = (threshold !== null && confidence >= threshold) || place === scored.length - 1;
      if (gone || !leaves) continue;
      gone = true;
      left[place] = (left[place] as number) + 1;
      if (isRight) rightEndToEnd += 1;
    }
  }
  const share = (count: number): number => count / labels.length;
  return {
    accuracyAtExit: right.map(share),
    shareAtExit: left.map(share),
    accuracyEndToEnd: share(rightEndToEnd),
  };
}

/** As a variant's card says it. */
export function metricsOf(measured: ExitsMeasured): Record<string, number> {
  const metrics: Record<string, number> = { accuracyEndToEnd: measured.accuracyEndToEnd };
  for (const [i, accuracy] of measured.accuracyAtExit.entries()) {
    metrics[`accuracyAtExit${i + 1}`] = accuracy;
    metrics[`shareAtExit${i + 1}`] = measured.shareAtExit[i] as number;
  }
  return metrics;
}

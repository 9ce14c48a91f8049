// What a calibrated variant does on examples that neither trained nor calibrated it, whatever the number of its exits.

import { type ExitRule, isTrusted, neverTrusted } from '../calibration/exit-rule.ts';
import { cutAt, logitsAt, type Observed } from '../calibration/observed.ts';
import { predict } from '../confidence.ts';

export interface ExitsMeasured {
  readonly accuracyAtExit: readonly number[];
  /** Share of the examples that leaves at each exit. */
  readonly shareAtExit: readonly number[];
  readonly accuracyEndToEnd: number;
}

/** Both lists in the order of the exits; an example leaves at the first exit that may be trusted, or at the last. */
export function measureExits(
  observed: readonly Observed[],
  rules: readonly ExitRule[],
): ExitsMeasured {
  const labels = observed[0]?.labels ?? [];
  const right = observed.map(() => 0);
  const left = observed.map(() => 0);
  let rightEndToEnd = 0;
  for (let i = 0; i < labels.length; i++) {
    let gone = false;
    for (const [place, exit] of observed.entries()) {
      const rule = rules[place] ?? neverTrusted;
      const logits = logitsAt(exit, i);
      const prediction = predict(logits, rule.temperature);
      const isRight = prediction.index === labels[i];
      if (isRight) right[place] = (right[place] as number) + 1;
      const trusted = isTrusted(rule, { logits, prediction, cut: cutAt(exit, i) });
      if (gone || !(trusted || place === observed.length - 1)) continue;
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

// What a calibrated two-exit model does on images that neither trained nor calibrated it.

import { deflateRawSync } from 'node:zlib';
import { defined } from '@skerry/shared';
import { type ExitRule, isTrusted } from '../calibration/exit-rule.ts';
import { cutAt, logitsAt, type Observed, wholeAt } from '../calibration/observed.ts';
import { predict } from '../confidence.ts';

export interface Measurement {
  readonly accuracyAtExit1: number;
  readonly accuracyAtExit2: number;
  readonly accuracyEndToEnd: number;
  /** Share of examples answered at the edge exit. */
  readonly shareAtEdge: number;
  /** Share answered at the edge and wrong: what the calibration bounds. */
  readonly riskAtEdge: number;
  readonly cutBytes: number;
  /** Mean over the escalated examples, raw DEFLATE. */
  readonly cutBytesDeflated: number;
}

/** `edge` is the first exit's, with the whole network's logits and the cut. */
export function measure(edge: Observed, rule: ExitRule): Measurement {
  const examples = edge.labels.length;
  const cutBytes = defined(edge.cut, 'cut').data.length / examples;
  let [right1, right2, rightEndToEnd, atEdge, wrongAtEdge, deflated] = [0, 0, 0, 0, 0, 0];
  for (let i = 0; i < examples; i++) {
    const label = edge.labels[i];
    const { first, whole, cut, trusted } = answersAt(edge, rule, i);
    if (first === label) right1++;
    if (whole === label) right2++;
    if (trusted) {
      atEdge++;
      if (first === label) rightEndToEnd++;
      else wrongAtEdge++;
    } else {
      if (whole === label) rightEndToEnd++;
      deflated += deflateRawSync(cut).byteLength;
    }
  }
  return {
    accuracyAtExit1: right1 / examples,
    accuracyAtExit2: right2 / examples,
    accuracyEndToEnd: rightEndToEnd / examples,
    shareAtEdge: atEdge / examples,
    riskAtEdge: wrongAtEdge / examples,
    cutBytes,
    cutBytesDeflated: deflated / Math.max(1, examples - atEdge),
  };
}

/** What each exit answers one example, and whether the first may be trusted. */
export function answersAt(edge: Observed, rule: ExitRule, example: number) {
  const logits = logitsAt(edge, example);
  const cut = defined(cutAt(edge, example), 'cut');
  const prediction = predict(logits, rule.temperature);
  return {
    first: prediction.index,
    whole: predict(defined(wholeAt(edge, example), 'the whole network’s logits')).index,
    cut: cut.data as Uint8Array,
    trusted: isTrusted(rule, { logits, prediction, cut }),
  };
}

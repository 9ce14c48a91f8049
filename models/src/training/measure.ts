// What a calibrated two-exit model does on images that neither trained nor calibrated it.

import { deflateRawSync } from 'node:zlib';
import { predict } from '../confidence.ts';
import type { Tensor } from '../tensor.ts';

export interface ExitOutputs {
  /** FP32 [examples, classes]. */
  readonly edgeLogits: Tensor;
  readonly cloudLogits: Tensor;
  /** UINT8 [examples, …]. */
  readonly cut: Tensor;
  readonly labels: Uint8Array;
}

export interface EdgeRule {
  readonly temperature: number;
  readonly threshold: number | null;
}

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

export function measure(outputs: ExitOutputs, rule: EdgeRule): Measurement {
  const { edgeLogits, cloudLogits, cut, labels } = outputs;
  const examples = labels.length;
  const cutBytes = cut.data.length / examples;
  let [right1, right2, rightEndToEnd, atEdge, wrongAtEdge, deflated] = [0, 0, 0, 0, 0, 0];
  for (const [i, label] of labels.entries()) {
    const edge = predict(row(edgeLogits, i), rule.temperature);
    const cloud = predict(row(cloudLogits, i));
    if (edge.index === label) right1++;
    if (cloud.index === label) right2++;
    if (isAnswered(edge.confidence, rule)) {
      atEdge++;
      if (edge.index === label) rightEndToEnd++;
      else wrongAtEdge++;
    } else {
      if (cloud.index === label) rightEndToEnd++;
      deflated += deflateRawSync(row(cut, i) as Uint8Array).byteLength;
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

export const isAnswered = (confidence: number, { threshold }: EdgeRule): boolean =>
  threshold !== null && confidence >= threshold;

/** One example of a tensor, without a copy. */
export function row(tensor: Tensor, index: number): Float32Array | Uint8Array {
  const size = tensor.data.length / (tensor.shape[0] as number);
  return (tensor.data as Float32Array).subarray(index * size, (index + 1) * size);
}

// Which cuts are worth a look: between two products (or behind the last) the one with fewest bytes stands for the others,
// since moving a cut past what computes next to nothing only changes what travels.

import type { GraphProfile } from '../onnx/profile-graph.ts';
import type { Tensor } from '../tensor.ts';
import type { Cut } from './find-cuts.ts';

export interface RankedCut extends Cut {
  readonly shape: readonly number[];
  readonly datatype: Tensor['datatype'];
  readonly elements: number;
  /** Multiply–accumulates on the device and in the cloud. */
  readonly macsBefore: number;
  readonly macsBehind: number;
}

/** Cuts with products on both sides, in the order of computation. */
export function rankCuts(cuts: readonly Cut[], profile: GraphProfile): RankedCut[] {
  const { node } = profile.index.graph;
  const whole = node.reduce((sum, n) => sum + profile.macsOf(n), 0);
  const best = new Map<number, RankedCut>();
  for (const cut of cuts) {
    const tensor = profile.tensorOf(cut.value);
    const macsBehind = cut.behind.reduce((sum, n) => sum + profile.macsOf(n), 0);
    // What travels is numbers that bytes can stand for, or bytes.
    const fits = tensor !== undefined && ['FP32', 'UINT8', 'INT8'].includes(tensor.datatype);
    if (!fits || macsBehind === 0 || macsBehind === whole) continue;
    const ranked: RankedCut = {
      ...cut,
      shape: tensor.shape,
      datatype: tensor.datatype,
      elements: tensor.data.length,
      macsBefore: whole - macsBehind,
      macsBehind,
    };
    const rival = best.get(macsBehind);
    // The later of two alike: a ReLU's zeros deflate.
    if (rival === undefined || ranked.elements <= rival.elements) best.set(macsBehind, ranked);
  }
  return [...best.values()];
}

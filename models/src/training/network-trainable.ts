// A network, whole, as something to train.

import { defined } from '@skerry/shared';
import type { GraphBuilder } from '../onnx/graph-builder.ts';
import type { Gradient } from './layers/layer.ts';
import {
  type ChainForward,
  chainsOf,
  emitChain,
  type Network,
  parametersOf,
  type SegmentChains,
} from './network.ts';
import type { Trainable, TrainableSite } from './trainable.ts';

export function trainableOf(network: Network): Trainable {
  const chains = chainsOf(network);
  return {
    input: network.input,
    parameters: parametersOf(network),
    exits: chains.map(({ head }, i) => ({
      classes: head.output[0] as number,
      lossWeight: defined(network.segments[i], 'segment').lossWeight,
    })),
    emit(graph, input, site) {
      const passes = emitForward(graph, chains, input, site);
      return {
        logits: passes.map(({ head }) => head.output),
        backward: (gradients) => emitBackward(graph, passes, gradients),
      };
    },
  };
}

interface SegmentPass {
  readonly trunk: ChainForward;
  readonly head: ChainForward;
  readonly neck: ChainForward;
}

function emitForward(
  graph: GraphBuilder,
  chains: readonly SegmentChains[],
  first: string,
  { training, parameterValue }: TrainableSite,
): SegmentPass[] {
  let input = first;
  return chains.map((chain) => {
    const trunk = emitChain(graph, chain.trunk, { input, training }, parameterValue);
    const features = { input: trunk.output, training };
    const head = emitChain(graph, chain.head, features, parameterValue);
    const neck = emitChain(graph, chain.neck, features, parameterValue);
    input = neck.output;
    return { trunk, head, neck };
  });
}

/** From the last segment to the first: a trunk's gradient is the sum of its head's and of what comes back through its neck. */
function emitBackward(
  graph: GraphBuilder,
  passes: readonly SegmentPass[],
  atLogits: readonly string[],
): Map<string, Gradient> {
  const gradients = new Map<string, Gradient>();
  let fromNext: (() => string) | undefined;
  for (const [i, pass] of [...passes.entries()].toReversed()) {
    const fromHead = pass.head.backward(defined(atLogits[i], 'gradient'), gradients).input();
    const atBranch =
      fromNext === undefined
        ? fromHead
        : graph.add('Add', [fromHead, pass.neck.backward(fromNext(), gradients).input()]);
    fromNext = pass.trunk.backward(atBranch, gradients).input;
  }
  return gradients;
}

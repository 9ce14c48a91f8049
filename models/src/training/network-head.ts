// The last head of a network as something to train: all before it stays as it is, and runs once an example.

import { defined } from '@skerry/shared';
import { createGraphBuilder } from '../onnx/graph-builder.ts';
import { encodeModel } from '../onnx/model-proto.ts';
import { chainsOf, emitChain, type Network, parametersOf } from './network.ts';
import { trainableOf } from './network-trainable.ts';
import type { FrozenPart } from './onnx-trainer.ts';
import type { Trainable } from './trainable.ts';
import type { Weights } from './weights.ts';

export interface TrainableHead {
  /** Its parameters have the names that they have in the network. */
  readonly trainable: Trainable;
  readonly frozen: FrozenPart;
}

const features = 'features';

/** `weights` are the network's, of which the head's are not read. */
export function headOf(network: Network, weights: Weights): TrainableHead {
  const chains = chainsOf(network);
  const last = defined(network.segments.at(-1), 'a segment');
  const { trunk } = defined(chains.at(-1), 'a segment');
  const head = { ...last, trunk: [], neck: [], lossWeight: 1 };

  const graph = createGraphBuilder('frozen');
  const shapes = new Map(parametersOf(network).map(({ name, shape }) => [name, shape]));
  const parameterValue = (name: string): string => {
    const [shape, data] = [defined(shapes.get(name), name), defined(weights.get(name), name)];
    return graph.constant({ datatype: 'FP32', shape, data }, name);
  };
  const through = (input: string, chain: (typeof chains)[number]['trunk']): string =>
    emitChain(graph, chain, { input, training: false }, parameterValue).output;
  let value = graph.input('examples', 'FP32', [-1, ...network.input]);
  for (const [i, chain] of chains.entries()) {
    value = through(value, chain.trunk);
    if (i < chains.length - 1) value = through(value, chain.neck);
  }
  graph.add('Identity', [value], {}, features);
  graph.output(features, 'FP32', [-1, ...trunk.output]);
  return {
    trainable: trainableOf({ input: trunk.output, segments: [head] }),
    frozen: { model: encodeModel(graph.build()), features },
  };
}

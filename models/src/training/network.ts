// A network with exits, in the manner of BranchyNet (arXiv 1709.01686): segments in a row, each a trunk that computes
// features, a head that turns them into logits, and a neck that shrinks them for the next segment.
//
//   input ─ trunk ─┬─ neck ─ trunk ─┬─ …
//                  └─ head (exit 1)  └─ head (exit 2)

import type { GraphBuilder } from '../onnx/graph-builder.ts';
import type { Backward, Gradient, Layer, Shape, Site } from './layers/layer.ts';

export interface Segment {
  readonly name: string;
  readonly trunk: readonly Layer[];
  readonly head: readonly Layer[];
  /** What stands between the branch and the next segment; the last segment has none. */
  readonly neck: readonly Layer[];
  /** The weight of this exit's loss in the joint loss. */
  readonly lossWeight: number;
}

export interface Network {
  readonly input: Shape;
  readonly segments: readonly Segment[];
}

export interface Parameter {
  /** Unique in the network, e.g. `edge.trunk.0.weight`. */
  readonly name: string;
  readonly shape: Shape;
  readonly fanIn: number;
}

/** A run of layers at its place in the network: where a part of a graph starts and ends. */
export interface Chain {
  readonly name: string;
  readonly layers: readonly Layer[];
  readonly input: Shape;
  readonly output: Shape;
}

export interface SegmentChains {
  readonly trunk: Chain;
  readonly head: Chain;
  readonly neck: Chain;
}

export function chainsOf(network: Network): SegmentChains[] {
  let shape = network.input;
  return network.segments.map((segment) => {
    const trunk = createChain(`${segment.name}.trunk`, segment.trunk, shape);
    const head = createChain(`${segment.name}.head`, segment.head, trunk.output);
    const neck = createChain(`${segment.name}.neck`, segment.neck, trunk.output);
    shape = neck.output;
    return { trunk, head, neck };
  });
}

function createChain(name: string, layers: readonly Layer[], input: Shape): Chain {
  const output = layers.reduce((shape, layer) => layer.outputShape(shape), input);
  return { name, layers, input, output };
}

/** Every parameter, in the order of computation. */
export function parametersOf(network: Network): Parameter[] {
  return chainsOf(network).flatMap(({ trunk, head, neck }) =>
    [trunk, head, neck].flatMap((chain) =>
      placed(chain).flatMap(({ layer, shape, name }) =>
        layer.parameters(shape).map((spec) => ({ ...spec, name: `${name}.${spec.name}` })),
      ),
    ),
  );
}

/** Multiply–accumulates of a chain, for one example. */
export function macsOf(chain: Chain): number {
  return placed(chain).reduce((sum, { layer, shape }) => sum + layer.macs(shape), 0);
}

export interface ChainForward {
  readonly output: string;
  /** Emits the chain's backward pass; gradients by parameter are collected into `gradients`. */
  backward(gradient: string, gradients: Map<string, Gradient>): Pick<Backward, 'input'>;
}

/** Emits a chain. `parameterValue` gives the graph's value of a parameter. */
export function emitChain(
  graph: GraphBuilder,
  chain: Chain,
  at: Pick<Site, 'input' | 'training'>,
  parameterValue: (parameter: string) => string,
): ChainForward {
  let value = at.input;
  const passes = placed(chain).map(({ layer, shape, name }) => {
    const names = layer.parameters(shape).map((spec) => `${name}.${spec.name}`);
    const { training } = at;
    const site = { input: value, shape, parameters: names.map(parameterValue), training };
    const forward = layer.forward(graph, site);
    value = forward.output;
    return { forward, names };
  });
  return {
    output: value,
    backward(gradient, gradients) {
      let input = (): string => gradient;
      for (const { forward, names } of passes.toReversed()) {
        const backward = forward.backward(input());
        for (const [i, name] of names.entries())
          gradients.set(name, backward.parameters[i] as Gradient);
        input = backward.input;
      }
      return { input };
    },
  };
}

/** Each layer of a chain with its input's shape and its name. */
function placed(chain: Chain): { layer: Layer; shape: Shape; name: string }[] {
  let shape = chain.input;
  return chain.layers.map((layer, i) => {
    const place = { layer, shape, name: `${chain.name}.${i}` };
    shape = layer.outputShape(shape);
    return place;
  });
}

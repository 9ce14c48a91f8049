// Two small layers at a cut: an encoder that makes fewer channels of it on the device, a decoder that makes it again in
// the cloud. What travels is the encoder's output in bytes.

import { defined, err, failure, ok, type Result } from '@skerry/shared';
import { extendGraph } from '../onnx/extend-graph.ts';
import { indexGraph } from '../onnx/graph-index.ts';
import type { ModelProto } from '../onnx/model-proto.ts';
import type { Affine } from '../quantize/affine.ts';
import { conv } from '../training/layers/conv.ts';
import { dense } from '../training/layers/dense.ts';
import type { Layer, Shape } from '../training/layers/layer.ts';
import { relu } from '../training/layers/relu.ts';
import { type Chain, emitChain } from '../training/network.ts';
import type { Weights } from '../training/weights.ts';
import { type Cut, findCuts } from './find-cuts.ts';
import { type Halves, splitGraph } from './split-graph.ts';

export interface Bottleneck {
  readonly encoder: Chain;
  readonly decoder: Chain;
}

/** The names of the layers' weights. */
export const bottleneckNames = {
  encoder: { weight: 'bottleneck.encoder.0.weight', bias: 'bottleneck.encoder.0.bias' },
  decoder: { weight: 'bottleneck.decoder.0.weight', bias: 'bottleneck.decoder.0.bias' },
} as const;

/**
 * Of a cut [channels, height, width] or [features], `shape`, to so many channels.
 * @param isPositive nothing in the cut is below zero: then nothing that is decoded is
 */
export function createBottleneck(
  shape: Shape,
  channels: number,
  isPositive: boolean,
): Result<Bottleneck> {
  const invalid = (message: string) => err(failure('invalid_argument', message));
  const [width = 0, ...places] = shape;
  if (places.length !== 0 && places.length !== 2)
    return invalid(`a bottleneck is of images or of features, the cut is [${shape}]`);
  if (channels >= width)
    return invalid(`the cut has ${width} channels: a bottleneck has fewer than that`);
  const layer = (outputs: number): Layer =>
    places.length === 0 ? dense(outputs) : conv({ channels: outputs, kernel: 1 });
  const code = [channels, ...places];
  return ok({
    encoder: { name: 'bottleneck.encoder', layers: [layer(channels)], input: shape, output: code },
    decoder: {
      name: 'bottleneck.decoder',
      layers: [layer(width), ...(isPositive ? [relu()] : [])],
      input: code,
      output: shape,
    },
  });
}

/** The shapes of a bottleneck's weights, by their names. */
export function bottleneckShapes({ encoder, decoder }: Bottleneck): ReadonlyMap<string, Shape> {
  const shapes = [encoder, decoder].flatMap(({ name, layers, input }) =>
    (layers[0]?.parameters(input) ?? []).map(
      (spec) => [`${name}.0.${spec.name}`, spec.shape] as const,
    ),
  );
  return new Map(shapes);
}

/** The graph in two halves, with the encoder at the end of the device's and the decoder at the head of the cloud's. */
export function splitAtBottleneck(
  model: ModelProto,
  { value }: Cut,
  bottleneck: Bottleneck,
  weights: Weights,
  affine: Affine,
): Halves {
  const shapes = bottleneckShapes(bottleneck);
  const graph = extendGraph(model);
  const constantOf = (name: string): string =>
    graph.constant(
      {
        datatype: 'FP32',
        shape: defined(shapes.get(name), name),
        data: defined(weights.get(name), name),
      },
      name,
    );
  // Whoever reads the cut shall read what is decoded, also from inside a Loop: so it is who makes it that is renamed.
  const whole = graph.fresh(`${value}_whole`);
  let code = '';
  for (const node of model.graph.node) {
    if (!node.output.includes(value)) {
      graph.keep(node);
      continue;
    }
    graph.keep(node, { output: node.output.map((made) => (made === value ? whole : made)) });
    const at = { input: whole, training: false };
    code = emitChain(graph, bottleneck.encoder, at, constantOf).output;
    const decoded = emitChain(graph, bottleneck.decoder, { ...at, input: code }, constantOf);
    graph.add('Identity', [decoded.output], {}, value);
  }
  const narrowed = graph.build();
  const cut = findCuts(indexGraph(narrowed.graph)).find((each) => each.value === code);
  return splitGraph(
    narrowed,
    defined(cut, 'a bottleneck is a cut'),
    { shape: [-1, ...bottleneck.encoder.output], datatype: 'FP32' },
    affine,
  );
}

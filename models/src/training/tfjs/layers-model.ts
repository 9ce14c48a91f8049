// A network as a layers model of TensorFlow.js. It computes channels last, so weights are turned on their way in and out;
// an output for each exit.

import { assert, defined } from '@skerry/shared';
import type * as Core from '@tensorflow/tfjs-core';
import type * as Layers from '@tensorflow/tfjs-layers';
import type { Layer, LayerSpec, Shape } from '../layers/layer.ts';
import { type Network, parametersOf } from '../network.ts';
import { layoutOf, layoutSize, type ParameterLayout, tensorsOf } from '../trainable.ts';
import type { Tfjs } from './open-tfjs.ts';

export interface LayersModel {
  /** Logits, one an exit, of [batch, ...input] with channels first. */
  logits(examples: Core.Tensor): Core.Tensor[];
  /** In the order of the network's parameters. */
  readonly variables: readonly Core.Variable[];
  setWeights(vector: Float32Array): void;
  weights(): Float32Array<ArrayBuffer>;
  /** A vector's tensors as the variables hold them. */
  tensorsOf(vector: Float32Array): Core.Tensor[];
  vectorOf(tensors: readonly Core.Tensor[]): Float32Array<ArrayBuffer>;
  dispose(): void;
}

/** From [outputs, inputs, height, width] to [height, width, inputs, outputs], and from [outputs, inputs] to its transpose. */
const turns: Readonly<Record<number, { readonly to: number[]; readonly back: number[] }>> = {
  4: { to: [2, 3, 1, 0], back: [3, 2, 0, 1] },
  2: { to: [1, 0], back: [1, 0] },
};

export function createLayersModel({ core: tf, layers: tfl }: Tfjs, network: Network): LayersModel {
  const model = build(tfl, network);
  const layout = layoutOf({ parameters: parametersOf(network) });
  const variables = variablesOf(model, layout);
  const images = network.input.length === 3;
  const turned = (vector: Float32Array): Core.Tensor[] =>
    [...tensorsOf(layout, Float32Array.from(vector))].map(([name, data]) => {
      const { shape } = defined(
        layout.tensors.find((tensor) => tensor.name === name),
        name,
      );
      return tf.tidy(() => {
        const tensor = tf.tensor(data.slice(), [...shape], 'float32');
        const turn = turns[shape.length];
        return turn ? tf.transpose(tensor, turn.to) : tensor;
      });
    });
  const vectorOf = (tensors: readonly Core.Tensor[]): Float32Array<ArrayBuffer> => {
    const vector = new Float32Array(layoutSize(layout));
    let at = 0;
    for (const tensor of tensors) {
      const turn = turns[tensor.rank];
      const back = turn ? tf.tidy(() => tf.transpose(tensor, turn.back)) : tensor;
      vector.set(back.dataSync() as Float32Array, at);
      at += tensor.size;
      if (turn) back.dispose();
    }
    return vector;
  };
  return {
    variables,
    logits(examples) {
      const last = images ? tf.transpose(examples, [0, 2, 3, 1]) : examples;
      const outputs = model.apply(last, { training: true });
      return (Array.isArray(outputs) ? outputs : [outputs]) as Core.Tensor[];
    },
    setWeights(vector) {
      const tensors = turned(vector);
      for (const [i, tensor] of tensors.entries())
        defined(variables[i], 'a variable').assign(tensor);
      tf.dispose(tensors);
    },
    weights: () => vectorOf(variables),
    tensorsOf: turned,
    vectorOf,
    dispose: () => void model.dispose(),
  };
}

/** A layer's variables, by the names that the network's parameters have. */
function variablesOf(model: Layers.LayersModel, layout: ParameterLayout): Core.Variable[] {
  const byName = new Map(
    model.layers.flatMap((layer) =>
      layer.trainableWeights.map((weight, i) => {
        const name = `${layer.name}.${i === 0 ? 'weight' : 'bias'}`;
        return [name, weight.read() as Core.Variable] as const;
      }),
    ),
  );
  assert(byName.size === layout.tensors.length, 'a layers model with other weights');
  return layout.tensors.map(({ name }) => defined(byName.get(name), name));
}

function build(tfl: typeof Layers, { input, segments }: Network): Layers.LayersModel {
  const [channels = 0, height = 0, width = 0] = input;
  const first = tfl.input({ shape: input.length === 3 ? [height, width, channels] : [...input] });
  const exits: Layers.SymbolicTensor[] = [];
  let value = first;
  let shape = input;
  const through = (
    from: Layers.SymbolicTensor,
    fromShape: Shape,
    layers: readonly Layer[],
    chain: string,
  ): readonly [Layers.SymbolicTensor, Shape] =>
    layers.reduce<readonly [Layers.SymbolicTensor, Shape]>(
      ([to, at], layer, i) => [
        apply(tfl, layer.spec, to, at, `${chain}.${i}`),
        layer.outputShape(at),
      ],
      [from, fromShape],
    );
  for (const { name, trunk, head, neck } of segments) {
    const [features, at] = through(value, shape, trunk, `${name}.trunk`);
    exits.push(through(features, at, head, `${name}.head`)[0]);
    [value, shape] = through(features, at, neck, `${name}.neck`);
  }
  return tfl.model({ inputs: first, outputs: exits });
}

/** Weights are set before they are read: what they begin as costs nothing. */
const zeros = { kernelInitializer: 'zeros', biasInitializer: 'zeros' } as const;

function apply(
  tfl: typeof Layers,
  spec: LayerSpec,
  value: Layers.SymbolicTensor,
  shape: Shape,
  name: string,
): Layers.SymbolicTensor {
  const run = (layer: { apply(to: Layers.SymbolicTensor): unknown }, on = value) =>
    layer.apply(on) as Layers.SymbolicTensor;
  if (spec.kind === 'relu') return run(tfl.layers.reLU());
  if (spec.kind === 'max-pool') {
    const { size } = spec;
    return run(tfl.layers.maxPooling2d({ poolSize: size, strides: size }));
  }
  if (spec.kind === 'dense') return run(tfl.layers.dense({ ...zeros, units: spec.outputs, name }));
  if (spec.kind === 'flatten') {
    // In the order in which the network flattens: channels first.
    const turned = shape.length === 3 ? run(tfl.layers.permute({ dims: [3, 1, 2] })) : value;
    return run(tfl.layers.flatten(), turned);
  }
  const { channels, kernel, stride, padding } = spec;
  const padded = padding === 0 ? value : run(tfl.layers.zeroPadding2d({ padding }));
  const options = { filters: channels, kernelSize: kernel, strides: stride, name };
  return run(tfl.layers.conv2d({ ...zeros, ...options, padding: 'valid' }), padded);
}

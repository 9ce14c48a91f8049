// What gradient descent can train, wherever it comes from: a list of layers or an imported ONNX graph. It emits its forward
// pass into a graph, and then its backward pass.

import { assert } from '@skerry/shared';
import type { GraphBuilder } from '../onnx/graph-builder.ts';
import { type Gradient, type Shape, sizeOf } from './layers/layer.ts';
import type { Parameter } from './network.ts';

export interface Trainable {
  /** One example's shape. */
  readonly input: Shape;
  /** What is trained; a vector of weights holds them in this order. */
  readonly parameters: readonly Parameter[];
  /** Where an answer leaves; the last one's is the network's. */
  readonly exits: readonly TrainableExit[];
  /** Emits logits [batch, classes], one an exit, from [batch, ...input]. */
  emit(graph: GraphBuilder, input: string, site: TrainableSite): EmittedForward;
}

export interface TrainableExit {
  readonly classes: number;
  /** The weight of its loss in the joint loss. */
  readonly lossWeight: number;
}

export interface TrainableSite {
  /** Whether a backward pass follows. */
  readonly training: boolean;
  /** The graph's value of a parameter. */
  parameterValue(name: string): string;
}

export interface EmittedForward {
  readonly logits: readonly string[];
  /** From d loss / d logits, one an exit, to the gradient of each parameter. */
  backward(gradients: readonly string[]): ReadonlyMap<string, Gradient>;
}

/** The tensors of a vector of weights, in its order. */
export interface ParameterLayout {
  readonly tensors: readonly { readonly name: string; readonly shape: Shape }[];
}

export const layoutOf = ({ parameters }: Pick<Trainable, 'parameters'>): ParameterLayout => ({
  tensors: parameters.map(({ name, shape }) => ({ name, shape })),
});

export const layoutSize = ({ tensors }: ParameterLayout): number =>
  tensors.reduce((sum, { shape }) => sum + sizeOf(shape), 0);

/** Views of the vector's tensors, by name. */
export function tensorsOf(
  layout: ParameterLayout,
  vector: Float32Array<ArrayBuffer>,
): Map<string, Float32Array<ArrayBuffer>> {
  assert(vector.length === layoutSize(layout), `a vector of ${vector.length} for another layout`);
  let at = 0;
  return new Map(
    layout.tensors.map(({ name, shape }) => {
      const start = at;
      at += sizeOf(shape);
      return [name, vector.subarray(start, at)];
    }),
  );
}

export function vectorOf(
  layout: ParameterLayout,
  weights: ReadonlyMap<string, Float32Array>,
): Float32Array<ArrayBuffer> {
  const vector = new Float32Array(layoutSize(layout));
  for (const [name, view] of tensorsOf(layout, vector)) {
    const data = weights.get(name);
    assert(data?.length === view.length, `weights without '${name}', or of another shape`);
    view.set(data);
  }
  return vector;
}

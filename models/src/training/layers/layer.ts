// A layer emits ONNX nodes twice: its forward pass, and from the gradient of a loss by its output the gradients by its
// parameters and its input. A network is a list of layers, so its backward pass is the list read from the end.

import type { GraphBuilder } from '../../onnx/graph-builder.ts';

/** One example's shape, without the batch: [channels, height, width] or [features]. */
export type Shape = readonly number[];

export interface ParameterSpec {
  readonly name: 'weight' | 'bias';
  readonly shape: Shape;
  /** Inputs that one output sums over: sets the scale of the initial weights. */
  readonly fanIn: number;
}

export interface Layer {
  outputShape(input: Shape): Shape;
  parameters(input: Shape): readonly ParameterSpec[];
  /** Multiply–accumulates for one example. */
  macs(input: Shape): number;
  forward(graph: GraphBuilder, site: Site): Forward;
}

/** Where in a graph a layer is placed. */
export interface Site {
  /** The value it reads, [batch, ...shape]. */
  readonly input: string;
  readonly shape: Shape;
  /** The values of its parameters, in the order of `parameters`. */
  readonly parameters: readonly string[];
  /** Examples in a batch; −1, any number, only where no backward pass follows. */
  readonly batch: number;
}

export interface Forward {
  readonly output: string;
  /** Emits the backward pass, given d loss / d output. */
  backward(gradient: string): Backward;
}

export interface Backward {
  /** d loss / d parameter, one for each. */
  readonly parameters: readonly string[];
  /** Emits d loss / d input: a function, because the first layer's is never wanted. */
  input(): string;
}

export const sizeOf = (shape: Shape): number => shape.reduce((product, size) => product * size, 1);

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

/** What a layer is, for whoever computes it otherwise than by an ONNX graph. */
export type LayerSpec =
  | {
      readonly kind: 'conv';
      readonly channels: number;
      readonly kernel: number;
      readonly stride: number;
      readonly padding: number;
    }
  | { readonly kind: 'dense'; readonly outputs: number }
  | { readonly kind: 'max-pool'; readonly size: number }
  | { readonly kind: 'flatten' }
  | { readonly kind: 'relu' };

export interface Layer {
  readonly spec: LayerSpec;
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
  /** Whether a backward pass follows. */
  readonly training: boolean;
}

export interface Forward {
  readonly output: string;
  /** Emits the backward pass, given d loss / d output. */
  backward(gradient: string): Backward;
}

export interface Backward {
  /** d loss / d parameter, one for each. */
  readonly parameters: readonly Gradient[];
  /** Emits d loss / d input: a function, because the first layer's is never wanted. */
  input(): string;
}

/** Emits a gradient, added to a value: a matrix product adds to its third operand in the same pass over memory. */
export type Gradient = (plus?: string) => string;

/** `gradient + plus`, where the operator that made the gradient could not add it. */
export const addTo = (graph: GraphBuilder, gradient: string, plus: string | undefined): string =>
  plus === undefined ? gradient : graph.add('Add', [gradient, plus]);

export const sizeOf = (shape: Shape): number => shape.reduce((product, size) => product * size, 1);

// What a stage takes in memory once it is loaded, estimated high from what the manifest says of it. Pure: the agent
// shares its memory by it, and `fit` judges by it before a byte is sent.
//
//   5 × bytes of its file       weights
// + 32 × bytes of its borders   activations

import { bytesPerElement, type TensorSpec } from '../tensor.ts';
import type { Stage } from './manifest.ts';

/**
 * The file in the agent and in its worker, the weights of the session, and the same packed for its kernels: measured
 * with onnxruntime-node 1.30, a process grew by 3.3 (matrix products) to 5.1 (convolutions) times the file.
 */
const weightCopies = 5;
/** Inside, a tensor is FP32 where the border was a byte (×4), and wider: eight times as many channels is common. */
const activationGrowth = 32;

export function sessionMemoryBytes(
  { inputs, outputs }: Pick<Stage, 'inputs' | 'outputs'>,
  fileBytes: number,
): number {
  const borderBytes = [...inputs, ...outputs].reduce((sum, spec) => sum + exampleBytes(spec), 0);
  return weightCopies * fileBytes + activationGrowth * borderBytes;
}

/** Bytes of one example: a dimension that may vary counts as one. */
export const exampleBytes = ({ datatype, shape }: TensorSpec): number =>
  bytesPerElement(datatype) * shape.reduce((product, size) => product * Math.max(size, 1), 1);

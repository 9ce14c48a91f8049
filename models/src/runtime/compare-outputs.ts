// Whether two runs of one graph gave the same, but for rounding. Pure.

import { elementsOf, type Tensor, type TensorMap } from '../tensor.ts';

/**
 * Of the largest value of an output, as it is on the cpu. FP32 kernels differ by some 1e-5 of it, half precision by 1e-3; a
 * kernel that computes something else by much more.
 */
export const differenceMax = 0.002;
/** A byte may be rounded up on the one side and down on the other. */
const byteStepsMax = 1;

/**
 * The largest difference as a share of the output's largest value; Infinity where the outputs are not the same ones, or differ
 * where nothing is rounded.
 */
export function compareOutputs(expected: TensorMap, given: TensorMap): number {
  const names = Object.keys(expected);
  if (Object.keys(given).length !== names.length) return Number.POSITIVE_INFINITY;
  return Math.max(0, ...names.map((name) => difference(expected[name] as Tensor, given[name])));
}

function difference(expected: Tensor, given: Tensor | undefined): number {
  if (given === undefined || !isAlike(expected, given)) return Number.POSITIVE_INFINITY;
  const { datatype } = expected;
  if (datatype === 'FP32' || datatype === 'FP64' || datatype === 'FP16')
    return largest(elementsOf(expected), elementsOf(given));
  const steps = datatype === 'UINT8' || datatype === 'INT8' ? byteStepsMax : 0;
  return hasSteps(expected, given, steps) ? 0 : Number.POSITIVE_INFINITY;
}

const isAlike = (a: Tensor, b: Tensor): boolean =>
  a.datatype === b.datatype && a.shape.join() === b.shape.join() && a.data.length === b.data.length;

function largest(expected: ArrayLike<number>, given: ArrayLike<number>): number {
  let scale = 0;
  let off = 0;
  for (let i = 0; i < expected.length; i++) {
    const [a, b] = [expected[i] as number, given[i] as number];
    if (Object.is(a, b) || a === b) {
      if (Number.isFinite(a)) scale = Math.max(scale, Math.abs(a));
      continue;
    }
    // A mask's −Infinity, or what is not a number, on one side alone.
    if (!Number.isFinite(a) || !Number.isFinite(b)) return Number.POSITIVE_INFINITY;
    scale = Math.max(scale, Math.abs(a));
    off = Math.max(off, Math.abs(a - b));
  }
  return off === 0 ? 0 : off / scale;
}

function hasSteps(expected: Tensor, given: Tensor, steps: number): boolean {
  for (let i = 0; i < expected.data.length; i++) {
    const [a, b] = [expected.data[i], given.data[i]];
    if (a !== b && !(Math.abs(Number(a) - Number(b)) <= steps)) return false;
  }
  return true;
}

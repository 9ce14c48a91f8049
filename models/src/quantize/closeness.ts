// How close a quantized graph stays to the one it was made from, where no labels say whether it is right.

import { defined, ok, type Result } from '@skerry/shared';
import type { Runtime } from '../runtime/runtime.ts';
import type { Tensor, TensorMap } from '../tensor.ts';

export interface Closeness {
  /** Cosine similarity of the FP32 outputs, taken together, over the runs. */
  readonly mean: number;
  readonly least: number;
}

export async function closenessOf(
  exact: Uint8Array,
  near: Uint8Array,
  runs: readonly TensorMap[],
  runtime: Runtime,
): Promise<Result<Closeness>> {
  const first = await outputsOf(exact, runs, runtime);
  if (!first.ok) return first;
  const second = await outputsOf(near, runs, runtime);
  if (!second.ok) return second;
  const cosines = first.value.map((values, i) => cosine(values, defined(second.value[i], 'a run')));
  return ok({
    mean: cosines.reduce((a, b) => a + b, 0) / cosines.length,
    least: Math.min(...cosines),
  });
}

async function outputsOf(
  model: Uint8Array,
  runs: readonly TensorMap[],
  runtime: Runtime,
): Promise<Result<Float64Array[]>> {
  const session = await runtime.load(model);
  if (!session.ok) return session;
  const outputs: Float64Array[] = [];
  try {
    for (const feeds of runs) {
      const ran = await session.value.run(feeds);
      if (!ran.ok) return ran;
      outputs.push(numbersOf(Object.values(ran.value)));
    }
  } finally {
    await session.value.close();
  }
  return ok(outputs);
}

function numbersOf(tensors: readonly Tensor[]): Float64Array {
  const real = tensors.filter(({ datatype }) => datatype === 'FP32');
  return Float64Array.from(real.flatMap(({ data }) => Array.from(data as Float32Array)));
}

/** 1 for two vectors of zeros: nothing was lost. */
export function cosine(a: Float64Array, b: Float64Array): number {
  let [dot, left, right] = [0, 0, 0];
  for (const [i, x] of a.entries()) {
    const y = b[i] as number;
    dot += x * y;
    left += x * x;
    right += y * y;
  }
  return left === right && left === 0 ? 1 : dot / Math.sqrt(left * right);
}

// What a graph's inner values are, by running it with them as further outputs.

import { defined, ok, type Result } from '@skerry/shared';
import { encodeModel, type ModelProto } from '../onnx/model-proto.ts';
import type { Runtime } from '../runtime/runtime.ts';
import type { TensorMap } from '../tensor.ts';
import type { Range } from './affine.ts';
import { addToHistogram, chooseRange, createHistogram, type RangeMethod } from './choose-range.ts';

/** The model with these values as outputs too; a runtime infers their types. */
export function withOutputs(
  { graph, ...model }: ModelProto,
  values: readonly string[],
): ModelProto {
  const had = new Set(graph.output.map(({ name }) => name));
  const added = values.filter((value) => !had.has(value)).map((name) => ({ name }));
  return { ...model, graph: { ...graph, output: [...graph.output, ...added] } };
}

/** Calls `onValues` with every run's values. Fails as the runtime does. */
export async function observe(
  model: ModelProto,
  values: readonly string[],
  runs: readonly TensorMap[],
  runtime: Runtime,
  onValues: (values: TensorMap) => void,
): Promise<Result<void>> {
  const session = await runtime.load(encodeModel(withOutputs(model, values)));
  if (!session.ok) return session;
  try {
    for (const feeds of runs) {
      const ran = await session.value.run(feeds);
      if (!ran.ok) return ran;
      onValues({ ...feeds, ...ran.value });
    }
  } finally {
    await session.value.close();
  }
  return ok(undefined);
}

/** The range of each value over the runs: once to see how far they reach, where need be again to see how often. */
export async function observeRanges(
  model: ModelProto,
  values: readonly string[],
  runs: readonly TensorMap[],
  method: RangeMethod,
  runtime: Runtime,
): Promise<Result<ReadonlyMap<string, Range>>> {
  const extents = new Map(values.map((value) => [value, { min: 0, max: 0 }]));
  const first = await observe(model, values, runs, runtime, (seen) => {
    for (const [value, extent] of extents) widen(extent, numbersOf(seen, value));
  });
  if (!first.ok) return first;
  if (method === 'min-max') return ok(extents);
  const histograms = new Map([...extents].map(([value, e]) => [value, createHistogram(e)]));
  const second = await observe(model, values, runs, runtime, (seen) => {
    for (const [value, histogram] of histograms) addToHistogram(histogram, numbersOf(seen, value));
  });
  if (!second.ok) return second;
  return ok(new Map([...histograms].map(([value, h]) => [value, chooseRange(method, h)])));
}

const numbersOf = (seen: TensorMap, value: string): ArrayLike<number> =>
  defined(seen[value], `value '${value}'`).data as Float32Array;

function widen(extent: { min: number; max: number }, numbers: ArrayLike<number>): void {
  for (let i = 0; i < numbers.length; i++) {
    const value = numbers[i] as number;
    if (value < extent.min) extent.min = value;
    if (value > extent.max) extent.max = value;
  }
}

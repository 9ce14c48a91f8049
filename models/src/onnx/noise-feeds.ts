// Inputs that a graph can be run with where no real ones are at hand: they show shapes and time, not what data does.

import { err, failure, ok, type Random, type Result } from '@skerry/shared/plain';
import {
  type Datatype,
  elementCount,
  type Tensor,
  type TensorMap,
  type TensorSpec,
} from '../tensor.ts';

/** Of a dimension that varies and is not the first, which is the rows’. */
export const freeDimension = 16;

export function noiseFeeds(
  inputs: readonly TensorSpec[],
  random: Random,
  rows = 1,
): Result<TensorMap> {
  const feeds: Record<string, Tensor> = {};
  for (const { name, datatype, shape } of inputs) {
    const sizes = shape.map((size, axis) =>
      size !== -1 ? size : axis === 0 ? rows : freeDimension,
    );
    const count = elementCount(sizes);
    if (!count.ok) return count;
    const draw = draws[datatype];
    if (draw === undefined) return err(failure('invalid_bundle', `no noise of ${datatype}`));
    feeds[name] = { datatype, shape: sizes, data: draw(count.value, random) };
  }
  return ok(feeds);
}

const draws: Readonly<
  Partial<Record<Datatype, (count: number, random: Random) => Tensor['data']>>
> = {
  FP32: (count, random) => Float32Array.from({ length: count }, () => 2 * random.next() - 1),
  UINT8: (count, random) => Uint8Array.from({ length: count }, () => random.below(256)),
  INT8: (count, random) => Int8Array.from({ length: count }, () => random.below(256) - 128),
  // Ids, masks and lengths: 1 is valid for each.
  INT64: (count) => new BigInt64Array(count).fill(1n),
  INT32: (count) => new Int32Array(count).fill(1),
  BOOL: (count) => new Uint8Array(count).fill(1),
};

// The directions along which numbers that come in rows differ most: of all linear maps to so few numbers and back, these
// lose least. A bottleneck starts from them.

import { defined, type Random } from '@skerry/shared';

/** Numbers of one kind of place after another: `count` rows of `width`. */
export interface Rows {
  readonly count: number;
  readonly width: number;
  readonly data: Float32Array<ArrayBuffer>;
}

export interface Basis {
  readonly mean: Float64Array;
  /** Orthonormal, the first the most important. */
  readonly directions: readonly Float64Array[];
}

/** Of orthogonal iteration; few do, since what follows is trained. */
const iterations = 12;

/** @param count at most the rows' width */
export function principalBasis(rows: Rows, count: number, random: Random): Basis {
  const { width } = rows;
  const mean = new Float64Array(width);
  for (let r = 0; r < rows.count; r++)
    for (let c = 0; c < width; c++)
      mean[c] = (mean[c] as number) + (rows.data[r * width + c] as number) / rows.count;
  let directions = orthonormal(
    Array.from({ length: count }, () => Float64Array.from({ length: width }, random.gaussian)),
  );
  for (let i = 0; i < iterations; i++)
    directions = orthonormal(directions.map((direction) => timesCovariance(rows, mean, direction)));
  return { mean, directions };
}

/** Xᵀ(X·v), of the rows without their mean. */
function timesCovariance(
  { count, width, data }: Rows,
  mean: Float64Array,
  direction: Float64Array,
): Float64Array {
  const out = new Float64Array(width);
  for (let r = 0; r < count; r++) {
    let along = 0;
    for (let c = 0; c < width; c++)
      along += ((data[r * width + c] as number) - (mean[c] as number)) * (direction[c] as number);
    for (let c = 0; c < width; c++)
      out[c] = (out[c] as number) + along * ((data[r * width + c] as number) - (mean[c] as number));
  }
  return out;
}

/** Gram–Schmidt, twice for the digits that the first leaves; a vector that is nothing beside the others stays nothing. */
function orthonormal(vectors: readonly Float64Array[]): Float64Array[] {
  const done: Float64Array[] = [];
  for (const vector of vectors) {
    const own = vector.slice();
    for (let pass = 0; pass < 2; pass++)
      for (const other of done) {
        const along = dot(own, other);
        for (const [c, value] of other.entries()) own[c] = (own[c] as number) - along * value;
      }
    const length = Math.sqrt(dot(own, own));
    const scale = length > lengthMin ? 1 / length : 0;
    done.push(own.map((value) => value * scale));
  }
  return done;
}

const lengthMin = 1e-20;

const dot = (a: Float64Array, b: Float64Array): number =>
  a.reduce((sum, value, i) => sum + value * defined(b[i], 'as many'), 0);

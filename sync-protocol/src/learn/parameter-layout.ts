// A model's trainable tensors as one vector: what is trained, masked, compressed and averaged. The layout says which
// numbers are whose, and both sides must mean the same one.

import { err, failure, ok, type Result } from '@skerry/shared';
import { z } from 'zod';

/** Of one layout. */
export const layoutTensorsMax = 1_024;
/** The longest vector: 256 MiB of it fit a blob four times over. */
export const layoutSizeMax = 67_108_864;

export const parameterLayoutSchema = z
  .strictObject({
    /** In the order in which they lie in a vector; row-major each. */
    tensors: z
      .array(
        z.strictObject({
          name: z.string().min(1).max(128),
          shape: z.array(z.int().min(1).max(layoutSizeMax)).max(8),
        }),
      )
      .min(1)
      .max(layoutTensorsMax),
  })
  .refine(({ tensors }) => new Set(tensors.map(({ name }) => name)).size === tensors.length, {
    message: 'a name twice',
  })
  .refine((layout) => layoutSize(layout) <= layoutSizeMax, { message: 'a vector too long' });
export type ParameterLayout = z.infer<typeof parameterLayoutSchema>;

interface Layout {
  readonly tensors: readonly { readonly name: string; readonly shape: readonly number[] }[];
}

const sizeOf = (shape: readonly number[]): number => shape.reduce((size, n) => size * n, 1);

/** How many numbers a vector of this layout has. */
export const layoutSize = ({ tensors }: Layout): number =>
  tensors.reduce((size, { shape }) => size + sizeOf(shape), 0);

export const sameLayout = (a: ParameterLayout, b: ParameterLayout): boolean =>
  a.tensors.length === b.tensors.length &&
  a.tensors.every(({ name, shape }, i) => {
    const other = b.tensors[i];
    return other?.name === name && String(other.shape) === String(shape);
  });

/** Each tensor by name, as a view of the vector. Fails with `invalid_argument` for a vector of another length. */
export function tensorsOf<Vector extends Float32Array | Float64Array>(
  layout: ParameterLayout,
  vector: Vector,
): Result<ReadonlyMap<string, Vector>> {
  const size = layoutSize(layout);
  if (vector.length !== size)
    return err(failure('invalid_argument', `expected ${size} parameters; found ${vector.length}`));
  const views = new Map<string, Vector>();
  let at = 0;
  for (const { name, shape } of layout.tensors) {
    const end = at + sizeOf(shape);
    views.set(name, vector.subarray(at, end) as Vector);
    at = end;
  }
  return ok(views);
}

/** Fails with `invalid_argument` where a tensor is missing or of another size. Others are left out. */
export function vectorOf(
  layout: ParameterLayout,
  tensors: ReadonlyMap<string, Float32Array>,
): Result<Float32Array<ArrayBuffer>> {
  const vector = new Float32Array(layoutSize(layout));
  let at = 0;
  for (const { name, shape } of layout.tensors) {
    const tensor = tensors.get(name);
    if (tensor?.length !== sizeOf(shape))
      return err(
        failure(
          'invalid_argument',
          `expected ${sizeOf(shape)} parameters of '${name}'; found ${tensor?.length ?? 'none'}`,
        ),
      );
    vector.set(tensor, at);
    at += tensor.length;
  }
  return ok(vector);
}

/** A vector as it lies in a blob: float32, little-endian, nothing else. */
export function vectorBytes(vector: Float32Array): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(vector.length * 4);
  const view = new DataView(bytes.buffer);
  for (const [i, value] of vector.entries()) view.setFloat32(i * 4, value, true);
  return bytes;
}

/** Fails with `malformed_message` for another length and for what is not finite. */
export function readVector(bytes: Uint8Array, size: number): Result<Float32Array<ArrayBuffer>> {
  if (bytes.length !== size * 4)
    return err(
      failure(
        'malformed_message',
        `expected ${size * 4} bytes of parameters; found ${bytes.length}`,
      ),
    );
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const vector = Float32Array.from({ length: size }, (_, i) => view.getFloat32(i * 4, true));
  const bad = vector.findIndex((value) => !Number.isFinite(value));
  return bad === -1
    ? ok(vector)
    : err(failure('malformed_message', `parameter ${bad} is ${vector[bad]}`));
}

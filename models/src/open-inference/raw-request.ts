// The raw form of an inference request: the body is the model's only input, and its length says the one dimension that
// may vary (Triton, extension_binary_data.md, "Raw Binary Request").

import { err, failure, ok, type Result } from '@skerry/shared';
import { joinBytes } from '../bytes-tensor.ts';
import {
  bytesPerElement,
  isBatched,
  type Tensor,
  type TensorSpec,
  tensorFromBytes,
} from '../tensor.ts';

/** Fails with `invalid_argument` for a model that cannot be asked so, `invalid_tensor` for a body that does not fit. */
export function readRawTensor(
  body: Uint8Array,
  specs: readonly TensorSpec[],
): Result<Readonly<Record<string, Tensor>>> {
  const [spec, second] = specs;
  if (spec === undefined || second !== undefined)
    return err(
      failure('invalid_argument', `a raw request is for one input, the model has ${specs.length}`),
    );
  const shape = batchOfOne(spec.shape);
  const varying = shape.filter((size) => size === -1).length;
  if (varying > 1)
    return err(
      failure('invalid_argument', `a raw request cannot say ${varying} dimensions that vary`),
    );
  const tensor =
    spec.datatype === 'BYTES'
      ? tensorFromBytes('BYTES', fixed(shape, 1), joinBytes([body]))
      : tensorFromBytes(spec.datatype, fixed(shape, rest(shape, spec, body)), body);
  return tensor.ok ? ok({ [spec.name]: tensor.value }) : tensor;
}

const batchOfOne = (shape: readonly number[]): readonly number[] =>
  isBatched(shape) ? [1, ...shape.slice(1)] : shape;

const fixed = (shape: readonly number[], size: number): number[] =>
  shape.map((known) => (known === -1 ? size : known));

/** What the varying dimension must be for the body to fill the shape; a fraction where it cannot. */
const rest = (shape: readonly number[], { datatype }: TensorSpec, body: Uint8Array): number =>
  body.byteLength /
  bytesPerElement(datatype) /
  shape.reduce((product, size) => (size === -1 ? product : product * size), 1);

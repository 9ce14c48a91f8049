// Tensors as Skerry passes them: an Open Inference Protocol datatype, a row-major shape, and a typed array. FP16 is its
// bits. BYTES is a byte array too, each element with its length before it, as it travels: see bytes-tensor.ts.

import {
  err,
  failure,
  ok,
  type Result,
  tensorElementsMax,
  tensorRankMax,
} from '@skerry/shared/plain';

const arrays = {
  BOOL: Uint8Array,
  UINT8: Uint8Array,
  UINT16: Uint16Array,
  UINT32: Uint32Array,
  UINT64: BigUint64Array,
  INT8: Int8Array,
  INT16: Int16Array,
  INT32: Int32Array,
  INT64: BigInt64Array,
  FP16: Uint16Array,
  FP32: Float32Array,
  FP64: Float64Array,
  BYTES: Uint8Array,
} as const;

/** The Open Inference Protocol's names, as far as the runtimes take them. */
export type Datatype = keyof typeof arrays;
export const datatypes = Object.keys(arrays) as [Datatype, ...Datatype[]];
export type TensorData = InstanceType<(typeof arrays)[Datatype]>;

export interface Tensor {
  readonly datatype: Datatype;
  readonly shape: readonly number[];
  readonly data: TensorData;
}

export type TensorMap = Readonly<Record<string, Tensor>>;

/** What a graph's input or output accepts; −1 is a dimension that may vary. */
export interface TensorSpec {
  readonly name: string;
  readonly datatype: Datatype;
  readonly shape: readonly number[];
}

/** Whether the first dimension is a batch's: it may vary, and it is not the only one. */
export const isBatched = (shape: readonly number[]): boolean => shape[0] === -1 && shape.length > 1;

/** Of BYTES it is the least: an element's length alone takes four. */
export const bytesPerElement = (datatype: Datatype): number =>
  datatype === 'BYTES' ? bytesLengthBytes : arrays[datatype].BYTES_PER_ELEMENT;

/** The length before each element of BYTES: uint32, little-endian. */
export const bytesLengthBytes = 4;

/** The number of elements, or `invalid_tensor` for a shape that is not one. */
export function elementCount(shape: readonly number[]): Result<number> {
  if (shape.length > tensorRankMax)
    return err(failure('invalid_tensor', `rank ${shape.length} exceeds ${tensorRankMax}`));
  let count = 1;
  for (const size of shape) {
    if (!Number.isInteger(size) || size < 0)
      return err(failure('invalid_tensor', `shape [${shape}] has a dimension that is no size`));
    count *= size;
    if (count > tensorElementsMax)
      return err(
        failure('invalid_tensor', `shape [${shape}] exceeds ${tensorElementsMax} elements`),
      );
  }
  return ok(count);
}

/** A tensor over little-endian bytes. Copies only when the bytes are not aligned. */
export function tensorFromBytes(
  datatype: Datatype,
  shape: readonly number[],
  bytes: Uint8Array,
): Result<Tensor> {
  const count = elementCount(shape);
  if (!count.ok) return count;
  if (datatype === 'BYTES') return bytesTensor(shape, count.value, bytes);
  const expected = count.value * bytesPerElement(datatype);
  if (bytes.byteLength !== expected)
    return err(
      failure(
        'invalid_tensor',
        `${datatype} [${shape}] takes ${expected} bytes, got ${bytes.byteLength}`,
      ),
    );
  // Not slice(): a Node Buffer's is a view.
  const aligned =
    bytes.byteOffset % bytesPerElement(datatype) === 0 ? bytes : new Uint8Array(bytes);
  const data = new arrays[datatype](aligned.buffer as ArrayBuffer, aligned.byteOffset, count.value);
  return ok({ datatype, shape, data });
}

function bytesTensor(shape: readonly number[], count: number, bytes: Uint8Array): Result<Tensor> {
  const data = bytes as Uint8Array<ArrayBuffer>;
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
  let at = 0;
  for (let element = 0; element < count; element++) {
    const next = at + bytesLengthBytes;
    if (next > data.byteLength) break;
    at = next + view.getUint32(at, true);
    if (at > data.byteLength) break;
    if (element === count - 1 && at === data.byteLength)
      return ok({ datatype: 'BYTES', shape, data });
  }
  if (count === 0 && data.byteLength === 0) return ok({ datatype: 'BYTES', shape, data });
  return err(
    failure(
      'invalid_tensor',
      `${data.byteLength} bytes are not the ${count} elements of BYTES [${shape}], each behind its length`,
    ),
  );
}

/** A tensor of whole numbers, each cast to the datatype as a typed array casts. */
export function tensorOf(
  datatype: Datatype,
  shape: readonly number[],
  values: readonly number[],
): Result<Tensor> {
  const tensor = tensorFromBytes(
    datatype,
    shape,
    new Uint8Array(values.length * bytesPerElement(datatype)),
  );
  if (!tensor.ok) return tensor;
  const { data } = tensor.value;
  for (const [i, value] of values.entries()) setElement(data, i, value);
  return tensor;
}

/** Casts as a typed array does. */
export function setElement(data: TensorData, index: number, value: number): void {
  if (data instanceof BigInt64Array || data instanceof BigUint64Array) data[index] = BigInt(value);
  else data[index] = value;
}

/** The elements as numbers, which most datatypes' data are already; FP16's bits become what they stand for. */
export function elementsOf({
  datatype,
  data,
}: Pick<Tensor, 'datatype' | 'data'>): ArrayLike<number> {
  if (data instanceof BigInt64Array || data instanceof BigUint64Array)
    return Float64Array.from(data, Number);
  return datatype === 'FP16' ? Float32Array.from(data, numberOfHalf) : data;
}

/** IEEE 754 binary16: a sign, five bits of exponent, ten of fraction. */
function numberOfHalf(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 0x1f;
  const fraction = (bits & 0x3ff) / 0x400;
  if (exponent === 0) return sign * fraction * 2 ** -14;
  if (exponent === 0x1f) return fraction > 0 ? Number.NaN : sign * Number.POSITIVE_INFINITY;
  return sign * (1 + fraction) * 2 ** (exponent - 15);
}

/** The tensor's little-endian bytes, without a copy. */
export function tensorBytes(tensor: Tensor): Uint8Array {
  const { buffer, byteOffset, byteLength } = tensor.data;
  return new Uint8Array(buffer as ArrayBuffer, byteOffset, byteLength);
}

/** Whether a tensor satisfies a spec; the Failure says what was expected. */
export function checkTensor(spec: TensorSpec, tensor: Tensor): Result<Tensor> {
  const { name, datatype, shape } = spec;
  const fits =
    tensor.datatype === datatype &&
    tensor.shape.length === shape.length &&
    shape.every((size, i) => size === -1 || size === tensor.shape[i]);
  if (fits) return ok(tensor);
  return err(
    failure(
      'invalid_tensor',
      `input '${name}' is ${datatype} [${shape}], got ${tensor.datatype} [${tensor.shape}]`,
    ),
  );
}

// Requests' tensors as one batch, along the first dimension, and a batch's results back to the requests.

import {
  bytesElements,
  joinBytes,
  type Tensor,
  type TensorMap,
  tensorBytes,
  tensorFromBytes,
} from '@skerry/models';
import { collect, defined, err, failure, ok, type Result } from '@skerry/shared';

/** Two requests may run together where this is the same: their tensors differ in the first dimension alone. */
export const stackKey = (inputs: TensorMap): string =>
  JSON.stringify(Object.entries(inputs).map(([name, { shape }]) => [name, shape.slice(1)]));

/** Of requests with one stackKey. */
export function stackRequests(requests: readonly TensorMap[]): Result<TensorMap> {
  const [first] = requests;
  if (first === undefined || requests.length === 1) return ok(first ?? {});
  const stacked: Record<string, Tensor> = {};
  for (const name of Object.keys(first)) {
    const tensor = stack(requests.map((inputs) => defined(inputs[name], name)));
    if (!tensor.ok) return tensor;
    stacked[name] = tensor.value;
  }
  return ok(stacked);
}

function stack(tensors: readonly Tensor[]): Result<Tensor> {
  const { datatype, shape } = defined(tensors[0], 'a tensor');
  const chunks = tensors.map(tensorBytes);
  const bytes = new Uint8Array(chunks.reduce((sum, chunk) => sum + chunk.byteLength, 0));
  let at = 0;
  for (const chunk of chunks) {
    bytes.set(chunk, at);
    at += chunk.byteLength;
  }
  const rows = tensors.reduce((sum, tensor) => sum + (tensor.shape[0] ?? 0), 0);
  return tensorFromBytes(datatype, [rows, ...shape.slice(1)], bytes);
}

/** Each request's rows, in order; fails with `runtime_failed` where an output has not as many as went in. */
export function splitResults(
  outputs: TensorMap,
  rowsEach: readonly number[],
): Result<readonly TensorMap[]> {
  if (rowsEach.length === 1) return ok([outputs]);
  const total = rowsEach.reduce((sum, rows) => sum + rows, 0);
  for (const [name, { shape }] of Object.entries(outputs))
    if (shape[0] !== total)
      return err(failure('runtime_failed', `'${name}' is [${shape}] for a batch of ${total} rows`));
  let row = 0;
  return collect(
    rowsEach.map((rows) => {
      const from = row;
      row += rows;
      return sliceRows(outputs, from, row);
    }),
  );
}

function sliceRows(outputs: TensorMap, from: number, to: number): Result<TensorMap> {
  const sliced: Record<string, Tensor> = {};
  for (const [name, tensor] of Object.entries(outputs)) {
    const part = sliceTensor(tensor, from, to);
    if (!part.ok) return part;
    sliced[name] = part.value;
  }
  return ok(sliced);
}

function sliceTensor(tensor: Tensor, from: number, to: number): Result<Tensor> {
  const { datatype, shape } = tensor;
  const rowElements = shape.slice(1).reduce((product, size) => product * size, 1);
  const part = [to - from, ...shape.slice(1)];
  if (datatype === 'BYTES') {
    const elements = bytesElements(tensor).slice(from * rowElements, to * rowElements);
    return tensorFromBytes(datatype, part, joinBytes(elements));
  }
  const data = tensor.data.subarray(from * rowElements, to * rowElements);
  return ok({ datatype, shape: part, data });
}

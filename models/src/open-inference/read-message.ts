// What requests and responses have in common: JSON, and the bytes of the binary tensors behind it.

import { err, failure, ok, parseJson, type Result } from '@skerry/shared';
import { type Tensor, type TensorMap, tensorFromBytes } from '../tensor.ts';
import { checkDepth } from './json-depth.ts';
import { type RawTensor, readJsonTensor, readTensorDatatype } from './read-tensor.ts';

const invalid = (message: string): Result<never> => err(failure('invalid_argument', message));

export interface Message {
  readonly json: unknown;
  readonly binary: Uint8Array;
}

/** @param headerLength the `Inference-Header-Content-Length` header */
export function readMessage(
  body: Uint8Array,
  headerLength: string | undefined,
  what: string,
): Result<Message> {
  const split = splitBody(body, headerLength);
  if (!split.ok) return split;
  const shallow = checkDepth(split.value.json, what);
  if (!shallow.ok) return shallow;
  const json = parseJson(split.value.json, what);
  return json.ok ? ok({ json: json.value, binary: split.value.binary }) : json;
}

function splitBody(
  body: Uint8Array,
  headerLength: string | undefined,
): Result<{ json: Uint8Array; binary: Uint8Array }> {
  if (headerLength === undefined) return ok({ json: body, binary: new Uint8Array() });
  const length = /^\d{1,15}$/.test(headerLength) ? Number(headerLength) : Number.NaN;
  if (!(length > 0 && length <= body.byteLength))
    return invalid(
      `Inference-Header-Content-Length is '${headerLength}', the body has ${body.byteLength} bytes`,
    );
  return ok({ json: body.subarray(0, length), binary: body.subarray(length) });
}

/** The tensors by name, the binary ones in their order. */
export function readTensors(raws: readonly RawTensor[], binary: Uint8Array): Result<TensorMap> {
  // No prototype: a caller's name may be `__proto__`.
  const tensors: Record<string, Tensor> = Object.create(null);
  let at = 0;
  for (const raw of raws) {
    if (Object.hasOwn(tensors, raw.name)) return invalid(`'${raw.name}' stands twice`);
    const size = raw.parameters['binary_data_size'];
    const tensor =
      size === undefined ? readJsonTensor(raw) : readBinaryTensor(raw, size, binary.subarray(at));
    if (!tensor.ok) return tensor;
    if (typeof size === 'number') at += size;
    tensors[raw.name] = tensor.value;
  }
  if (at !== binary.byteLength)
    return invalid(`${binary.byteLength - at} bytes after the last binary tensor`);
  return ok(tensors);
}

function readBinaryTensor(
  raw: RawTensor,
  size: string | number | boolean,
  binary: Uint8Array,
): Result<Tensor> {
  const datatype = readTensorDatatype(raw);
  if (!datatype.ok) return datatype;
  if (raw.data !== undefined) return invalid(`'${raw.name}' has both data and binary_data_size`);
  if (typeof size !== 'number' || !Number.isInteger(size) || size < 0 || size > binary.byteLength)
    return invalid(
      `'${raw.name}': binary_data_size is ${size}, ${binary.byteLength} bytes are left`,
    );
  return tensorFromBytes(datatype.value, raw.shape, binary.subarray(0, size));
}

// Reads an Open Inference Protocol v2 inference request, JSON or with the binary tensor data extension.
// https://github.com/kserve/open-inference-protocol · Triton, extension_binary_data.md

import {
  describeIssues,
  err,
  failure,
  ok,
  parseJson,
  type Result,
  tensorRankMax,
} from '@skerry/shared';
import { z } from 'zod';
import {
  bytesPerElement,
  type Datatype,
  datatypes,
  elementCount,
  type Tensor,
  tensorFromBytes,
} from '../tensor.ts';

const parametersSchema = z.record(z.string(), z.union([z.string(), z.number(), z.boolean()]));

const requestSchema = z.object({
  id: z.string().max(256).optional(),
  parameters: parametersSchema.default({}),
  inputs: z
    .array(
      z.object({
        name: z.string(),
        shape: z.array(z.number()).max(tensorRankMax),
        datatype: z.string(),
        parameters: parametersSchema.default({}),
        data: z.array(z.unknown()).optional(),
      }),
    )
    .min(1)
    .max(64),
  outputs: z
    .array(z.object({ name: z.string(), parameters: parametersSchema.default({}) }))
    .max(64)
    .optional(),
});
type RawInput = z.infer<typeof requestSchema>['inputs'][number];

export interface InferRequest {
  /** The caller's own id, echoed in the response. */
  readonly id?: string;
  readonly parameters: Readonly<Record<string, string | number | boolean>>;
  readonly inputs: Readonly<Record<string, Tensor>>;
  /** Outputs that were asked for; undefined means all. */
  readonly outputs?: readonly string[];
  /** Whether an output is to travel as binary data. */
  readonly binary: (output: string) => boolean;
}

/**
 * @param headerLength the `Inference-Header-Content-Length` header: bytes of JSON before the binary tensors
 */
export function parseInferRequest(
  body: Uint8Array,
  headerLength: string | undefined,
): Result<InferRequest> {
  const split = splitBody(body, headerLength);
  if (!split.ok) return split;
  const json = parseJson(split.value.json, 'the request');
  if (!json.ok) return json;
  const parsed = requestSchema.safeParse(json.value);
  if (!parsed.success) return invalid(describeIssues(parsed.error, 'the request'));
  const { id, parameters, outputs } = parsed.data;
  const inputs = readInputs(parsed.data.inputs, split.value.binary);
  if (!inputs.ok) return inputs;
  const names = outputs?.map((o) => o.name);
  if (names !== undefined && new Set(names).size < names.length)
    return invalid('outputs: a name stands twice');
  const binaryByOutput = new Map(outputs?.map((o) => [o.name, o.parameters['binary_data']]));
  return ok({
    ...(id === undefined ? {} : { id }),
    parameters,
    inputs: inputs.value,
    ...(names === undefined ? {} : { outputs: names }),
    binary: (output) =>
      (binaryByOutput.get(output) ?? parameters['binary_data_output'] ?? false) === true,
  });
}

const invalid = (message: string): Result<never> => err(failure('invalid_argument', message));
const invalidTensor = (message: string): Result<never> => err(failure('invalid_tensor', message));

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

function readInputs(
  inputs: readonly RawInput[],
  binary: Uint8Array,
): Result<InferRequest['inputs']> {
  // No prototype: a caller's name may be `__proto__`.
  const tensors: Record<string, Tensor> = Object.create(null);
  let at = 0;
  for (const input of inputs) {
    if (Object.hasOwn(tensors, input.name)) return invalid(`input '${input.name}' stands twice`);
    const size = input.parameters['binary_data_size'];
    const tensor =
      size === undefined
        ? readJsonTensor(input)
        : readBinaryTensor(input, size, binary.subarray(at));
    if (!tensor.ok) return tensor;
    if (typeof size === 'number') at += size;
    tensors[input.name] = tensor.value;
  }
  if (at !== binary.byteLength)
    return invalid(`${binary.byteLength - at} bytes after the last binary tensor`);
  return ok(tensors);
}

function readDatatype({ name, datatype }: RawInput): Result<Datatype> {
  const known = datatypes.find((d) => d === datatype);
  return known === undefined
    ? invalidTensor(`input '${name}': datatype ${datatype.slice(0, 16)} is not one of ${datatypes}`)
    : ok(known);
}

function readBinaryTensor(
  input: RawInput,
  size: string | number | boolean,
  binary: Uint8Array,
): Result<Tensor> {
  const datatype = readDatatype(input);
  if (!datatype.ok) return datatype;
  if (input.data !== undefined)
    return invalid(`input '${input.name}' has both data and binary_data_size`);
  if (typeof size !== 'number' || !Number.isInteger(size) || size < 0 || size > binary.byteLength)
    return invalid(
      `input '${input.name}': binary_data_size is ${size}, ${binary.byteLength} bytes are left`,
    );
  return tensorFromBytes(datatype.value, input.shape, binary.subarray(0, size));
}

function readJsonTensor(input: RawInput): Result<Tensor> {
  const datatype = readDatatype(input);
  if (!datatype.ok) return datatype;
  const count = elementCount(input.shape);
  if (!count.ok) return count;
  if (input.data === undefined) return invalid(`input '${input.name}' has no data`);
  const bytes = new Uint8Array(count.value * bytesPerElement(datatype.value));
  const tensor = tensorFromBytes(datatype.value, input.shape, bytes);
  if (!tensor.ok) return tensor;
  const filled = fill(input.data, tensor.value, 0, 0);
  if (filled === count.value) return tensor;
  return invalidTensor(
    filled < 0
      ? `input '${input.name}': an element is no ${datatype.value}`
      : `input '${input.name}' [${input.shape}] takes ${count.value} elements, got ${filled}`,
  );
}

/**
 * Writes nested or flat row-major elements from index `at` on and returns the index after the last, or −1 where one
 * does not fit the datatype. Stops one past the end, so that the caller sees that there were too many.
 */
function fill(data: readonly unknown[], tensor: Tensor, at: number, depth: number): number {
  if (depth > tensorRankMax) return -1;
  let index = at;
  for (const element of data) {
    if (index > tensor.data.length) return index;
    if (Array.isArray(element)) {
      index = fill(element, tensor, index, depth + 1);
      if (index < 0) return -1;
    } else {
      if (!write(tensor, index, element)) return -1;
      index += 1;
    }
  }
  return index;
}

const integerRanges: Partial<Record<Datatype, readonly [number, number]>> = {
  UINT8: [0, 255],
  INT8: [-128, 127],
  INT32: [-(2 ** 31), 2 ** 31 - 1],
  INT64: [Number.MIN_SAFE_INTEGER, Number.MAX_SAFE_INTEGER],
};

function write({ datatype, data }: Tensor, index: number, element: unknown): boolean {
  if (datatype === 'BOOL') {
    if (typeof element !== 'boolean') return false;
    data[index] = element ? 1 : 0;
    return true;
  }
  if (typeof element !== 'number') return false;
  const range = integerRanges[datatype];
  if (range && !(Number.isInteger(element) && element >= range[0] && element <= range[1]))
    return false;
  if (data instanceof BigInt64Array) data[index] = BigInt(element);
  else data[index] = element;
  return true;
}

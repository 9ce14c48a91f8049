// Reads an Open Inference Protocol v2 inference request: JSON, with the binary tensor data extension, or one raw tensor.
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
import { type Tensor, type TensorSpec, tensorFromBytes } from '../tensor.ts';
import { checkDepth } from './json-depth.ts';
import { type Parameters, parametersSchema } from './parameters.ts';
import { readRawTensor } from './raw-request.ts';
import { type RawTensor, readJsonTensor, readTensorDatatype } from './read-tensor.ts';

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

export interface InferRequest {
  /** The caller's own id, echoed in the response. */
  readonly id?: string;
  readonly parameters: Parameters;
  readonly inputs: TensorInputs;
  /** Outputs that were asked for; undefined means all. */
  readonly outputs?: readonly string[];
  /** Whether an output is to travel as binary data. */
  readonly binary: (output: string) => boolean;
}

export type TensorInputs = Readonly<Record<string, Tensor>>;

/**
 * @param headerLength the `Inference-Header-Content-Length` header: bytes of JSON before the binary tensors; 0 where the
 *   body is one raw tensor
 * @param specs what the model takes: a raw tensor has no other description
 */
export function parseInferRequest(
  body: Uint8Array,
  headerLength: string | undefined,
  specs: readonly TensorSpec[] = [],
): Result<InferRequest> {
  if (headerLength === '0') return parseRawRequest(body, specs);
  const split = splitBody(body, headerLength);
  if (!split.ok) return split;
  const shallow = checkDepth(split.value.json, 'the request');
  if (!shallow.ok) return shallow;
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

/** All outputs of a raw request are binary. */
function parseRawRequest(body: Uint8Array, specs: readonly TensorSpec[]): Result<InferRequest> {
  const inputs = readRawTensor(body, specs);
  if (!inputs.ok) return inputs;
  return ok({ parameters: {}, inputs: inputs.value, binary: () => true });
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

function readInputs(inputs: readonly RawTensor[], binary: Uint8Array): Result<TensorInputs> {
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

function readBinaryTensor(
  input: RawTensor,
  size: string | number | boolean,
  binary: Uint8Array,
): Result<Tensor> {
  const datatype = readTensorDatatype(input);
  if (!datatype.ok) return datatype;
  if (input.data !== undefined)
    return invalid(`input '${input.name}' has both data and binary_data_size`);
  if (typeof size !== 'number' || !Number.isInteger(size) || size < 0 || size > binary.byteLength)
    return invalid(
      `input '${input.name}': binary_data_size is ${size}, ${binary.byteLength} bytes are left`,
    );
  return tensorFromBytes(datatype.value, input.shape, binary.subarray(0, size));
}

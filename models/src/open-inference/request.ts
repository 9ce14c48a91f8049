// Reads an Open Inference Protocol v2 inference request: JSON, with the binary tensor data extension, or one raw tensor.
// https://github.com/kserve/open-inference-protocol · Triton, extension_binary_data.md

import { describeIssues, err, failure, ok, type Result, tensorRankMax } from '@skerry/shared';
import { z } from 'zod';
import type { TensorMap, TensorSpec } from '../tensor.ts';
import { type Parameters, parametersSchema } from './parameters.ts';
import { readRawTensor } from './raw-request.ts';
import { readMessage, readTensors } from './read-message.ts';

/** Of one request, and as many outputs that it asks for. */
export const requestTensorsMax = 64;

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
    .max(requestTensorsMax),
  outputs: z
    .array(z.object({ name: z.string(), parameters: parametersSchema.default({}) }))
    .max(requestTensorsMax)
    .optional(),
});

export interface InferRequest {
  /** The caller's own id, echoed in the response. */
  readonly id?: string;
  readonly parameters: Parameters;
  readonly inputs: TensorMap;
  /** Outputs that were asked for; undefined means all. */
  readonly outputs?: readonly string[];
  /** Whether an output is to travel as binary data. */
  readonly binary: (output: string) => boolean;
}

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
  const message = readMessage(body, headerLength, 'the request');
  if (!message.ok) return message;
  const parsed = requestSchema.safeParse(message.value.json);
  if (!parsed.success) return invalid(describeIssues(parsed.error, 'the request'));
  const { id, parameters, outputs } = parsed.data;
  const inputs = readTensors(parsed.data.inputs, message.value.binary);
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

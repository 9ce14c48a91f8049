// The other end of the protocol: requests for any Open Inference Protocol server, and its responses, read with patience
// for what servers and the specification itself do differently: a response without model_name, an id or parameters that
// are null, a model that is said to be ready in other words.

import { describeIssues, err, failure, ok, type Result, tensorRankMax } from '@skerry/shared';
import { z } from 'zod';
import type { TensorMap } from '../tensor.ts';
import { parametersSchema } from './parameters.ts';
import { readMessage, readTensors } from './read-message.ts';
import { type EncodedMessage, encodeMessage, encodeTensors } from './response.ts';

export interface InferCall {
  readonly inputs: TensorMap;
  readonly outputs?: readonly string[];
  readonly parameters?: Readonly<Record<string, string | number | boolean>>;
}

/** @param binary whether the server takes and gives tensors as binary data */
export function encodeInferRequest(call: InferCall, binary: boolean): Result<EncodedMessage> {
  const tensors = encodeTensors(call.inputs, () => binary);
  if (!tensors.ok) return tensors;
  const parameters = { ...call.parameters, ...(binary ? { binary_data_output: true } : {}) };
  const head = {
    ...(Object.keys(parameters).length === 0 ? {} : { parameters }),
    ...(call.outputs === undefined ? {} : { outputs: call.outputs.map((name) => ({ name })) }),
  };
  return ok(encodeMessage(head, 'inputs', tensors.value));
}

const lenientParameters = parametersSchema.nullish().transform((given) => given ?? {});

const responseSchema = z.looseObject({
  outputs: z.array(
    z.looseObject({
      name: z.string(),
      shape: z.array(z.number()).max(tensorRankMax),
      datatype: z.string(),
      parameters: lenientParameters,
      data: z
        .array(z.unknown())
        .nullish()
        .transform((given) => given ?? undefined),
    }),
  ),
});

/** The outputs by name. Fails with `runtime_failed` where the bytes are no response of the protocol. */
export function parseInferResponse(
  body: Uint8Array,
  headerLength: string | undefined,
): Result<TensorMap> {
  const read = readOutputs(body, headerLength);
  return read.ok ? read : err(failure('runtime_failed', `the response: ${read.error.message}`));
}

function readOutputs(body: Uint8Array, headerLength: string | undefined): Result<TensorMap> {
  const message = readMessage(body, headerLength, 'the body');
  if (!message.ok) return message;
  const parsed = responseSchema.safeParse(message.value.json);
  if (parsed.success) return readTensors(parsed.data.outputs, message.value.binary);
  return err(failure('invalid_argument', describeIssues(parsed.error, 'the body')));
}

// Writes an Open Inference Protocol v2 inference response, JSON or with the binary tensor data extension.

import { err, failure, ok, type Result } from '@skerry/shared';
import { textsOf } from '../bytes-tensor.ts';
import { type Tensor, type TensorMap, tensorBytes } from '../tensor.ts';
import { concatenate } from './concatenate.ts';
import type { Parameters } from './parameters.ts';

export interface InferResponse {
  readonly modelName: string;
  readonly modelVersion: string;
  readonly id?: string;
  readonly parameters: Parameters;
  readonly outputs: TensorMap;
}

export interface EncodedMessage {
  readonly body: Uint8Array;
  readonly contentType: string;
  /** Value of `Inference-Header-Content-Length` where binary tensors follow the JSON. */
  readonly headerLength?: number;
}

/** Fails with `invalid_argument` where an output that is to be JSON has no form in JSON. */
export function encodeInferResponse(
  response: InferResponse,
  binary: (output: string) => boolean,
): Result<EncodedMessage> {
  const tensors = encodeTensors(response.outputs, binary);
  if (!tensors.ok) return tensors;
  const { modelName, modelVersion, id, parameters } = response;
  const head = { model_name: modelName, model_version: modelVersion, id, parameters };
  return ok(encodeMessage(head, 'outputs', tensors.value));
}

interface EncodedTensors {
  /** Each tensor as JSON text. */
  readonly json: readonly string[];
  /** The bytes of those that are binary, in order. */
  readonly chunks: readonly Uint8Array[];
}

export function encodeTensors(
  tensors: TensorMap,
  binary: (name: string) => boolean,
): Result<EncodedTensors> {
  const json: string[] = [];
  const chunks: Uint8Array[] = [];
  for (const [name, tensor] of Object.entries(tensors)) {
    const { datatype, shape } = tensor;
    const described = JSON.stringify({ name, datatype, shape }).slice(0, -1);
    if (binary(name)) {
      const bytes = tensorBytes(tensor);
      chunks.push(bytes);
      json.push(`${described},"parameters":{"binary_data_size":${bytes.byteLength}}}`);
      continue;
    }
    const data = jsonData(name, tensor);
    if (!data.ok) return data;
    json.push(`${described},"data":${data.value}}`);
  }
  return ok({ json, chunks });
}

/** A message of the protocol: `head`, its tensors under `key`, and the bytes of the binary ones behind. */
export function encodeMessage(
  head: object,
  key: 'inputs' | 'outputs',
  { json, chunks }: EncodedTensors,
): EncodedMessage {
  const text = JSON.stringify(head).slice(0, -1);
  const header = new TextEncoder().encode(
    `${text}${text === '{' ? '' : ','}"${key}":[${json.join()}]}`,
  );
  if (chunks.length === 0) return { body: header, contentType: 'application/json' };
  return {
    body: concatenate([header, ...chunks]),
    contentType: 'application/octet-stream',
    headerLength: header.byteLength,
  };
}

function jsonData(name: string, tensor: Tensor): Result<string> {
  const { datatype, data } = tensor;
  if (datatype === 'FP16')
    return err(
      failure(
        'invalid_argument',
        `output '${name}': FP16 has no form in JSON, ask for binary data`,
      ),
    );
  if (datatype === 'BYTES') {
    const texts = textsOf(tensor);
    return texts.ok ? ok(JSON.stringify(texts.value)) : texts;
  }
  if (datatype === 'BOOL')
    return ok(JSON.stringify(Array.from(data as Uint8Array, (bit) => bit !== 0)));
  // Digits as they are: a double would round those beyond 2⁵³.
  if (data instanceof BigInt64Array || data instanceof BigUint64Array)
    return ok(`[${data.join()}]`);
  return ok(JSON.stringify(Array.from(data)));
}

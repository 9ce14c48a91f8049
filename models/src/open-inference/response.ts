// Writes an Open Inference Protocol v2 inference response, JSON or with the binary tensor data extension.

import { type Tensor, tensorBytes } from '../tensor.ts';
import { type BytesTensor, encodeBytesTensor } from './bytes-tensor.ts';

export interface InferResponse {
  readonly modelName: string;
  readonly modelVersion: string;
  readonly id?: string;
  readonly parameters: Readonly<Record<string, string | number | boolean>>;
  readonly outputs: Readonly<Record<string, Tensor | BytesTensor>>;
}

export interface EncodedResponse {
  readonly body: Uint8Array;
  readonly contentType: string;
  /** Value of `Inference-Header-Content-Length` where binary tensors follow the JSON. */
  readonly headerLength?: number;
}

export function encodeInferResponse(
  response: InferResponse,
  binary: (output: string) => boolean,
): EncodedResponse {
  const chunks: Uint8Array[] = [];
  const outputs = Object.entries(response.outputs).map(([name, tensor]) => {
    const { datatype, shape } = tensor;
    if (!binary(name)) return { name, datatype, shape, data: jsonData(tensor) };
    const bytes = tensor.datatype === 'BYTES' ? encodeBytesTensor(tensor) : tensorBytes(tensor);
    chunks.push(bytes);
    return { name, datatype, shape, parameters: { binary_data_size: bytes.byteLength } };
  });
  const { modelName, modelVersion, id, parameters } = response;
  const header = { model_name: modelName, model_version: modelVersion, id, parameters, outputs };
  const json = new TextEncoder().encode(JSON.stringify(header));
  if (chunks.length === 0) return { body: json, contentType: 'application/json' };
  return {
    body: concatenate([json, ...chunks]),
    contentType: 'application/octet-stream',
    headerLength: json.byteLength,
  };
}

function jsonData(tensor: Tensor | BytesTensor): unknown[] {
  if (tensor.datatype === 'BYTES') return [...tensor.data];
  if (tensor.datatype === 'BOOL') return Array.from(tensor.data as Uint8Array, (bit) => bit !== 0);
  return Array.from(tensor.data as ArrayLike<number | bigint>, Number);
}

function concatenate(chunks: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(chunks.reduce((sum, chunk) => sum + chunk.byteLength, 0));
  let at = 0;
  for (const chunk of chunks) {
    whole.set(chunk, at);
    at += chunk.byteLength;
  }
  return whole;
}

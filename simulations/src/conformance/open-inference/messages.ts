// Requests and responses of the protocol, byte by byte: written apart from the product's own codec, which is judged by
// them.

import { expect, type Target } from './case.ts';
import type { HttpReply } from './http.ts';

export interface JsonTensor {
  readonly name: string;
  readonly shape: readonly number[];
  readonly datatype: string;
  readonly parameters?: Readonly<Record<string, unknown>>;
  readonly data?: unknown;
}

interface InferOptions {
  /** Tensors behind the JSON. */
  readonly binary?: readonly Uint8Array[];
  readonly headers?: Readonly<Record<string, string>>;
  readonly version?: string;
}

export const headerLengthName = 'inference-header-content-length';
export const bytesOf = (array: ArrayBufferView): Buffer =>
  Buffer.from(array.buffer, array.byteOffset, array.byteLength);

export const inferPath = (model: string, version?: string): string =>
  `/v2/models/${model}${version === undefined ? '' : `/versions/${version}`}/infer`;

export function infer(
  { http }: Target,
  model: string,
  request: unknown,
  { binary, headers = {}, version }: InferOptions = {},
): Promise<HttpReply> {
  const json = Buffer.from(typeof request === 'string' ? request : JSON.stringify(request));
  const path = inferPath(model, version);
  const type = { 'content-type': 'application/json', ...headers };
  if (binary === undefined) return http(path, { method: 'POST', headers: type, body: json });
  return http(path, {
    method: 'POST',
    headers: {
      'content-type': 'application/octet-stream',
      [headerLengthName]: String(json.byteLength),
      ...headers,
    },
    body: Buffer.concat([json, ...binary]),
  });
}

export interface ReadOutput {
  readonly name: string;
  readonly datatype: string;
  readonly shape: readonly number[];
  readonly data?: unknown;
  /** Where the output came as binary data. */
  readonly bytes?: Buffer;
}

export interface ReadResponse {
  readonly json: Record<string, unknown>;
  readonly outputs: ReadonlyMap<string, ReadOutput>;
}

/** Holds the response against the protocol while it reads it. */
export function readResponse(reply: HttpReply): ReadResponse {
  expect(
    reply.status === 200,
    `expected 200, got ${reply.status} ${reply.body.toString().slice(0, 200)}`,
  );
  const length = reply.headers[headerLengthName];
  const split = length === undefined ? reply.body.byteLength : Number(length);
  expect(split <= reply.body.byteLength, `${headerLengthName} ${length} is longer than the body`);
  const json = parse(reply.body.subarray(0, split));
  expect(Array.isArray(json['outputs']), 'outputs is no list');
  const outputs = new Map<string, ReadOutput>();
  let at = split;
  for (const output of json['outputs'] as (ReadOutput & {
    parameters?: Record<string, unknown>;
  })[]) {
    const size = output.parameters?.['binary_data_size'];
    if (typeof size !== 'number') {
      outputs.set(output.name, output);
      continue;
    }
    expect(length !== undefined, `binary data without ${headerLengthName}`);
    outputs.set(output.name, { ...output, bytes: reply.body.subarray(at, at + size) });
    at += size;
  }
  expect(
    at === reply.body.byteLength,
    `${reply.body.byteLength - at} bytes behind the last output`,
  );
  return { json, outputs };
}

export function parse(body: Uint8Array): Record<string, unknown> {
  try {
    return JSON.parse(Buffer.from(body).toString('utf8'));
  } catch {
    expect(false, `no JSON: ${Buffer.from(body).toString('latin1').slice(0, 80)}`);
  }
}

/** An error has the status and a text under `error`. */
export function expectError(reply: HttpReply, ...statuses: readonly number[]): string {
  const text = reply.body.toString().slice(0, 160);
  expect(
    statuses.includes(reply.status),
    `expected ${statuses.join(' or ')}, got ${reply.status} ${text}`,
  );
  const { error } = parse(reply.body);
  expect(typeof error === 'string' && error !== '', `no text under "error": ${text}`);
  return error;
}

export const int32 = (...values: readonly number[]): Buffer => bytesOf(Int32Array.from(values));
export const float32 = (...values: readonly number[]): Buffer => bytesOf(Float32Array.from(values));

/** Length (uint32, little-endian) and UTF-8 of each. */
export function bytesElements(...texts: readonly string[]): Buffer {
  return Buffer.concat(
    texts.flatMap((text) => {
      const encoded = Buffer.from(text);
      const length = Buffer.alloc(4);
      length.writeUInt32LE(encoded.byteLength);
      return [length, encoded];
    }),
  );
}

const sixteen = Array.from({ length: 16 }, (_, i) => i);
const ones = sixteen.map(() => 1);
export const sums = sixteen.map((value) => value + 1);
export const differences = sixteen.map((value) => value - 1);

/** The inputs of `simple`: 0…15 and ones. */
export const simpleInputs = (): JsonTensor[] => [
  { name: 'INPUT0', shape: [1, 16], datatype: 'INT32', data: sixteen },
  { name: 'INPUT1', shape: [1, 16], datatype: 'INT32', data: ones },
];

export const simpleBinary = (): readonly Buffer[] => [int32(...sixteen), int32(...ones)];

export const binaryInput = (
  name: string,
  shape: readonly number[],
  datatype: string,
  size: number,
): JsonTensor => ({
  name,
  shape,
  datatype,
  parameters: { binary_data_size: size },
});

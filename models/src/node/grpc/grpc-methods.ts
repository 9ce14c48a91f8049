// The service as @grpc/grpc-js takes it: each method's path, and its messages' way to bytes and back.

import type { MethodDefinition } from '@grpc/grpc-js';
import protobuf from 'protobufjs';
import { requestTensorsMax } from '../../open-inference/request.ts';
import { openInferenceSchema } from './schema.ts';

const { root } = protobuf.parse(openInferenceSchema);

export const methodNames = [
  'ServerLive',
  'ServerReady',
  'ModelReady',
  'ServerMetadata',
  'ModelMetadata',
  'ModelInfer',
  'RepositoryModelLoad',
  'RepositoryModelUnload',
] as const;
export type Method = (typeof methodNames)[number];

/** A message as a plain object, its names in camel case, its int64 as bigints. */
export type Plain = Readonly<Record<string, unknown>>;

function codecOf(name: string, bound = (bytes: Uint8Array): Uint8Array => bytes) {
  const type = root.lookupType(`inference.${name}`);
  return {
    serialize: (value: Plain): Buffer => Buffer.from(type.encode(type.fromObject(value)).finish()),
    deserialize: (bytes: Buffer): Plain =>
      type.toObject(type.decode(bound(bytes)), { longs: BigInt, arrays: true, objects: true }),
  };
}

/** ModelInferRequest's inputs, outputs and raw_input_contents. */
const repeatedFields: readonly number[] = [5, 6, 7];

/**
 * The request up to the first tensor that is one too many, for which it will be refused. An empty tensor is two bytes
 * on the wire and a hundred times that as an object.
 */
function boundTensors(bytes: Uint8Array): Uint8Array {
  const reader = protobuf.Reader.create(bytes);
  const counts = repeatedFields.map(() => 0);
  while (reader.pos < reader.len) {
    const tag = reader.uint32();
    reader.skipType(tag & 7);
    const place = repeatedFields.indexOf(tag >>> 3);
    if (place === -1) continue;
    const count = (counts[place] ?? 0) + 1;
    if (count > requestTensorsMax) return bytes.subarray(0, reader.pos);
    counts[place] = count;
  }
  return bytes;
}

function define(method: Method): MethodDefinition<Plain, Plain> {
  const bound = method === 'ModelInfer' ? boundTensors : undefined;
  const [request, response] = [codecOf(`${method}Request`, bound), codecOf(`${method}Response`)];
  return {
    path: `/inference.GRPCInferenceService/${method}`,
    requestStream: false,
    responseStream: false,
    requestSerialize: request.serialize,
    requestDeserialize: request.deserialize,
    responseSerialize: response.serialize,
    responseDeserialize: response.deserialize,
  };
}

export const grpcMethods = Object.fromEntries(
  methodNames.map((method) => [method, define(method)]),
) as Readonly<Record<Method, MethodDefinition<Plain, Plain>>>;

// The service as @grpc/grpc-js takes it: each method's path, and its messages' way to bytes and back.

import type { MethodDefinition } from '@grpc/grpc-js';
import protobuf from 'protobufjs';
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

function codecOf(name: string) {
  const type = root.lookupType(`inference.${name}`);
  return {
    serialize: (value: Plain): Buffer => Buffer.from(type.encode(type.fromObject(value)).finish()),
    deserialize: (bytes: Buffer): Plain =>
      type.toObject(type.decode(bytes), { longs: BigInt, arrays: true, objects: true }),
  };
}

function define(method: Method): MethodDefinition<Plain, Plain> {
  const [request, response] = [codecOf(`${method}Request`), codecOf(`${method}Response`)];
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

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

/** Of ModelInferRequest, and of an input in it. */
const fields = { shape: 3, parameters: 4, inputs: 5, outputs: 6, rawContents: 7 } as const;
const tensorFields: readonly number[] = [fields.inputs, fields.outputs, fields.rawContents];
/** Of one shape on the wire, and of one map: beyond what any request means. */
const shapeBytesMax = 1_024;
const parametersMax = 256;
/** The wire type of a message, a text, or bytes. */
const lengthDelimited = 2;
const tooMany = (): Error => new Error('a shape or a map of parameters is beyond its bound');

/**
 * The request up to the first tensor that is one too many, for which it will be refused. An empty tensor is two bytes
 * on the wire and a hundred times that as an object. Throws where a shape or a map is beyond its bound: grpc-js answers
 * that, as whatever is no message, by itself.
 */
function boundRequest(bytes: Uint8Array): Uint8Array {
  const reader = protobuf.Reader.create(bytes);
  const counts = new Map<number, number>();
  while (reader.pos < reader.len) {
    const tag = reader.uint32();
    const field = tag >>> 3;
    if (field === fields.inputs && (tag & 7) === lengthDelimited) skipInput(reader);
    else reader.skipType(tag & 7);
    const count = (counts.get(field) ?? 0) + 1;
    counts.set(field, count);
    if (tensorFields.includes(field) && count > requestTensorsMax)
      return bytes.subarray(0, reader.pos);
    if (field === fields.parameters && count > parametersMax) throw tooMany();
  }
  return bytes;
}

function skipInput(reader: protobuf.Reader): void {
  const end = reader.uint32() + reader.pos;
  let shapeBytes = 0;
  let parameters = 0;
  while (reader.pos < end) {
    const tag = reader.uint32();
    const at = reader.pos;
    reader.skipType(tag & 7);
    if (tag >>> 3 === fields.shape) shapeBytes += reader.pos - at;
    if (tag >>> 3 === fields.parameters) parameters += 1;
    if (shapeBytes > shapeBytesMax || parameters > parametersMax) throw tooMany();
  }
}

function define(method: Method): MethodDefinition<Plain, Plain> {
  const bound = method === 'ModelInfer' ? boundRequest : undefined;
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

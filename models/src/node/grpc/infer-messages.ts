// An inference over gRPC: its request as the one that the models know, and their answer as its response. Contents are raw
// for all tensors or typed for all: the specification allows no mixture.

import { err, failure, ok, type Result } from '@skerry/shared';
import { z } from 'zod';
import { bytesElements, joinBytes } from '../../bytes-tensor.ts';
import type { Parameters } from '../../open-inference/parameters.ts';
import { type InferRequest, requestTensorsMax } from '../../open-inference/request.ts';
import type { ServedAnswer } from '../../open-inference/served-model.ts';
import {
  bytesPerElement,
  type Datatype,
  datatypes,
  elementCount,
  type Tensor,
  type TensorMap,
  tensorBytes,
  tensorFromBytes,
} from '../../tensor.ts';
import type { Plain } from './grpc-methods.ts';

type Contents = Readonly<Record<string, readonly (number | bigint | boolean | Uint8Array)[]>>;

const bytesSchema = z.custom<Uint8Array>((value) => value instanceof Uint8Array);
const parameterSchema = z.looseObject({
  boolParam: z.boolean().optional(),
  int64Param: z.bigint().optional(),
  stringParam: z.string().optional(),
  doubleParam: z.number().optional(),
  uint64Param: z.bigint().optional(),
});
const parametersSchema = z.record(z.string(), parameterSchema).default({});

const requestSchema = z.looseObject({
  id: z.string().max(256).default(''),
  parameters: parametersSchema,
  inputs: z
    .array(
      z.looseObject({
        name: z.string().default(''),
        datatype: z.string().default(''),
        shape: z.array(z.bigint()),
        contents: z.custom<Contents>().optional(),
      }),
    )
    .min(1)
    .max(requestTensorsMax),
  outputs: z.array(z.looseObject({ name: z.string().default('') })).max(requestTensorsMax),
  rawInputContents: z.array(bytesSchema),
});
type RawInput = z.infer<typeof requestSchema>['inputs'][number];

const invalid = (message: string): Result<never> => err(failure('invalid_argument', message));

/** Which typed field holds which datatype; FP16 has none and is raw. */
const contentsFields: Partial<Record<Datatype, string>> = {
  BOOL: 'boolContents',
  INT8: 'intContents',
  INT16: 'intContents',
  INT32: 'intContents',
  INT64: 'int64Contents',
  UINT8: 'uintContents',
  UINT16: 'uintContents',
  UINT32: 'uintContents',
  UINT64: 'uint64Contents',
  FP32: 'fp32Contents',
  FP64: 'fp64Contents',
  BYTES: 'bytesContents',
};

export interface GrpcRequest extends InferRequest {
  /** Who asks raw is answered raw. */
  readonly raw: boolean;
}

export function readInferRequest(message: Plain): Result<GrpcRequest> {
  const parsed = requestSchema.safeParse(message);
  if (!parsed.success) return invalid('the request has no inputs, or one without a shape');
  const { id, parameters, outputs, rawInputContents } = parsed.data;
  const inputs = readInputs(parsed.data.inputs, rawInputContents);
  if (!inputs.ok) return inputs;
  const names = outputs.map(({ name }) => name);
  if (new Set(names).size < names.length) return invalid('outputs: a name stands twice');
  return ok({
    ...(id === '' ? {} : { id }),
    parameters: readParameters(parameters),
    inputs: inputs.value,
    ...(names.length === 0 ? {} : { outputs: names }),
    binary: () => true,
    raw: rawInputContents.length > 0,
  });
}

function readParameters(given: z.infer<typeof parametersSchema>): Parameters {
  const entries = Object.entries(given).map(([name, choice]) => {
    const { boolParam, stringParam, doubleParam, int64Param, uint64Param } = choice;
    const whole = int64Param ?? uint64Param;
    const value =
      boolParam ?? stringParam ?? doubleParam ?? (whole === undefined ? '' : Number(whole));
    return [name, value] as const;
  });
  return Object.fromEntries(entries);
}

function readInputs(inputs: readonly RawInput[], raw: readonly Uint8Array[]): Result<TensorMap> {
  if (raw.length > 0 && inputs.some(({ contents }) => contents !== undefined))
    return invalid('contents must not be given beside raw_input_contents');
  if (raw.length > 0 && raw.length !== inputs.length)
    return invalid(`${raw.length} raw_input_contents for ${inputs.length} inputs`);
  const tensors: Record<string, Tensor> = Object.create(null);
  for (const [i, input] of inputs.entries()) {
    if (Object.hasOwn(tensors, input.name)) return invalid(`input '${input.name}' stands twice`);
    const tensor = readInput(input, raw[i]);
    if (!tensor.ok) return tensor;
    tensors[input.name] = tensor.value;
  }
  return ok(tensors);
}

function readInput(
  { name, datatype: given, shape: sizes, contents = {} }: RawInput,
  raw: Uint8Array | undefined,
): Result<Tensor> {
  const datatype = datatypes.find((known) => known === given);
  if (datatype === undefined) return invalid(`input '${name}': no datatype ${given.slice(0, 16)}`);
  const shape = sizes.map(Number);
  if (raw !== undefined) return tensorFromBytes(datatype, shape, raw);
  const field = contentsFields[datatype];
  if (field === undefined) return invalid(`input '${name}': ${datatype} must be raw`);
  const elements = contents[field] ?? [];
  const strange = Object.keys(contents).find((key) => key !== field && contents[key]?.length);
  if (strange !== undefined) return invalid(`input '${name}': ${datatype} is not in ${strange}`);
  const count = elementCount(shape);
  if (!count.ok) return count;
  if (elements.length !== count.value)
    return invalid(`input '${name}' takes ${count.value} elements, got ${elements.length}`);
  if (datatype === 'BYTES')
    return tensorFromBytes(datatype, shape, joinBytes(elements as readonly Uint8Array[]));
  const bytes = new Uint8Array(count.value * bytesPerElement(datatype));
  const tensor = tensorFromBytes(datatype, shape, bytes);
  if (!tensor.ok) return tensor;
  const data = tensor.value.data as unknown as (number | bigint)[];
  for (const [i, element] of elements.entries()) {
    data[i] = typeof element === 'boolean' ? Number(element) : (element as number | bigint);
    // A typed array has cast what did not fit: an INT8 of 300.
    if (
      typeof element === 'number' &&
      Number.isInteger(element) &&
      datatype !== 'FP32' &&
      data[i] !== element
    )
      return invalid(`input '${name}': an element is no ${datatype}`);
  }
  return tensor;
}

export function writeInferResponse(
  model: { readonly name: string; readonly version: string },
  id: string | undefined,
  { outputs, parameters }: ServedAnswer,
  askedRaw: boolean,
): Plain {
  const tensors = Object.entries(outputs);
  const raw =
    askedRaw || tensors.some(([, { datatype }]) => contentsFields[datatype] === undefined);
  return {
    modelName: model.name,
    modelVersion: model.version,
    ...(id === undefined ? {} : { id }),
    parameters: writeParameters(parameters),
    outputs: tensors.map(([name, tensor]) => ({
      name,
      datatype: tensor.datatype,
      shape: tensor.shape,
      ...(raw ? {} : { contents: contentsOf(tensor) }),
    })),
    ...(raw ? { rawOutputContents: tensors.map(([, tensor]) => tensorBytes(tensor)) } : {}),
  };
}

const writeParameters = (parameters: Parameters): Plain =>
  Object.fromEntries(
    Object.entries(parameters).map(([name, value]) => {
      if (typeof value === 'boolean') return [name, { boolParam: value }];
      if (typeof value === 'string') return [name, { stringParam: value }];
      return [name, Number.isSafeInteger(value) ? { int64Param: value } : { doubleParam: value }];
    }),
  );

function contentsOf(tensor: Tensor): Plain {
  const { datatype, data } = tensor;
  const field = contentsFields[datatype] ?? '';
  if (datatype === 'BYTES') return { [field]: bytesElements(tensor) };
  if (datatype === 'BOOL') return { [field]: Array.from(data as Uint8Array, (bit) => bit !== 0) };
  // protobufjs takes 64-bit values as text without rounding them.
  if (data instanceof BigInt64Array || data instanceof BigUint64Array)
    return { [field]: Array.from(data, String) };
  return { [field]: Array.from(data) };
}

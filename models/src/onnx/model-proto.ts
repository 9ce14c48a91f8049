// ONNX models as plain objects, and the bytes they come from and go to.
// Field names are onnx.proto's in camel case; every int64 is a bigint, so nothing is rounded. Messages that Skerry
// never looks into (functions, sharding, training info…) are carried as they came.

import { err, failure, messageOf, ok, type Result } from '@skerry/shared';
import protobuf from 'protobufjs';
import { onnxSchema } from './onnx-schema.ts';

export interface ModelProto {
  readonly irVersion: bigint;
  readonly opsetImport: readonly OperatorSetIdProto[];
  readonly producerName?: string;
  readonly producerVersion?: string;
  readonly domain?: string;
  readonly modelVersion?: bigint;
  readonly docString?: string;
  readonly graph: GraphProto;
  readonly metadataProps?: readonly StringStringEntryProto[];
  readonly trainingInfo?: readonly unknown[];
  readonly functions?: readonly unknown[];
  readonly configuration?: readonly unknown[];
}

export interface OperatorSetIdProto {
  readonly domain?: string;
  readonly version: bigint;
}

export interface StringStringEntryProto {
  readonly key: string;
  readonly value: string;
}

export interface GraphProto {
  readonly name?: string;
  readonly docString?: string;
  /** In topological order. */
  readonly node: readonly NodeProto[];
  readonly initializer: readonly TensorProto[];
  readonly input: readonly ValueInfoProto[];
  readonly output: readonly ValueInfoProto[];
  readonly valueInfo?: readonly ValueInfoProto[];
  readonly quantizationAnnotation?: readonly unknown[];
  readonly sparseInitializer?: readonly unknown[];
  readonly metadataProps?: readonly StringStringEntryProto[];
}

export interface NodeProto {
  readonly name?: string;
  readonly opType: string;
  /** Absent or empty: the operators of the ONNX standard. */
  readonly domain?: string;
  /** Values read, in the operator's order; an empty name skips an optional one. */
  readonly input: readonly string[];
  readonly output: readonly string[];
  readonly attribute: readonly AttributeProto[];
  readonly docString?: string;
  readonly overload?: string;
  readonly metadataProps?: readonly StringStringEntryProto[];
  readonly deviceConfigurations?: readonly unknown[];
}

export interface AttributeProto {
  readonly name: string;
  /** AttributeProto.AttributeType. */
  readonly type?: number;
  readonly f?: number;
  readonly i?: bigint;
  readonly s?: Uint8Array;
  readonly t?: TensorProto;
  readonly g?: GraphProto;
  readonly floats?: readonly number[];
  readonly ints?: readonly bigint[];
  readonly strings?: readonly Uint8Array[];
  readonly tensors?: readonly TensorProto[];
  readonly graphs?: readonly GraphProto[];
  readonly sparseTensor?: unknown;
  readonly sparseTensors?: readonly unknown[];
  readonly tp?: TypeProto;
  readonly typeProtos?: readonly TypeProto[];
  readonly docString?: string;
  readonly refAttrName?: string;
}

export interface TensorProto {
  readonly name?: string;
  readonly dims: readonly bigint[];
  /** TensorProto.DataType. */
  readonly dataType: number;
  readonly rawData?: Uint8Array;
  readonly floatData?: readonly number[];
  readonly int32Data?: readonly number[];
  readonly stringData?: readonly Uint8Array[];
  readonly int64Data?: readonly bigint[];
  readonly doubleData?: readonly number[];
  readonly uint64Data?: readonly bigint[];
  readonly docString?: string;
  readonly segment?: unknown;
  readonly externalData?: readonly StringStringEntryProto[];
  readonly dataLocation?: number;
  readonly metadataProps?: readonly StringStringEntryProto[];
}

export interface ValueInfoProto {
  readonly name: string;
  readonly type?: TypeProto;
  readonly docString?: string;
  readonly metadataProps?: readonly StringStringEntryProto[];
}

export interface TypeProto {
  readonly tensorType?: { readonly elemType: number; readonly shape?: TensorShapeProto };
  readonly sequenceType?: { readonly elemType: TypeProto };
  readonly mapType?: { readonly keyType: number; readonly valueType: TypeProto };
  readonly optionalType?: { readonly elemType: TypeProto };
  readonly sparseTensorType?: unknown;
  readonly opaqueType?: unknown;
  readonly denotation?: string;
}

export interface TensorShapeProto {
  readonly dim: readonly DimensionProto[];
}

/** A size, or the name of one that varies, or neither: unknown. */
export interface DimensionProto {
  readonly dimValue?: bigint;
  readonly dimParam?: string;
  readonly denotation?: string;
}

const modelType = protobuf.parse(onnxSchema).root.lookupType('onnx.ModelProto');

/** Reads a model, or fails with `invalid_bundle` when the bytes are not one. */
export function decodeModel(bytes: Uint8Array): Result<ModelProto> {
  try {
    // A plain view and a plain Reader, so that tensors hold Uint8Arrays on Node too: a Buffer's slice() copies nothing.
    const plain = new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    const message = modelType.decode(new protobuf.Reader(plain));
    const model = modelType.toObject(message, { longs: BigInt, arrays: true });
    if (!model['graph'])
      return err(failure('invalid_bundle', 'not an ONNX model: it has no graph'));
    return ok(model as ModelProto);
  } catch (thrown) {
    return err(failure('invalid_bundle', `not an ONNX model: ${messageOf(thrown)}`));
  }
}

/** The model's bytes; the same model always yields the same bytes. */
export function encodeModel(model: ModelProto): Uint8Array {
  return modelType.encode(modelType.fromObject(model), new protobuf.Writer()).finish();
}

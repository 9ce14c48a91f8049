// Skerry's tensors to and from ONNX's TensorProto.

import { assert, err, failure, ok, type Result } from '@skerry/shared';
import { joinBytes } from '../bytes-tensor.ts';
import {
  type Datatype,
  elementCount,
  type Tensor,
  tensorBytes,
  tensorFromBytes,
} from '../tensor.ts';
import type { TensorProto } from './model-proto.ts';

/** TensorProto.DataType, of the datatypes that Skerry runs. */
export const elementTypes = {
  FP32: 1,
  UINT8: 2,
  INT8: 3,
  UINT16: 4,
  INT16: 5,
  INT32: 6,
  INT64: 7,
  BYTES: 8,
  BOOL: 9,
  FP16: 10,
  FP64: 11,
  UINT32: 12,
  UINT64: 13,
} as const satisfies Record<Datatype, number>;

/** The datatype of an ONNX element type; undefined for one that Skerry does not run (bfloat16, complex…). */
export function datatypeOf(elementType: number): Datatype | undefined {
  const found = Object.entries(elementTypes).find(([, code]) => code === elementType);
  return found?.[0] as Datatype | undefined;
}

export function encodeTensor(name: string, tensor: Tensor): TensorProto {
  assert(tensor.datatype !== 'BYTES', 'an ONNX string tensor has no raw form');
  return {
    name,
    dims: tensor.shape.map(BigInt),
    dataType: elementTypes[tensor.datatype],
    rawData: tensorBytes(tensor),
  };
}

/** The tensor that a TensorProto holds inside itself, in raw or in typed form. */
export function decodeTensor(proto: TensorProto): Result<Tensor> {
  const named = `tensor '${proto.name ?? ''}'`;
  const datatype = datatypeOf(proto.dataType);
  if (datatype === undefined)
    return err(failure('invalid_tensor', `${named} has ONNX element type ${proto.dataType}`));
  if (proto.externalData && proto.externalData.length > 0)
    return err(failure('invalid_tensor', `${named} lies in another file`));
  const shape = proto.dims.map(Number);
  if (proto.rawData && proto.rawData.length > 0)
    return tensorFromBytes(datatype, shape, proto.rawData);
  return decodeTypedData(proto, datatype, shape, named);
}

function decodeTypedData(
  proto: TensorProto,
  datatype: Datatype,
  shape: readonly number[],
  named: string,
): Result<Tensor> {
  const data = typedData[datatype](proto);
  if (datatype === 'BYTES') return tensorFromBytes(datatype, shape, data as Uint8Array);
  const count = elementCount(shape);
  if (!count.ok) return count;
  if (data.length !== count.value)
    return err(
      failure('invalid_tensor', `${named} [${shape}] holds ${data.length} of ${count.value}`),
    );
  return ok({ datatype, shape, data });
}

/** Which typed field holds which element type: onnx.proto, the comments of TensorProto. */
const typedData: { [D in Datatype]: (proto: TensorProto) => Tensor['data'] } = {
  FP32: (proto) => Float32Array.from(proto.floatData ?? []),
  FP64: (proto) => Float64Array.from(proto.doubleData ?? []),
  UINT64: (proto) => BigUint64Array.from(proto.uint64Data ?? []),
  UINT32: (proto) => Uint32Array.from(proto.uint64Data ?? [], Number),
  FP16: (proto) => Uint16Array.from(proto.int32Data ?? []),
  UINT16: (proto) => Uint16Array.from(proto.int32Data ?? []),
  INT16: (proto) => Int16Array.from(proto.int32Data ?? []),
  INT64: (proto) => BigInt64Array.from(proto.int64Data ?? []),
  INT32: (proto) => Int32Array.from(proto.int32Data ?? []),
  INT8: (proto) => Int8Array.from(proto.int32Data ?? []),
  UINT8: (proto) => Uint8Array.from(proto.int32Data ?? []),
  BOOL: (proto) => Uint8Array.from(proto.int32Data ?? []),
  BYTES: (proto) => joinBytes(proto.stringData ?? []),
};

// The weights that lie inside an ONNX model, by name: read, and put back changed.

import { err, failure, ok, type Result } from '@skerry/shared';
import type { ModelProto } from './model-proto.ts';
import { decodeTensor, elementTypes, encodeTensor } from './tensor-proto.ts';

/** Of FP32, each by its name. Fails with `invalid_tensor`. */
export function floatInitializers(
  model: ModelProto,
): Result<ReadonlyMap<string, Float32Array<ArrayBuffer>>> {
  const weights = new Map<string, Float32Array<ArrayBuffer>>();
  for (const proto of model.graph.initializer) {
    if (proto.dataType !== elementTypes.FP32 || proto.name === undefined) continue;
    const tensor = decodeTensor(proto);
    if (!tensor.ok) return tensor;
    weights.set(proto.name, Float32Array.from(tensor.value.data as Float32Array));
  }
  return ok(weights);
}

/** Those of `weights` that the model has; the others stay as they are. Fails with `invalid_argument` for another length. */
export function replaceInitializers(
  model: ModelProto,
  weights: ReadonlyMap<string, Float32Array<ArrayBuffer>>,
): Result<ModelProto> {
  const initializer = [...model.graph.initializer];
  for (const [i, proto] of initializer.entries()) {
    const data = proto.name === undefined ? undefined : weights.get(proto.name);
    if (proto.name === undefined || data === undefined) continue;
    const shape = proto.dims.map(Number);
    if (proto.dataType !== elementTypes.FP32 || shape.reduce((a, b) => a * b, 1) !== data.length)
      return err(failure('invalid_argument', `'${proto.name}' is no ${data.length} numbers`));
    initializer[i] = encodeTensor(proto.name, { datatype: 'FP32', shape, data });
  }
  return ok({ ...model, graph: { ...model.graph, initializer } });
}

// What travels between two stages is bytes of a scale that was chosen for the old weights. With others it reaches elsewhere, so
// the scale is chosen anew, on both sides of the cut. A cut that nothing learned has part in is left as it was.

import { defined, err, failure, ok, type Result } from '@skerry/shared';
import type { Stage } from '../../bundle/manifest.ts';
import { runRows } from '../../bundle/run-stages.ts';
import { indexGraph, valuesRead } from '../../onnx/graph-index.ts';
import { encodeModel, type ModelProto, type NodeProto } from '../../onnx/model-proto.ts';
import { nodesBefore } from '../../onnx/prune-graph.ts';
import { decodeTensor, encodeTensor } from '../../onnx/tensor-proto.ts';
import { withOutputs } from '../../quantize/observe.ts';
import type { Runtime } from '../../runtime/runtime.ts';
import type { Tensor } from '../../tensor.ts';
import { chooseCutScale } from '../../training/cut-scale.ts';

/** The stages in order, each given what the one before makes of `input`. Fails as the runtime does. */
export async function rescaleCuts(
  stages: readonly Stage[],
  models: ReadonlyMap<string, ModelProto>,
  {
    learned,
    input,
  }: {
    /** Weights by name. */
    readonly learned: ReadonlySet<string>;
    readonly input: Tensor;
  },
  runtime: Runtime,
): Promise<Result<ReadonlyMap<string, ModelProto>>> {
  const rescaled = new Map(models);
  let fed = input;
  let isMoved = false;
  for (const [place, { name, cut }] of stages.entries()) {
    const model = defined(rescaled.get(name), `stage ${name}`);
    if (cut === undefined) {
      fed = input;
      continue;
    }
    const next = stages[place + 1];
    isMoved ||= [...nodesBefore(indexGraph(model.graph), [cut])]
      .flatMap(valuesRead)
      .some((value) => learned.has(value));
    const reader = next && rescaled.get(next.name);
    const writes = model.graph.node.find(
      ({ opType, output }) => opType === 'QuantizeLinear' && output[0] === cut,
    );
    const reads = reader?.graph.node.find(
      ({ opType, input: [of] }) => opType === 'DequantizeLinear' && of === cut,
    );
    if (
      isMoved &&
      writes !== undefined &&
      reads !== undefined &&
      next !== undefined &&
      reader !== undefined
    ) {
      const value = defined(writes.input[0], 'what is quantized');
      const seen = await runRows(encodeModel(withOutputs(model, [value])), fed, runtime);
      if (!seen.ok) return seen;
      const scale = chooseCutScale(defined(seen.value[value], value).data as Float32Array);
      const written = withScale(model, writes, scale);
      const read = withScale(reader, reads, scale);
      if (!written.ok) return written;
      if (!read.ok) return read;
      rescaled.set(name, written.value);
      rescaled.set(next.name, read.value);
    }
    const ran = await runRows(
      encodeModel(defined(rescaled.get(name), `stage ${name}`)),
      fed,
      runtime,
    );
    if (!ran.ok) return ran;
    fed = defined(ran.value[cut], cut);
  }
  return ok(rescaled);
}

/** One number for the whole tensor, or the cut is left as it is. */
function withScale(model: ModelProto, node: NodeProto, scale: number): Result<ModelProto> {
  const name = node.input[1];
  const at = model.graph.initializer.findIndex((each) => each.name === name);
  const proto = model.graph.initializer[at];
  if (name === undefined || proto === undefined)
    return err(failure('invalid_bundle', `the scale of ${node.opType} is no constant`));
  const old = decodeTensor(proto);
  if (!old.ok) return old;
  if (old.value.datatype !== 'FP32' || old.value.data.length !== 1) return ok(model);
  const initializer = model.graph.initializer.with(
    at,
    encodeTensor(name, { ...old.value, data: Float32Array.of(scale) }),
  );
  return ok({ ...model, graph: { ...model.graph, initializer } });
}

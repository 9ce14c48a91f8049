// A float model in, the same model with bytes inside out.

import { err, failure, ok, type Result } from '@skerry/shared';
import { foldConstants } from '../onnx/fold-constants.ts';
import { indexGraph, opsetOf } from '../onnx/graph-index.ts';
import type { ModelProto } from '../onnx/model-proto.ts';
import type { Runtime } from '../runtime/runtime.ts';
import type { TensorMap } from '../tensor.ts';
import type { RangeMethod } from './choose-range.ts';
import { insertQdq, type QdqOptions } from './insert-qdq.ts';
import { observeRanges } from './observe.ts';
import { planQdq, type Skipped } from './plan-qdq.ts';

export interface StaticOptions extends QdqOptions {
  readonly method: RangeMethod;
  /** Names of nodes, or of operators, that stay as they are. */
  readonly excluded: ReadonlySet<string>;
}

export interface Quantized {
  readonly model: ModelProto;
  /** Nodes whose weights are bytes now. */
  readonly nodes: number;
  readonly skipped: readonly Skipped[];
}

/** DequantizeLinear has its `axis` since opset 13. */
const opsetMin = 13;

/** `runs` are the model's inputs on calibration data. Fails with `invalid_bundle`, or as the runtime does. */
export async function quantizeStatic(
  model: ModelProto,
  runs: readonly TensorMap[],
  options: StaticOptions,
  runtime: Runtime,
): Promise<Result<Quantized>> {
  const opset = opsetOf(model);
  if (opset < opsetMin)
    return err(
      failure('invalid_bundle', `opset ${opset}: static quantization takes ${opsetMin} and later`),
    );
  const folded = await foldConstants(model, runtime);
  if (!folded.ok) return folded;
  const plan = planQdq(indexGraph(folded.value.graph), options.excluded);
  const watched = new Set(
    [...plan.values.values()].flatMap((source) => (source.kind === 'range' ? [source.of] : [])),
  );
  const ranges = await observeRanges(folded.value, [...watched], runs, options.method, runtime);
  if (!ranges.ok) return ranges;
  const quantized = insertQdq(folded.value, plan, ranges.value, options);
  return ok({ model: quantized, nodes: plan.nodes.size, skipped: plan.skipped });
}

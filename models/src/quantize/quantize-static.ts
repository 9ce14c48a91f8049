// A float model in, the same model with bytes inside out.

import { ok, type Result } from '@skerry/shared';
import { foldConstants } from '../onnx/fold-constants.ts';
import { indexGraph } from '../onnx/graph-index.ts';
import type { ModelProto } from '../onnx/model-proto.ts';
import { raiseOpset } from '../onnx/raise-opset.ts';
import type { Runtime } from '../runtime/runtime.ts';
import type { TensorMap } from '../tensor.ts';
import type { RangeMethod } from './choose-range.ts';
import { insertQdq, type QdqOptions } from './insert-qdq.ts';
import { observeRanges } from './observe.ts';
import { planQdq, type Skipped } from './plan-qdq.ts';
import { widenFirstConv } from './widen-first-conv.ts';

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

/**
 * `runs` are the model's inputs on calibration data. Fails with `invalid_bundle`, or as the runtime does. What is older
 * than opset 13, in which DequantizeLinear got its `axis`, is raised to it where it can be.
 */
export async function quantizeStatic(
  model: ModelProto,
  runs: readonly TensorMap[],
  options: StaticOptions,
  runtime: Runtime,
): Promise<Result<Quantized>> {
  const raised = raiseOpset(model);
  if (!raised.ok) return raised;
  const folded = await foldConstants(raised.value, runtime);
  if (!folded.ok) return folded;
  const wide = widenFirstConv(folded.value, options.excluded);
  const plan = planQdq(indexGraph(wide.graph), options.excluded);
  const watched = new Set(
    [...plan.values.values()].flatMap((source) => (source.kind === 'range' ? [source.of] : [])),
  );
  const ranges = await observeRanges(wide, [...watched], runs, options.method, runtime);
  if (!ranges.ok) return ranges;
  const quantized = insertQdq(wide, plan, ranges.value, options);
  return ok({ model: quantized, nodes: plan.nodes.size, skipped: plan.skipped });
}

// A model as training reads it, and the way back: of opset 13 or later, its constants folded. What was trained is written into
// the model as it came wherever that has the weights under their names; else into what was read.

import { err, failure, ok, type Result } from '@skerry/shared';
import { foldConstants } from '../../onnx/fold-constants.ts';
import { valuesRead } from '../../onnx/graph-index.ts';
import { replaceInitializers } from '../../onnx/initializers.ts';
import { decodeModel, type ModelProto } from '../../onnx/model-proto.ts';
import { raiseOpset } from '../../onnx/raise-opset.ts';
import type { Runtime } from '../../runtime/runtime.ts';

export interface PreparedGraph {
  readonly given: ModelProto;
  readonly read: ModelProto;
}

type NewWeights = ReadonlyMap<string, Float32Array<ArrayBuffer>>;

/** Fails with `invalid_bundle`, or as the runtime does. */
export async function prepareGraph(
  bytes: Uint8Array,
  runtime: Runtime,
): Promise<Result<PreparedGraph>> {
  const given = decodeModel(bytes);
  if (!given.ok) return given;
  const raised = raiseOpset(given.value);
  if (!raised.ok) return raised;
  const read = await foldConstants(raised.value, runtime);
  return read.ok ? ok({ given: given.value, read: read.value }) : read;
}

/** Fails with `invalid_argument` for weights that it has not, or of another length. */
export function writeWeights(
  { given, read }: PreparedGraph,
  weights: NewWeights,
): Result<ModelProto> {
  const names = [...weights.keys()];
  const strange = names.find((name) => !holds(read, name));
  if (strange !== undefined)
    return err(failure('invalid_argument', `the graph has no weights '${strange}'`));
  // What was folded into another constant would be written in one of two places.
  const same = names.every(
    (name) => holds(given, name) && reads(given, name) === reads(read, name),
  );
  return replaceInitializers(same ? given : read, weights);
}

const holds = ({ graph }: ModelProto, name: string): boolean =>
  graph.initializer.some((each) => each.name === name);

const reads = ({ graph }: ModelProto, name: string): number =>
  graph.node.flatMap(valuesRead).filter((value) => value === name).length;

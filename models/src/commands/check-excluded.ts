// What --exclude names, against what there is: a node that is misspelt would be quantized in silence.

import { err, failure, ok, type Result } from '@skerry/shared';
import type { ModelProto } from '../onnx/model-proto.ts';
import { nameOf } from '../quantize/plan-qdq.ts';

/** Fails with `invalid_argument` where a name is of no node and of no operator in any of the models. */
export function checkExcluded(
  models: readonly ModelProto[],
  excluded: ReadonlySet<string>,
): Result<void> {
  const nodes = models.flatMap(({ graph }) => graph.node);
  const known = new Set(nodes.flatMap((node) => [nameOf(node), node.opType]));
  const stranger = [...excluded].find((name) => !known.has(name));
  if (stranger === undefined) return ok(undefined);
  return err(
    failure('invalid_argument', `--exclude: no node and no operator is named '${stranger}'`),
  );
}

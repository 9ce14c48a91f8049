// The network that the stages were cut from, in one graph again, and with its last exit alone: the runtime drops the
// head of the exit before, which nothing asks for. It is what a device would run that knows no early exit.

import {
  decodeModel,
  encodeModel,
  type GraphProto,
  type ModelProto,
  type NodeProto,
} from '@skerry/models/onnx';
import { expectOk } from './in-process-agent.ts';

/** `cut` leaves the first stage and enters the second; the result's outputs are the second's. */
export function joinStages(first: Uint8Array, second: Uint8Array, cut: string): Uint8Array {
  const head = expectOk(decodeModel(first));
  const tail = prefixed(expectOk(decodeModel(second)), (name) =>
    name === cut || name === '' ? name : `second/${name}`,
  );
  const graph: GraphProto = {
    name: 'whole',
    node: [...head.graph.node, ...tail.node],
    initializer: [...head.graph.initializer, ...tail.initializer],
    input: head.graph.input,
    output: tail.output,
  };
  return encodeModel({ ...head, graph } satisfies ModelProto);
}

/** Its values under other names. The stages hold no graph inside a node. */
function prefixed({ graph }: ModelProto, rename: (name: string) => string): GraphProto {
  const named = <T extends { readonly name?: string }>(values: readonly T[]): T[] =>
    values.map((value) => ({ ...value, name: rename(value.name ?? '') }));
  const node = named(graph.node).map(
    (each): NodeProto => ({
      ...each,
      input: each.input.map(rename),
      output: each.output.map(rename),
    }),
  );
  return { ...graph, node, initializer: named(graph.initializer), output: named(graph.output) };
}

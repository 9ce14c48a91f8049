// A graph without the nodes and constants that no output needs.

import { type GraphIndex, indexGraph, valuesRead } from './graph-index.ts';
import { rewriteGraph } from './graph-rewriter.ts';
import type { ModelProto, NodeProto } from './model-proto.ts';

export function pruneGraph(model: ModelProto): ModelProto {
  const outputs = model.graph.output.map(({ name }) => name);
  const needed = nodesBefore(indexGraph(model.graph), outputs);
  const rewriter = rewriteGraph(model);
  for (const node of model.graph.node) if (needed.has(node)) rewriter.keep(node);
  return rewriter.build();
}

/** The nodes that values are computed by. */
export function nodesBefore(index: GraphIndex, values: readonly string[]): ReadonlySet<NodeProto> {
  const needed = new Set<NodeProto>();
  const open = [...values];
  for (let value = open.pop(); value !== undefined; value = open.pop()) {
    const node = index.producerOf(value);
    if (node === undefined || needed.has(node)) continue;
    needed.add(node);
    open.push(...valuesRead(node));
  }
  return needed;
}

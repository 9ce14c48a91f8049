// Writes on in a graph that is there already, by the same words as createGraphBuilder. Nothing of the old one is kept but
// its constants, until `keep` says so, node by node: what is added may stand before it, between it, or in its place.

import type { Datatype } from '../tensor.ts';
import { buildGraph, type GraphBuilder, valueInfo } from './graph-builder.ts';
import { rewriteGraph } from './graph-rewriter.ts';
import type { ModelProto, NodeProto, ValueInfoProto } from './model-proto.ts';

export interface ExtendedGraph extends GraphBuilder {
  /** A name like `wish` that no value has. */
  fresh(wish: string): string;
  /** Emits a node of the old graph, or one like it. */
  keep(node: NodeProto, changes?: Partial<Pick<NodeProto, 'input' | 'output'>>): void;
}

/** Its inputs and outputs are those that are declared here; where there are none of a kind, the old graph's. */
export function extendGraph(model: ModelProto): ExtendedGraph {
  const rewriter = rewriteGraph(model);
  const input: ValueInfoProto[] = [];
  const output: ValueInfoProto[] = [];
  const declare = (list: ValueInfoProto[]) => (name: string, type: Datatype, shape: Shape) => {
    list.push(valueInfo(name, type, shape));
    return name;
  };
  return {
    fresh: rewriter.fresh,
    keep: rewriter.keep,
    input: declare(input),
    output: declare(output),
    constant: (tensor, name = 'constant') => rewriter.constant(tensor, name),
    add: (operator, inputs, attributes = {}, made = undefined) =>
      rewriter.add(operator, inputs, { attributes, output: made }),
    addMany(operator, inputs, outputCount, attributes = {}) {
      const outputs = Array.from({ length: outputCount }, () =>
        rewriter.fresh(operator.toLowerCase()),
      );
      rewriter.addMany(operator, inputs, outputs, attributes);
      return outputs;
    },
    body: (name) => buildGraph(name, rewriter.names),
    build: () =>
      rewriter.build({
        ...(input.length === 0 ? {} : { input }),
        ...(output.length === 0 ? {} : { output }),
      }),
  };
}

type Shape = readonly number[];

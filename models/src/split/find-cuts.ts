// Where a graph can be cut in two with one tensor across: a value is a cut when whatever depends on it reads nothing else
// of the other side but constants.

import type { GraphIndex } from '../onnx/graph-index.ts';
import { valuesRead } from '../onnx/graph-index.ts';
import type { NodeProto } from '../onnx/model-proto.ts';

export interface Cut {
  readonly value: string;
  /** The nodes that depend on it, in their order; the device runs the others. */
  readonly behind: readonly NodeProto[];
}

/** Every cut, in the order of computation. Each side has something to compute, and an output of the graph lies behind it. */
export function findCuts(index: GraphIndex): Cut[] {
  const { node } = index.graph;
  const fromInputs = dependants(index, new Set(index.inputs));
  const computed = new Set(fromInputs.flatMap(({ output }) => output));
  return fromInputs
    .flatMap(({ output }) => output)
    .filter((value) => value !== '')
    .flatMap((value) => {
      const behind = dependants(index, new Set([value]));
      const own = new Set([value, ...behind.flatMap(({ output }) => output)]);
      const isAlone = behind.every((n) =>
        valuesRead(n).every((read) => own.has(read) || isConstant(index, computed, read)),
      );
      const isUseful =
        behind.length < node.length &&
        behind.some(({ output }) => output.some((made) => index.isOutput(made)));
      return isAlone && isUseful ? [{ value, behind }] : [];
    });
}

/** Nodes that read one of `values`, or what such a node makes. */
function dependants(index: GraphIndex, values: ReadonlySet<string>): NodeProto[] {
  const reached = new Set(values);
  return index.graph.node.filter((node) => {
    const depends = valuesRead(node).some((value) => reached.has(value));
    if (depends) for (const value of node.output) reached.add(value);
    return depends;
  });
}

const isConstant = (index: GraphIndex, computed: ReadonlySet<string>, value: string): boolean =>
  !computed.has(value) && !index.inputs.includes(value);

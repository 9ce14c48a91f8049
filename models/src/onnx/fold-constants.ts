// Computes once what does not depend on a graph's inputs: constants in nodes, transposed weights, shapes of shapes.
// DequantizeLinear stays: folding it would turn bytes into real numbers, four times as many bytes.

import { collect, defined, ok, type Result } from '@skerry/shared';
import type { Runtime } from '../runtime/runtime.ts';
import { valuesRead } from './graph-index.ts';
import { rewriteGraph } from './graph-rewriter.ts';
import { encodeModel, type ModelProto, type NodeProto } from './model-proto.ts';
import { decodeTensor } from './tensor-proto.ts';

/** Different at each run, or better left as they are. */
const kept = /^(DequantizeLinear|Random.*|Multinomial|Bernoulli|If|Loop|Scan)$/;

export async function foldConstants(
  model: ModelProto,
  runtime: Runtime,
): Promise<Result<ModelProto>> {
  const { graph } = model;
  const outputs = new Set(graph.output.map(({ name }) => name));
  const known = new Set(graph.initializer.map(({ name = '' }) => name));
  const folded = new Set<NodeProto>();
  for (const node of graph.node)
    if (!kept.test(node.opType) && valuesRead(node).every((value) => known.has(value)))
      if (node.output.every((value) => !outputs.has(value))) {
        folded.add(node);
        for (const value of node.output) known.add(value);
      }
  if (folded.size === 0) return ok(model);
  const wanted = new Set(graph.node.filter((n) => !folded.has(n)).flatMap(valuesRead));
  const made = [...folded].flatMap(({ output }) => output).filter((value) => wanted.has(value));
  const tensors = await compute(model, folded, made, runtime);
  if (!tensors.ok) return tensors;
  const rest = { ...graph, node: graph.node.filter((node) => !folded.has(node)) };
  const rewriter = rewriteGraph({ ...model, graph: rest });
  for (const [name, tensor] of tensors.value) rewriter.constant(tensor, name);
  for (const node of rest.node) rewriter.keep(node);
  return ok(rewriter.build());
}

async function compute(
  model: ModelProto,
  nodes: ReadonlySet<NodeProto>,
  values: readonly string[],
  runtime: Runtime,
) {
  // The common case needs no runtime: what a Constant holds can be read.
  if ([...nodes].every(holdsTensor)) return readConstants([...nodes], values);
  const part = {
    ...model,
    graph: {
      ...model.graph,
      input: [],
      node: [...nodes],
      output: values.map((name) => ({ name })),
    },
  };
  const session = await runtime.load(encodeModel(part));
  if (!session.ok) return session;
  const ran = await session.value.run({});
  await session.value.close();
  if (!ran.ok) return ran;
  return ok(values.map((name) => [name, defined(ran.value[name], name)] as const));
}

const holdsTensor = ({ opType, attribute }: NodeProto): boolean =>
  opType === 'Constant' && attribute[0]?.name === 'value';

function readConstants(nodes: readonly NodeProto[], values: readonly string[]) {
  const wanted = nodes.filter(({ output }) => values.includes(output[0] ?? ''));
  return collect(
    wanted.map(({ output, attribute }) => {
      const tensor = decodeTensor(defined(attribute[0]?.t, 'the tensor of a Constant'));
      return tensor.ok ? ok([output[0] as string, tensor.value] as const) : tensor;
    }),
  );
}

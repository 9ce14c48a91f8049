// A graph as a reader wants to see it: one block a product with all that only passes its result on, so that a Conv, its
// Relu and its pooling are one thing, and constants are none.

import { attributeOf, valuesRead } from '../onnx/graph-index.ts';
import type { NodeProto } from '../onnx/model-proto.ts';
import { type GraphProfile, isProduct } from '../onnx/profile-graph.ts';
import type { Tensor } from '../tensor.ts';

export interface Block {
  readonly id: number;
  readonly kind: BlockKind;
  /** The operator that gives it its name, e.g. `Conv 3×3 /2`. */
  readonly title: string;
  /** The other operators, in order. */
  readonly also: readonly string[];
  /** What it makes. */
  readonly shape: readonly number[];
  readonly datatype: Tensor['datatype'] | undefined;
  readonly macs: number;
  readonly parameters: number;
  /** `int8`: its product is one of bytes; `int8 weights`: it multiplies real numbers by bytes made real. */
  readonly bytes: 'int8' | 'int8 weights' | undefined;
  /** Blocks that it reads. */
  readonly reads: readonly number[];
  /** The graph's output, or input, that it is. */
  readonly name?: string;
}

export type BlockKind = 'input' | 'convolution' | 'matrix' | 'pool' | 'join' | 'other' | 'output';

interface Growing {
  readonly id: number;
  readonly nodes: NodeProto[];
  readonly reads: Set<number>;
  readonly input?: string;
  last: string;
}

export function blocksOf(profile: GraphProfile): Block[] {
  const { index } = profile;
  const blocks: Growing[] = [];
  const makerOf = new Map<string, Growing>();
  const start = (first: Pick<Growing, 'nodes' | 'last'> & { input?: string }): Growing => {
    const block = { ...first, id: blocks.length, reads: new Set<number>() };
    blocks.push(block);
    return block;
  };
  for (const input of index.inputs) makerOf.set(input, start({ nodes: [], last: input, input }));
  for (const node of index.graph.node) {
    const reads = [...new Set(valuesRead(node))].filter((value) => makerOf.has(value));
    if (reads.length === 0) continue;
    const [only = ''] = reads;
    const before = makerOf.get(only);
    const passesOn =
      reads.length === 1 &&
      before?.last === only &&
      !isProduct(node) &&
      index.readersOf(only).length === 1 &&
      !index.isOutput(only);
    const block = passesOn && before ? before : start({ nodes: [], last: '' });
    block.nodes.push(node);
    block.last = node.output[0] ?? '';
    if (block !== before || !passesOn)
      for (const value of reads) block.reads.add((makerOf.get(value) as Growing).id);
    for (const value of node.output) makerOf.set(value, block);
  }
  const described = blocks.map((block) => describe(block, profile));
  const outputs = index.graph.output.flatMap(({ name }): Block[] => {
    const maker = makerOf.get(name);
    if (maker === undefined) return [];
    const tensor = profile.tensorOf(name);
    return [
      {
        ...{
          kind: 'output',
          title: name,
          name,
          also: [],
          macs: 0,
          parameters: 0,
          bytes: undefined,
        },
        id: 0,
        shape: tensor?.shape ?? [],
        datatype: tensor?.datatype,
        reads: [maker.id],
      },
    ];
  });
  return [...described, ...outputs.map((block, i) => ({ ...block, id: blocks.length + i }))];
}

/** Not worth a word: they change how a number is written, or nothing. */
const unsaid = new Set(['Identity', 'QuantizeLinear', 'DequantizeLinear', 'Cast']);

function describe({ id, nodes, reads, last, input }: Growing, profile: GraphProfile): Block {
  const lead = nodes.find(isProduct) ?? nodes.find(({ opType }) => !unsaid.has(opType)) ?? nodes[0];
  const tensor = profile.tensorOf(last);
  const macs = nodes.reduce((sum, node) => sum + profile.macsOf(node), 0);
  const also = nodes.filter((n) => n !== lead && !unsaid.has(n.opType)).map(({ opType }) => opType);
  return {
    id,
    kind: input !== undefined ? 'input' : kindOf(lead, reads.size),
    title: input ?? (lead ? titleOf(lead, profile) : ''),
    also: input !== undefined && lead && !unsaid.has(lead.opType) ? [lead.opType, ...also] : also,
    shape: tensor?.shape ?? [],
    datatype: profile.tensorOf(input ?? last)?.datatype,
    macs,
    parameters: parametersOf(nodes, profile),
    bytes: lead && isProduct(lead) ? bytesIn(lead, profile) : undefined,
    reads: [...reads],
    ...(input === undefined ? {} : { name: input }),
  };
}

function kindOf(lead: NodeProto | undefined, reads: number): BlockKind {
  const operator = lead?.opType ?? '';
  if (/Conv/.test(operator)) return 'convolution';
  if (/Gemm|MatMul/.test(operator)) return 'matrix';
  if (/Pool|Reduce/.test(operator)) return 'pool';
  return reads > 1 ? 'join' : 'other';
}

function titleOf(node: NodeProto, profile: GraphProfile): string {
  if (!/Conv/.test(node.opType)) return node.opType;
  const filters = profile.tensorOf(node.input[1] ?? '')?.shape ?? [];
  const kernel = filters.slice(2).join('×');
  const stride = Number(attributeOf(node, 'strides')?.ints?.[0] ?? 1);
  const groups = Number(attributeOf(node, 'group')?.i ?? 1);
  const name = groups > 1 ? 'Depthwise' : node.opType;
  return `${name} ${kernel}${stride > 1 ? ` /${stride}` : ''}`;
}

function bytesIn(node: NodeProto, { index }: GraphProfile): Block['bytes'] {
  if (/Integer|QLinear/.test(node.opType)) return 'int8';
  const isReal = ([value = '']: readonly string[]): boolean =>
    index.producerOf(value)?.opType === 'DequantizeLinear';
  if (!isReal(node.input.slice(1))) return undefined;
  return isReal(node.input) ? 'int8' : 'int8 weights';
}

/** Numbers that are constants, those behind a DequantizeLinear included and its scales not. */
function parametersOf(nodes: readonly NodeProto[], { index }: GraphProfile): number {
  const sizeOf = (value: string): number => {
    const maker = index.producerOf(value);
    const held = maker?.opType === 'DequantizeLinear' ? (maker.input[0] ?? '') : value;
    const dims = index.initializerOf(held)?.dims;
    return dims === undefined ? 0 : dims.reduce((size, dim) => size * Number(dim), 1);
  };
  return nodes
    .filter(isProduct)
    .flatMap(({ input }) => input.slice(1))
    .reduce((sum, value) => sum + sizeOf(value), 0);
}

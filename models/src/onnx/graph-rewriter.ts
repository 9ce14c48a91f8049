// Writes a graph anew from an old one, node by node in its order: what is not touched is kept as it came, what is added
// gets a name that nobody has. Constants that nobody reads any more are left out.

import type { Tensor } from '../tensor.ts';
import { type Attributes, encodeAttribute } from './graph-builder.ts';
import { valuesRead } from './graph-index.ts';
import type {
  AttributeProto,
  GraphProto,
  ModelProto,
  NodeProto,
  OperatorSetIdProto,
  TensorProto,
} from './model-proto.ts';
import { encodeTensor } from './tensor-proto.ts';

export interface AddOptions {
  readonly attributes?: Attributes;
  /** The name of what it makes; made from the operator's where it is missing. */
  readonly output?: string | undefined;
  readonly domain?: string;
}

export interface GraphRewriter {
  /** Of every value and node, old and new. */
  readonly names: Set<string>;
  /** A name like `wish` that no value and no node has. */
  fresh(wish: string): string;
  constant(tensor: Tensor, wish: string): string;
  /** A node with one output, which it returns. */
  add(operator: string, inputs: readonly string[], options?: AddOptions): string;
  /** A node with several outputs. */
  addMany(
    operator: string,
    inputs: readonly string[],
    outputs: readonly string[],
    attributes?: Attributes,
  ): void;
  /** Emits a node as it is, or with other inputs or outputs. */
  keep(node: NodeProto, changes?: Partial<Pick<NodeProto, 'input' | 'output'>>): void;
  build(changes?: Partial<Pick<GraphProto, 'name' | 'input' | 'output'>>): ModelProto;
}

export function rewriteGraph(model: ModelProto): GraphRewriter {
  const { graph } = model;
  const node: NodeProto[] = [];
  const initializer: TensorProto[] = [];
  const domains = new Set<string>();
  const names = new Set([
    ...graph.input.map(({ name }) => name),
    ...graph.initializer.map(({ name }) => name ?? ''),
    ...graph.node.flatMap(({ name = '', output }) => [name, ...output]),
  ]);
  const fresh = (wish: string): string => {
    let name = wish;
    for (let i = 1; names.has(name); i++) name = `${wish}_${i}`;
    names.add(name);
    return name;
  };
  return {
    names,
    fresh,
    constant(tensor, wish) {
      const name = fresh(wish);
      initializer.push(encodeTensor(name, tensor));
      return name;
    },
    add(opType, input, { attributes = {}, output, domain = '' } = {}) {
      const made = output ?? fresh(`${input[0] ?? ''}_${opType}`);
      const attribute = attributesOf(attributes);
      if (domain !== '') domains.add(domain);
      const named = { name: fresh(`${made}_node`), opType, ...(domain === '' ? {} : { domain }) };
      node.push({ ...named, input: [...input], output: [made], attribute });
      return made;
    },
    addMany(opType, input, output, attributes = {}) {
      node.push({
        name: fresh(`${output[0]}_node`),
        opType,
        input: [...input],
        output: [...output],
        attribute: attributesOf(attributes),
      });
    },
    keep: (kept, changes = {}) => void node.push({ ...kept, ...changes }),
    build(changes = {}) {
      const rest: GraphProto = { ...graph, ...changes, node, initializer: [] };
      const read = new Set([...node.flatMap(valuesRead), ...rest.output.map(({ name }) => name)]);
      const old = graph.initializer.filter(({ name = '' }) => read.has(name));
      // A shape that the old graph stated of a value may not be one's of the same name any more.
      const { valueInfo: _, ...built } = rest;
      return {
        ...model,
        opsetImport: [...model.opsetImport, ...missingDomains(model, domains)],
        graph: { ...built, initializer: [...old, ...initializer] },
      };
    },
  };
}

const attributesOf = (attributes: Attributes): AttributeProto[] =>
  Object.entries(attributes).map(([name, value]) => encodeAttribute(name, value));

function missingDomains(
  { opsetImport }: ModelProto,
  domains: ReadonlySet<string>,
): OperatorSetIdProto[] {
  const had = new Set(opsetImport.map(({ domain = '' }) => domain));
  return [...domains].filter((d) => !had.has(d)).map((domain) => ({ domain, version: 1n }));
}

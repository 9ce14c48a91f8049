// Writes an ONNX graph node by node. A value is its name; every call that makes one returns it, so that a graph reads
// like the formula it computes:
//
//   const graph = createGraphBuilder('relu-of-sum');
//   const sum = graph.add('Add', [graph.input('a', 'FP32', [-1, 3]), graph.constant(bias)]);
//   graph.output(graph.add('Relu', [sum], {}, 'y'), 'FP32', [-1, 3]);
//   const bytes = encodeModel(graph.build());

import { assert } from '@skerry/shared';
import type { Datatype, Tensor } from '../tensor.ts';
import type {
  AttributeProto,
  GraphProto,
  ModelProto,
  NodeProto,
  TensorProto,
  ValueInfoProto,
} from './model-proto.ts';
import { elementTypes, encodeTensor } from './tensor-proto.ts';

/** A number or a list of numbers is an INT or INTS; a FLOAT is said so: `{ float: 0.5 }`. */
export type AttributeValue =
  | number
  | readonly number[]
  | string
  | { readonly float: number }
  | { readonly floats: readonly number[] }
  | { readonly tensor: Tensor }
  | { readonly graph: GraphProto };

export type Attributes = Readonly<Record<string, AttributeValue>>;

export interface GraphBuilder {
  /** Declares an input; −1 is a dimension that may vary, named after the input and its place. */
  input(name: string, datatype: Datatype, shape: readonly number[]): string;
  /** Declares that a value leaves the graph. */
  output(name: string, datatype: Datatype, shape: readonly number[]): void;
  /** A constant (an initializer). */
  constant(tensor: Tensor, name?: string): string;
  /** A node with one output, named `output` or after its operator. An empty input name skips an optional input. */
  add(
    operator: string,
    inputs: readonly string[],
    attributes?: Attributes,
    output?: string,
  ): string;
  /** A node with several outputs. */
  addMany(
    operator: string,
    inputs: readonly string[],
    outputCount: number,
    attributes?: Attributes,
  ): string[];
  /** A graph inside a node of this one, such as a Loop's body: it may read what this one has made. */
  body(name: string): GraphBuilder;
  build(): ModelProto;
}

/** ONNX 1.12's operators: the newest that every runtime of the zoo has long had. */
const opsetVersion = 17n;
const irVersion = 8n;

export function createGraphBuilder(name: string): GraphBuilder {
  return buildGraph(name, new Set());
}

/** `names` is shared by a graph and the graphs inside it, so no name in one hides a value of the other. */
export function buildGraph(name: string, names: Set<string>): GraphBuilder {
  const node: NodeProto[] = [];
  const initializer: TensorProto[] = [];
  const input: ValueInfoProto[] = [];
  const output: ValueInfoProto[] = [];

  const claim = (value: string): string => {
    assert(!names.has(value), `value '${value}' exists already in graph '${name}'`);
    names.add(value);
    return value;
  };
  const freshName = (stem: string): string => claim(`${stem.toLowerCase()}_${names.size}`);
  const addNode = (
    opType: string,
    inputs: readonly string[],
    outputs: readonly string[],
    attributes: Attributes,
  ): void => {
    for (const value of inputs)
      assert(value === '' || names.has(value), `${opType} reads '${value}', which nothing makes`);
    const attribute = Object.entries(attributes).map(([key, value]) => encodeAttribute(key, value));
    node.push({ name: `${outputs[0]}_node`, opType, input: inputs, output: outputs, attribute });
  };

  return {
    input(value, datatype, shape) {
      input.push(valueInfo(claim(value), datatype, shape));
      return value;
    },
    output(value, datatype, shape) {
      assert(names.has(value), `output '${value}' is made by no node`);
      output.push(valueInfo(value, datatype, shape));
    },
    constant(tensor, value) {
      const claimed = value === undefined ? freshName('constant') : claim(value);
      initializer.push(encodeTensor(claimed, tensor));
      return claimed;
    },
    add(operator, inputs, attributes = {}, value) {
      const claimed = value === undefined ? freshName(operator) : claim(value);
      addNode(operator, inputs, [claimed], attributes);
      return claimed;
    },
    addMany(operator, inputs, outputCount, attributes = {}) {
      const outputs = Array.from({ length: outputCount }, () => freshName(operator));
      addNode(operator, inputs, outputs, attributes);
      return outputs;
    },
    body: (inner) => buildGraph(inner, names),
    build: () => ({
      irVersion,
      producerName: 'skerry',
      opsetImport: [{ domain: '', version: opsetVersion }],
      graph: {
        name,
        node: [...node],
        initializer: [...initializer],
        input: [...input],
        output: [...output],
      },
    }),
  };
}

/** −1 is a dimension that may vary. */
export function valueInfo(
  name: string,
  datatype: Datatype,
  shape: readonly number[],
): ValueInfoProto {
  const dim = shape.map((size, axis) =>
    size === -1
      ? { dimParam: axis === 0 ? 'batch' : `${name}_${axis}` }
      : { dimValue: BigInt(size) },
  );
  return { name, type: { tensorType: { elemType: elementTypes[datatype], shape: { dim } } } };
}

/** AttributeProto.AttributeType. */
const attributeTypes = {
  float: 1,
  int: 2,
  string: 3,
  tensor: 4,
  graph: 5,
  floats: 6,
  ints: 7,
} as const;

export function encodeAttribute(name: string, value: AttributeValue): AttributeProto {
  if (typeof value === 'number') return { name, type: attributeTypes.int, i: BigInt(value) };
  if (typeof value === 'string')
    return { name, type: attributeTypes.string, s: new TextEncoder().encode(value) };
  if ('float' in value) return { name, type: attributeTypes.float, f: value.float };
  if ('floats' in value) return { name, type: attributeTypes.floats, floats: value.floats };
  if ('tensor' in value)
    return { name, type: attributeTypes.tensor, t: encodeTensor('', value.tensor) };
  if ('graph' in value) return { name, type: attributeTypes.graph, g: value.graph };
  return { name, type: attributeTypes.ints, ints: value.map(BigInt) };
}

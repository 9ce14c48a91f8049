export {
  type Attributes,
  type AttributeValue,
  createGraphBuilder,
  type GraphBuilder,
} from './graph-builder.ts';
export { floatInitializers, replaceInitializers } from './initializers.ts';
export {
  type AttributeProto,
  type DimensionProto,
  decodeModel,
  encodeModel,
  type GraphProto,
  type ModelProto,
  type NodeProto,
  type OperatorSetIdProto,
  type StringStringEntryProto,
  type TensorProto,
  type TensorShapeProto,
  type TypeProto,
  type ValueInfoProto,
} from './model-proto.ts';
export { datatypeOf, decodeTensor, elementTypes, encodeTensor } from './tensor-proto.ts';

// From trained weights to the ONNX files that ship: one a segment, with the cut between them quantized to UINT8.
// Zero is exact in the cut (zero point 0: a neck ends in ReLU), so that what is not there costs nothing when deflated.

import { createGraphBuilder, type GraphBuilder } from '../onnx/graph-builder.ts';
import type { ModelProto } from '../onnx/model-proto.ts';
import { scalar } from './constants.ts';
import { chainsOf, emitChain, type Network, parametersOf, type SegmentChains } from './network.ts';
import type { Weights } from './weights.ts';

export const stageNames = { image: 'image', cut: 'cut', logits: 'logits' } as const;

export interface ExportOptions {
  readonly pixelScale: number;
  /** One for each cut: its real value is scale × byte. */
  readonly cutScales: readonly number[];
}

/** One graph a segment: UINT8 image or cut in; logits, and the next cut, out. */
export function exportStages(
  network: Network,
  weights: Weights,
  options: ExportOptions,
): ModelProto[] {
  const chains = chainsOf(network);
  return chains.map((segment, i) => {
    const graph = createGraphBuilder(network.segments[i]?.name ?? `segment-${i}`);
    const parameterValue = constantsOf(graph, network, weights);
    const input = graph.input(i === 0 ? stageNames.image : stageNames.cut, 'UINT8', [
      -1,
      ...segment.trunk.input,
    ]);
    const scale = i === 0 ? options.pixelScale : (options.cutScales[i - 1] as number);
    const features = emitChain(
      graph,
      segment.trunk,
      { input: dequantize(graph, input, scale), training: false },
      parameterValue,
    ).output;
    emitLogits(graph, segment, features, parameterValue);
    const cutScale = options.cutScales[i];
    if (cutScale !== undefined) emitCut(graph, segment, features, cutScale, parameterValue);
    return graph.build();
  });
}

/** The first segment with its neck's real values as output `cut`: what the cut's scale is chosen from. */
export function exportNeck(network: Network, weights: Weights, pixelScale: number): ModelProto {
  const [segment] = chainsOf(network) as [SegmentChains];
  const graph = createGraphBuilder('neck');
  const parameterValue = constantsOf(graph, network, weights);
  const input = graph.input(stageNames.image, 'UINT8', [-1, ...network.input]);
  const image = dequantize(graph, input, pixelScale);
  const trunk = emitChain(graph, segment.trunk, { input: image, training: false }, parameterValue);
  const neck = emitChain(
    graph,
    segment.neck,
    { input: trunk.output, training: false },
    parameterValue,
  );
  graph.add('Identity', [neck.output], {}, stageNames.cut);
  graph.output(stageNames.cut, 'FP32', [-1, ...segment.neck.output]);
  return graph.build();
}

function constantsOf(graph: GraphBuilder, network: Network, weights: Weights) {
  const shapes = new Map(parametersOf(network).map(({ name, shape }) => [name, shape]));
  return (name: string): string =>
    graph.constant(
      {
        datatype: 'FP32',
        shape: shapes.get(name) ?? [],
        data: weights.get(name) ?? new Float32Array(),
      },
      name,
    );
}

function emitLogits(
  graph: GraphBuilder,
  { head }: SegmentChains,
  features: string,
  parameterValue: (name: string) => string,
): void {
  const { output } = emitChain(graph, head, { input: features, training: false }, parameterValue);
  graph.add('Identity', [output], {}, stageNames.logits);
  graph.output(stageNames.logits, 'FP32', [-1, ...head.output]);
}

function emitCut(
  graph: GraphBuilder,
  { neck }: SegmentChains,
  features: string,
  scale: number,
  parameterValue: (name: string) => string,
): void {
  const { output } = emitChain(graph, neck, { input: features, training: false }, parameterValue);
  const inputs = [output, scalar(graph, scale), zeroPoint(graph)];
  graph.add('QuantizeLinear', inputs, {}, stageNames.cut);
  graph.output(stageNames.cut, 'UINT8', [-1, ...neck.output]);
}

const dequantize = (graph: GraphBuilder, value: string, scale: number): string =>
  graph.add('DequantizeLinear', [value, scalar(graph, scale), zeroPoint(graph)]);

const zeroPoint = (graph: GraphBuilder): string =>
  graph.constant({ datatype: 'UINT8', shape: [], data: Uint8Array.of(0) });

import { createRandom, defined } from '@skerry/shared';
import fc from 'fast-check';
import { afterAll, describe, expect, it } from 'vitest';
import { createGraphBuilder } from '../onnx/graph-builder.ts';
import { encodeModel, type ModelProto } from '../onnx/model-proto.ts';
import { createOnnxDirectRuntime } from '../runtime/onnx-direct.ts';
import type { Tensor, TensorMap } from '../tensor.ts';
import { drawNetwork, type RandomNetwork } from '../testing/random-network.ts';
import { observe } from './observe.ts';
import { type Quantized, quantizeStatic, type StaticOptions } from './quantize-static.ts';

const runtime = createOnnxDirectRuntime();
afterAll(() => runtime.close());

const options: StaticOptions = {
  activations: 'UINT8',
  weightBits: 7,
  method: 'min-max',
  excluded: new Set(),
};

async function run(model: ModelProto, feeds: TensorMap): Promise<TensorMap> {
  const session = await runtime.load(encodeModel(model));
  if (!session.ok) throw new Error(session.error.message);
  const ran = await session.value.run(feeds);
  await session.value.close();
  if (!ran.ok) throw new Error(ran.error.message);
  return ran.value;
}

async function quantized(
  model: ModelProto,
  x: Tensor,
  changes: Partial<StaticOptions> = {},
): Promise<Quantized> {
  const result = await quantizeStatic(model, [{ x }], { ...options, ...changes }, runtime);
  if (!result.ok) throw new Error(result.error.message);
  return result.value;
}

const numbers = (tensor: Tensor | undefined): number[] => [
  ...(defined(tensor, 'y').data as Float32Array),
];
const operators = ({ graph }: ModelProto): string[] => graph.node.map(({ opType }) => opType);

/**
 * How far the outputs may be off: each product adds what half a step of its input, of its weights and of its bias can do
 * at most, and passes on what came before, at most times the sum of its weights' magnitudes.
 */
async function errorBound({ model, products }: RandomNetwork, x: Tensor): Promise<number> {
  const values = products.map(({ reads }) => reads).filter((value) => value !== 'x');
  const seen: Record<string, Tensor> = {};
  await observe(model, values, [{ x }], runtime, (all) => Object.assign(seen, all));
  let error = 0;
  for (const { reads, weights, outputs } of products) {
    const input = numbers(seen[reads]);
    const reach = Math.max(...input.map(Math.abs));
    const inputStep = (Math.max(0, ...input) - Math.min(0, ...input)) / 255;
    const inputError = error + inputStep / 2;
    const perOutput = weights.length / outputs;
    const bounds = Array.from({ length: outputs }, (_, o) => {
      const row = weights.subarray(o * perOutput, (o + 1) * perOutput);
      const weightStep = Math.max(...row.map(Math.abs)) / 64;
      const magnitudes = row.reduce((sum, w) => sum + Math.abs(w) + weightStep / 2, 0);
      return (
        magnitudes * inputError +
        (perOutput * reach * weightStep) / 2 +
        (inputStep * weightStep) / 2
      );
    });
    error = Math.max(...bounds);
  }
  return error + 1e-4;
}

describe('static quantization', () => {
  it('keeps random networks within what half a step of everything can do', async () => {
    const seeds = fc.integer({ min: 0, max: 2 ** 31 });
    await fc.assert(
      fc.asyncProperty(seeds, fc.constantFrom('UINT8', 'INT8'), async (seed, activations) => {
        const network = drawNetwork(createRandom(seed));
        const x = network.input(8);
        const { model, nodes, skipped } = await quantized(network.model, x, { activations });
        expect(nodes).toBe(network.products.length);
        expect(skipped).toEqual([]);
        const exact = numbers((await run(network.model, { x }))['y']);
        const near = numbers((await run(model, { x }))['y']);
        const bound = await errorBound(network, x);
        for (const [i, value] of exact.entries())
          expect(Math.abs(value - (near[i] as number))).toBeLessThanOrEqual(bound);
      }),
      { numRuns: 40 },
    );
  });

  it('lets the bytes’ own limits do what a Relu did, and keeps the names of what leaves', async () => {
    const graph = createGraphBuilder('outputs');
    const weights = (shape: number[]) =>
      graph.constant({
        datatype: 'FP32',
        shape,
        data: new Float32Array(shape.reduce((a, b) => a * b, 1)).fill(0.5),
      });
    const x = graph.input('x', 'FP32', [-1, 1, 4, 4]);
    const first = graph.add('Relu', [graph.add('Conv', [x, weights([2, 1, 3, 3])])]);
    graph.add('Conv', [first, weights([1, 2, 1, 1])], {}, 'y');
    graph.output('y', 'FP32', [-1, 1, 2, 2]);
    graph.output(first, 'FP32', [-1, 2, 2, 2]);
    const input: Tensor = {
      datatype: 'FP32',
      shape: [1, 1, 4, 4],
      data: Float32Array.from({ length: 16 }, (_, i) => i - 8),
    };
    const { model } = await quantized(graph.build(), input);
    expect(operators(model)).not.toContain('Relu');
    const exact = await run(graph.build(), { x: input });
    const near = await run(model, { x: input });
    expect(Object.keys(near)).toEqual(Object.keys(exact));
    expect(numbers(near['y']).map(Math.round)).toEqual(numbers(exact['y']).map(Math.round));
  });

  it('leaves alone what it is told to, and says why it leaves anything', async () => {
    const graph = createGraphBuilder('left');
    const x = graph.input('x', 'FP32', [-1, 2]);
    const square = graph.constant({
      datatype: 'FP32',
      shape: [2, 2],
      data: Float32Array.of(1, 2, 3, 4),
    });
    const named = graph.add('MatMul', [x, square], {}, 'kept');
    const scaled = graph.add('Gemm', [named, square], { alpha: { float: 2 } }, 'scaled');
    graph.add('MatMul', [scaled, graph.add('Transpose', [scaled], { perm: [1, 0] })], {}, 'y');
    graph.output('y', 'FP32', [-1, -1]);
    const input: Tensor = { datatype: 'FP32', shape: [1, 2], data: Float32Array.of(1, 2) };
    const { model, nodes, skipped } = await quantized(graph.build(), input, {
      excluded: new Set(['kept_node']),
    });
    expect(nodes).toBe(0);
    expect(skipped).toEqual([
      { node: 'kept_node', reason: 'excluded' },
      { node: 'scaled_node', reason: 'a Gemm with transA, alpha or beta' },
      { node: 'y_node', reason: 'its weights are not constant' },
    ]);
    expect(operators(model)).not.toContain('QuantizeLinear');
  });

  it('finds weights that a graph computes from constants', async () => {
    const graph = createGraphBuilder('folded');
    const x = graph.input('x', 'FP32', [-1, 2]);
    const weights = { datatype: 'FP32', shape: [2, 2], data: Float32Array.of(1, 2, 3, 4) } as const;
    const held = graph.add('Constant', [], { value: { tensor: weights } });
    graph.add('MatMul', [x, graph.add('Transpose', [held], { perm: [1, 0] })], {}, 'y');
    graph.output('y', 'FP32', [-1, 2]);
    const input: Tensor = { datatype: 'FP32', shape: [1, 2], data: Float32Array.of(1, 1) };
    const { model, nodes } = await quantized(graph.build(), input);
    expect(nodes).toBe(1);
    expect(operators(model)).not.toContain('Transpose');
    expect(numbers((await run(model, { x: input }))['y']).map(Math.round)).toEqual([3, 7]);
  });

  it('keeps a bias that is huge beside its weights', async () => {
    const graph = createGraphBuilder('bias');
    const constant = (shape: number[], data: number[]) =>
      graph.constant({ datatype: 'FP32', shape, data: Float32Array.from(data) });
    const x = graph.input('x', 'FP32', [-1, 1]);
    graph.add('Gemm', [x, constant([1, 1], [1e-9]), constant([1], [1000])], {}, 'y');
    graph.output('y', 'FP32', [-1, 1]);
    const input: Tensor = { datatype: 'FP32', shape: [1, 1], data: Float32Array.of(1) };
    const { model } = await quantized(graph.build(), input);
    expect(numbers((await run(model, { x: input }))['y'])[0]).toBeCloseTo(1000, 1);
  });

  it('refuses a model that is too old for DequantizeLinear to have an axis', async () => {
    const { model, input } = drawNetwork(createRandom(1));
    const old = { ...model, opsetImport: [{ domain: '', version: 10n }] };
    const result = await quantizeStatic(old, [{ x: input(1) }], options, runtime);
    expect(result).toMatchObject({ ok: false, error: { code: 'invalid_bundle' } });
  });
});
